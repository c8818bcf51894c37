#include "daemon/core/look_turns.hpp"

#include <algorithm>
#include <functional>

namespace persistproc::core {

namespace {

using std::chrono::nanoseconds;

// Who waits and has nothing to be looked at meanwhile is so far ahead at most.
constexpr nanoseconds most_saved = std::chrono::milliseconds(200);
// Who comes anew each time leaves nothing behind that is looked at again: beyond these all begin anew.
constexpr std::size_t most_processes = 1024, most_parties = 256;

nanoseconds brought_up(nanoseconds taken, nanoseconds floor) { return std::max(taken, floor - most_saved); }

}  // namespace

LookRank LookShares::rank(const Asker& who) const {
    const auto process = processes_.find(who.share());
    if (process == processes_.end()) return {!who.is_person, floor_, nanoseconds(0)};
    const Process& own = process->second;
    const auto party = own.parties.find(who.party);
    return {!who.is_person, brought_up(own.taken, floor_),
            party == own.parties.end() ? own.floor : brought_up(party->second, own.floor)};
}

void LookShares::take(const Asker& who, nanoseconds time) {
    const LookRank before = rank(who);
    Process& own = processes_[who.share()];
    own.taken = before.of_process + time;
    own.floor = std::max(own.floor, before.of_party);
    own.parties[who.party] = before.of_party + time;
    if (own.parties.size() > most_parties) own.parties.clear();
}

void LookShares::begin(const LookRank& rank) {
    if (rank.is_agent && rank.of_process != behind_all) floor_ = std::max(floor_, rank.of_process);
    if (processes_.size() > most_processes) processes_.clear();
}

void LookShares::clear() { *this = LookShares(); }

void LookOrder::add(const Asker& who, const LookRank& rank) {
    const auto [process, is_new_process] = process_of_.try_emplace(who.share(), processes_.size());
    if (is_new_process) processes_.push_back(rank.of_process);
    const auto [party, is_new_party] = party_of_.try_emplace({process->second, who.party}, parties_.size());
    if (is_new_party) parties_.push_back({process->second, rank.is_agent, rank.of_party, {}});
    parties_[party->second].waiting.push(added_++);
}

LookOrder::Place LookOrder::place(std::size_t party) const {
    const Party& one = parties_[party];
    return {{{one.is_agent, processes_[one.process], one.taken}, one.waiting.front()}, party};
}

std::optional<std::size_t> LookOrder::next() {
    if (!std::exchange(is_in_line_, true))
        for (std::size_t party = 0; party < parties_.size(); ++party) line_.push(place(party));
    if (last_ && !parties_[*last_].waiting.empty()) line_.push(place(*last_));
    last_.reset();
    while (!line_.empty()) {
        const Place first = line_.top();
        line_.pop();
        // Others of its process may have had their turn since it stood in line.
        if (Place now = place(first.second); now != first) {
            line_.push(now);
            continue;
        }
        last_ = first.second;
        Party& one = parties_[*last_];
        const std::size_t question = one.waiting.front();
        one.waiting.pop();
        return question;
    }
    return std::nullopt;
}

void LookOrder::take(nanoseconds time) {
    if (!last_) return;
    parties_[*last_].taken += time;
    processes_[parties_[*last_].process] += time;
}

}  // namespace persistproc::core
