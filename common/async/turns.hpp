#pragma once
/// Places for work that several parties want at once, shared fairly: no party has more than its share of them, and who
/// waits gets the next free one in turn, party by party. One executor, one thread.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <unordered_map>

#include "common/async/notifier.hpp"

namespace persistproc::async {

class Turns {
public:
    /// Told apart by identity alone; never looked into.
    using Party = const void*;
    using Ticket = std::uint64_t;

    struct Bounds {
        std::size_t places = 0;
        std::size_t per_party = 0;          // of the places
        std::size_t waiting_per_party = 0;  // beyond, its next one is refused
    };
    enum class Entry { begins, waits, refused };

    explicit Turns(Bounds bounds) : bounds_(bounds) {}

    /// `begins`: the place is the caller's, until it calls `leave`. `waits`: `begin` is called once a place is its own;
    /// `ticket` names it until then. `refused`: too many of that party wait.
    Entry enter(Party party, std::function<void()> begin, Ticket& ticket);
    /// Gives a place back; who is next begins within this call.
    void leave(Party party);
    /// What waits under that ticket waits no more. False: it does not wait.
    bool withdraw(Party party, Ticket ticket);

    /// Nothing waits any more, and nothing of it begins.
    void clear() noexcept;

    /// Expires with this object.
    std::weak_ptr<const void> life() const noexcept { return life_; }

    std::size_t running() const noexcept { return running_; }
    std::size_t waiting() const noexcept { return waiting_; }

private:
    struct Waiting {
        Ticket ticket = 0;
        std::function<void()> begin;
    };
    struct Queue {
        std::size_t running = 0;
        std::deque<Waiting> waiting;
    };

    void forget_if_idle(Party party);

    Bounds bounds_;
    std::size_t running_ = 0, waiting_ = 0;
    Ticket next_ticket_ = 1;
    std::unordered_map<Party, Queue> parties_;
    std::list<Party> in_turn_;  // those that have something waiting
    std::shared_ptr<const void> life_ = std::make_shared<char>();
};

/// A place for a coroutine, given back with this object. Stays within the coroutine, which may be destroyed after
/// `turns`: what an executor still holds goes with it.
class Place {
public:
    Place(Turns& turns, Turns::Party party) : turns_(turns), life_(turns.life()), party_(party) {}
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    /// Completes when the place is there. False: too many of that party wait. Once.
    Task<bool> wait();

private:
    struct State {
        explicit State(boost::asio::any_io_executor executor) : given(std::move(executor)) {}
        bool is_mine = false;
        Notifier given;
    };
    Turns& turns_;
    std::weak_ptr<const void> life_;  // of `turns_`
    Turns::Party party_;
    Turns::Ticket ticket_ = 0;
    std::shared_ptr<State> state_;  // nothing: it was not waited for, or refused
};

}  // namespace persistproc::async
