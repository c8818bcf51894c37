#include "common/async/turns.hpp"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <utility>

namespace persistproc::async {

Turns::Entry Turns::enter(Party party, std::function<void()> begin, Ticket& ticket) {
    Queue& own = parties_[party];
    if (running_ < bounds_.places && own.running < bounds_.per_party) {
        ++running_;
        ++own.running;
        return Entry::begins;
    }
    if (own.waiting.size() >= bounds_.waiting_per_party) {
        forget_if_idle(party);
        return Entry::refused;
    }
    ticket = next_ticket_++;
    if (own.waiting.empty()) in_turn_.push_back(party);
    own.waiting.push_back({ticket, std::move(begin)});
    ++waiting_;
    return Entry::waits;
}

void Turns::leave(Party party) {
    --running_;
    --parties_[party].running;
    forget_if_idle(party);
    const auto next = std::find_if(in_turn_.begin(), in_turn_.end(),
                                   [this](Party each) { return parties_[each].running < bounds_.per_party; });
    if (next == in_turn_.end()) return;
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
    const auto entry = turns_.enter(party_, begin, ticket_);
    if (entry == Turns::Entry::refused) co_return false;
    state_ = state;
    state->is_mine = entry == Turns::Entry::begins;
    while (!state->is_mine) co_await state->given.wait();
    co_return true;
}

}  // namespace persistproc::async
