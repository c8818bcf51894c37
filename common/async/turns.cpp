#include "common/async/turns.hpp"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <utility>

namespace persistproc::async {

bool Turns::try_begin(Party party, Group group) {
    Queue& own = parties_[party];
    Members& members = join(party, own, group);
    if (is_held_ || running_ >= bounds_.places || !may_begin(members) || !may_begin(own, members)) {
        forget_if_idle(party);
        return false;
    }
    ++running_;
    ++own.running;
    ++members.running;
    return true;
}

Turns::Entry Turns::enter(Party party, std::function<void()> begin, Ticket& ticket, std::function<void()> give_way,
                          Group group) {
    if (try_begin(party, group)) return Entry::begins;
    Queue& own = parties_[party];
    join(party, own, group);
    group = own.group;
    const std::size_t wanted = own.waiting.size() + 1;
    if (wanted > bounds_.waiting_per_party || (waiting() >= bounds_.waiting && !make_room(group, wanted))) {
        forget_if_idle(party);
        return Entry::refused;
    }
    ticket = next_ticket_++;
    Members& members = groups_[group];
    if (members.waiting++ == 0) in_turn_.push_back(group);
    if (own.waiting.empty()) members.in_turn.push_back(party);
    own.waiting.push_back({ticket, std::move(begin), std::move(give_way)});
    ++*waiting_;
    return Entry::waits;
}

/// With all that it has; returns the group's.
Turns::Members& Turns::join(Party party, Queue& own, Group group) {
    if (group == 0) group = own.group != 0 ? own.group : reinterpret_cast<Group>(party);
    if (own.group == group) return groups_[group];
    const std::size_t waiting = own.waiting.size();
    if (own.group != 0) {
        const auto left = groups_.find(own.group);
        left->second.running -= own.running;
        left->second.waiting -= waiting;
        if (waiting > 0) left->second.in_turn.remove(party);
        if (waiting > 0 && left->second.waiting == 0) in_turn_.remove(own.group);
        if (left->second.running + left->second.waiting == 0) groups_.erase(left);
    }
    own.group = group;
    Members& members = groups_[group];
    if (waiting > 0 && members.waiting == 0) in_turn_.push_back(group);
    if (waiting > 0) members.in_turn.push_back(party);
    members.running += own.running;
    members.waiting += waiting;
    return members;
}

/// In the proportion to what is free that leaves a lone group its share: what is taken by others shrinks it.
std::size_t Turns::cap_of_group() const noexcept {
    if (bounds_.per_group >= bounds_.places) return bounds_.places;
    const std::size_t others = bounds_.places - bounds_.per_group;
    const std::size_t free = bounds_.places - running_;
    return std::min(bounds_.per_group, (free * bounds_.per_group + others - 1) / others);
}

bool Turns::may_begin(const Members& members) const noexcept { return members.running < cap_of_group(); }

/// Of a group that may: a party that has places leaves as many of the group's to others.
bool Turns::may_begin(const Queue& own, const Members& members) const noexcept {
    if (own.running >= bounds_.per_party) return false;
    const bool is_shared = bounds_.per_group < bounds_.places;
    return own.running == 0 || !is_shared || own.running <= cap_of_group() - members.running;
}

Turns::Party Turns::party_with_most(const Members& members) const {
    const auto waiting_of = [this](Party each) { return parties_.at(each).waiting.size(); };
    return *std::max_element(members.in_turn.begin(), members.in_turn.end(),
                             [&](Party a, Party b) { return waiting_of(a) < waiting_of(b); });
}

/// For a party of `group` that then has `wanted` waiting: one that others have too many of waits no longer.
bool Turns::make_room(Group group, std::size_t wanted) {
    const auto most = std::max_element(in_turn_.begin(), in_turn_.end(), [this](Group a, Group b) {
        return groups_.at(a).waiting < groups_.at(b).waiting;
    });
    if (most == in_turn_.end()) return false;
    const Members& own = groups_.at(group);
    const std::size_t own_waiting = own.waiting;
    const bool is_of_other = groups_.at(*most).waiting > own_waiting + 1;
    if (!is_of_other && own_waiting == 0) return false;
    const Party from = party_with_most(is_of_other ? groups_.at(*most) : own);
    if (!is_of_other && parties_.at(from).waiting.size() <= wanted) return false;
    const Waiting newest = parties_.at(from).waiting.back();
    withdraw(from, newest.ticket);
    if (newest.give_way) newest.give_way();
    return true;
}

void Turns::leave(Party party) {
    --running_;
    Queue& own = parties_.at(party);
    --own.running;
    --groups_.at(own.group).running;
    forget_if_idle(party);
    while (begin_next()) {
    }
}

void Turns::hold(bool is_held) {
    is_held_ = is_held;
    while (begin_next()) {
    }
}

bool Turns::begin_next() {
    if (is_held_ || running_ >= bounds_.places) return false;
    for (auto next = in_turn_.begin(); next != in_turn_.end(); ++next) {
        Members& members = groups_.at(*next);
        if (!may_begin(members)) continue;
        const auto party = std::find_if(members.in_turn.begin(), members.in_turn.end(),
                                        [&](Party each) { return may_begin(parties_.at(each), members); });
        if (party == members.in_turn.end()) continue;
        Queue& theirs = parties_.at(*party);
        const auto begin = std::move(theirs.waiting.front().begin);
        theirs.waiting.pop_front();
        ++running_;
        ++theirs.running;
        ++members.running;
        // To the end of each line, if there is more.
        members.in_turn.splice(members.in_turn.end(), members.in_turn, party);
        in_turn_.splice(in_turn_.end(), in_turn_, next);
        waits_no_more(*party, theirs);
        begin();
        return true;
    }
    return false;
}

bool Turns::withdraw(Party party, Ticket ticket) {
    const auto own = parties_.find(party);
    if (own == parties_.end()) return false;
    auto& waiting = own->second.waiting;
    const auto found =
        std::find_if(waiting.begin(), waiting.end(), [&](const auto& each) { return each.ticket == ticket; });
    if (found == waiting.end()) return false;
    waiting.erase(found);
    waits_no_more(party, own->second);
    forget_if_idle(party);
    return true;
}

/// One of a party's has been taken out of its line.
void Turns::waits_no_more(Party party, Queue& own) {
    --*waiting_;
    Members& members = groups_.at(own.group);
    if (own.waiting.empty()) members.in_turn.remove(party);
    if (--members.waiting == 0) in_turn_.remove(own.group);
}

void Turns::clear() noexcept {
    for (auto& [party, own] : parties_) own.waiting.clear();
    std::erase_if(parties_, [](const auto& each) { return each.second.running == 0; });
    for (auto& [group, members] : groups_) {
        members.waiting = 0;
        members.in_turn.clear();
    }
    std::erase_if(groups_, [](const auto& each) { return each.second.running == 0; });
    in_turn_.clear();
    *waiting_ = 0;
}

void Turns::forget_if_idle(Party party) {
    const auto own = parties_.find(party);
    if (own == parties_.end() || own->second.running > 0 || !own->second.waiting.empty()) return;
    const auto members = groups_.find(own->second.group);
    parties_.erase(own);
    const bool is_empty = members != groups_.end() && members->second.running + members->second.waiting == 0;
    if (is_empty) groups_.erase(members);
}

Place::~Place() {
    if (!state_ || life_.expired()) return;
    if (state_->is_mine)
        turns_.leave(party_);
    else
        turns_.withdraw(party_, ticket_);
}

/// Null: refused.
std::shared_ptr<Place::State> Place::enter(boost::asio::any_io_executor executor) {
    const auto state = std::make_shared<State>(std::move(executor));
    const auto begin = [state] {
        state->is_mine = true;
        state->given.notify_all();
    };
    const auto give_way = [state] {
        state->is_refused = true;
        state->given.notify_all();
    };
    const auto entry = turns_.enter(party_, begin, ticket_, give_way, group_);
    if (entry == Turns::Entry::refused) return nullptr;
    state_ = state;
    state->is_mine = entry == Turns::Entry::begins;
    return state;
}

Task<Place::Given> Place::wait(MonoTime until, Clock& clock) {
    auto executor = co_await boost::asio::this_coro::executor;
    const auto state = enter(std::move(executor));
    if (!state) co_return Given::too_many;
    while (!state->is_mine && !state->is_refused) {
        const bool is_told = co_await state->given.wait_until(until, clock);
        if (!is_told && !state->is_mine) co_return Given::too_late;
    }
    co_return state->is_mine ? Given::yes : Given::too_many;
}

Task<bool> Place::wait() {
    auto executor = co_await boost::asio::this_coro::executor;
    const auto state = enter(std::move(executor));
    if (!state) co_return false;
    while (!state->is_mine && !state->is_refused) co_await state->given.wait();
    co_return state->is_mine;
}

}  // namespace persistproc::async
