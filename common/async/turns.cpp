#include "common/async/turns.hpp"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <utility>

namespace persistproc::async {

Turns::Entry Turns::enter(Party party, std::function<void()> begin, Ticket& ticket, std::function<void()> give_way) {
    Queue& own = parties_[party];
    if (!is_held_ && running_ < bounds_.places && own.running < bounds_.per_party) {
        ++running_;
        ++own.running;
        return Entry::begins;
    }
    const std::size_t wanted = own.waiting.size() + 1;
    if (wanted > bounds_.waiting_per_party || (waiting_ >= bounds_.waiting && !make_room(wanted))) {
        forget_if_idle(party);
        return Entry::refused;
    }
    ticket = next_ticket_++;
    if (own.waiting.empty()) in_turn_.push_back(party);
    own.waiting.push_back({ticket, std::move(begin), std::move(give_way)});
    ++waiting_;
    return Entry::waits;
}

/// For a party that then has `wanted` waiting: one of a party that has more waits no longer.
bool Turns::make_room(std::size_t wanted) {
    const auto waiting_of = [this](Party each) { return parties_[each].waiting.size(); };
    const auto most = std::max_element(in_turn_.begin(), in_turn_.end(),
                                       [&](Party a, Party b) { return waiting_of(a) < waiting_of(b); });
    if (most == in_turn_.end() || waiting_of(*most) <= wanted) return false;
    const Waiting newest = parties_[*most].waiting.back();
    withdraw(*most, newest.ticket);
    if (newest.give_way) newest.give_way();
    return true;
}

void Turns::leave(Party party) {
    --running_;
    --parties_[party].running;
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
    const auto next = std::find_if(in_turn_.begin(), in_turn_.end(),
                                   [this](Party each) { return parties_[each].running < bounds_.per_party; });
    if (next == in_turn_.end()) return false;
    Queue& theirs = parties_[*next];
    const auto begin = std::move(theirs.waiting.front().begin);
    theirs.waiting.pop_front();
    --waiting_;
    ++running_;
    ++theirs.running;
    // To the end of the line, if it has more.
    if (theirs.waiting.empty())
        in_turn_.erase(next);
    else
        in_turn_.splice(in_turn_.end(), in_turn_, next);
    begin();
    return true;
}

bool Turns::withdraw(Party party, Ticket ticket) {
    const auto own = parties_.find(party);
    if (own == parties_.end()) return false;
    auto& waiting = own->second.waiting;
    const auto found =
        std::find_if(waiting.begin(), waiting.end(), [&](const auto& each) { return each.ticket == ticket; });
    if (found == waiting.end()) return false;
    waiting.erase(found);
    --waiting_;
    if (waiting.empty()) in_turn_.remove(party);
    forget_if_idle(party);
    return true;
}

void Turns::clear() noexcept {
    for (auto& [party, own] : parties_) own.waiting.clear();
    in_turn_.clear();
    waiting_ = 0;
}

void Turns::forget_if_idle(Party party) {
    const auto own = parties_.find(party);
    if (own != parties_.end() && own->second.running == 0 && own->second.waiting.empty()) parties_.erase(own);
}

Place::~Place() {
    if (!state_ || life_.expired()) return;
    if (state_->is_mine)
        turns_.leave(party_);
    else
        turns_.withdraw(party_, ticket_);
}

Task<bool> Place::wait() {
    auto executor = co_await boost::asio::this_coro::executor;
    const auto state = std::make_shared<State>(std::move(executor));
    const auto begin = [state] {
        state->is_mine = true;
        state->given.notify_all();
    };
    const auto give_way = [state] {
        state->is_refused = true;
        state->given.notify_all();
    };
    const auto entry = turns_.enter(party_, begin, ticket_, give_way);
    if (entry == Turns::Entry::refused) co_return false;
    state_ = state;
    state->is_mine = entry == Turns::Entry::begins;
    while (!state->is_mine && !state->is_refused) co_await state->given.wait();
    co_return state->is_mine;
}

}  // namespace persistproc::async
