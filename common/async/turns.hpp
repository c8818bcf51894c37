#pragma once
/// Places for work that several parties want at once, shared fairly: no party has more than its share of them, and who
/// waits gets the next free one in turn, group by group and in each party by party. One executor, one thread.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <unordered_map>

#include "common/async/notifier.hpp"

namespace persistproc::async {

class Turns {
public:
    /// Told apart by identity alone; never looked into.
    using Party = const void*;
    /// A number, e.g. of a process; below any address.
    using Group = std::uintptr_t;
    using Ticket = std::uint64_t;

    struct Bounds {
        std::size_t places = 0;
        std::size_t per_party = 0;  // of the places
        /// Likewise; what one gets where it is alone. The more of them have places, the fewer each gets, and so do the
        /// parties of each, so that who comes with nothing finds a free one (`cap_of_group`).
        std::size_t per_group = std::numeric_limits<std::size_t>::max();
        std::size_t waiting_per_party = 0;  // beyond, its next one is refused
        /// Of all. Beyond, the newest one of the group with most gives way to one of a group with fewer, and within a
        /// group that of the party with most to one of a party with fewer; else that one is refused.
        std::size_t waiting = std::numeric_limits<std::size_t>::max();
    };
    enum class Entry { begins, waits, refused };

    explicit Turns(Bounds bounds) : bounds_(bounds) {}

    /// True: the place is the caller's, until it calls `leave`. Else it does not wait. `group`: whom the party belongs
    /// to, with all it has here; 0: the group that it is in, else itself.
    bool try_begin(Party party, Group group = 0);
    /// `begins`: as by `try_begin`. `waits`: `begin` is called once a place is its own,
    /// or `give_way` once it waits no more; `ticket` names it until then. `refused`: too many wait.
    Entry enter(Party party, std::function<void()> begin, Ticket& ticket, std::function<void()> give_way = {},
                Group group = 0);
    /// Gives a place back; who is next begins within this call.
    void leave(Party party);
    /// What waits under that ticket waits no more. False: it does not wait.
    bool withdraw(Party party, Ticket ticket);

    /// While held, nothing begins: it waits.
    void hold(bool is_held);

    /// Nothing waits any more, and nothing of it begins.
    void clear() noexcept;

    /// Expires with this object.
    std::weak_ptr<const void> life() const noexcept { return life_; }

    std::size_t running() const noexcept { return running_; }
    std::size_t waiting() const noexcept { return *waiting_; }
    /// The same, for any thread, also when this object is gone.
    std::shared_ptr<const std::atomic<std::size_t>> waiting_count() const noexcept { return waiting_; }
    /// So many are here that it is worth to find out what group one belongs to.
    bool is_crowded() const noexcept {
        return waiting() >= bounds_.waiting / 8 ||
               (bounds_.per_group < bounds_.places && running_ >= bounds_.places / 2);
    }

private:
    struct Waiting {
        Ticket ticket = 0;
        std::function<void()> begin, give_way;
    };
    struct Queue {
        std::size_t running = 0;
        std::list<Waiting> waiting;  // no deque, which takes memory while it is empty
        Group group = 0;
    };
    struct Members {
        std::size_t running = 0, waiting = 0;  // of all
        std::list<Party> in_turn;              // those that have something waiting
    };

    Members& join(Party party, Queue& own, Group group);
    std::size_t cap_of_group() const noexcept;
    bool may_begin(const Members& members) const noexcept;
    bool may_begin(const Queue& own, const Members& members) const noexcept;
    bool begin_next();
    bool make_room(Group group, std::size_t wanted);
    Party party_with_most(const Members& members) const;
    void waits_no_more(Party party, Queue& own);
    void forget_if_idle(Party party);

    Bounds bounds_;
    std::size_t running_ = 0;
    std::shared_ptr<std::atomic<std::size_t>> waiting_ = std::make_shared<std::atomic<std::size_t>>(0);
    bool is_held_ = false;
    Ticket next_ticket_ = 1;
    std::unordered_map<Party, Queue> parties_;
    std::unordered_map<Group, Members> groups_;
    std::list<Group> in_turn_;  // those that have something waiting
    std::shared_ptr<const void> life_ = std::make_shared<char>();
};

/// A place for a coroutine, given back with this object. Stays within the coroutine, which may be destroyed after
/// `turns`: what an executor still holds goes with it.
class Place {
public:
    Place(Turns& turns, Turns::Party party, Turns::Group group = 0)
        : turns_(turns), life_(turns.life()), party_(party), group_(group) {}
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    enum class Given { yes, too_many, too_late };
    /// Completes when the place is there, or cannot be had: too many wait, or `until` came first. Once.
    Task<Given> wait(MonoTime until, Clock& clock);
    /// The same, however long it takes. False: too many wait.
    Task<bool> wait();

private:
    struct State {
        explicit State(boost::asio::any_io_executor executor) : given(std::move(executor)) {}
        bool is_mine = false, is_refused = false;
        Notifier given;
    };
    std::shared_ptr<State> enter(boost::asio::any_io_executor executor);

    Turns& turns_;
    std::weak_ptr<const void> life_;  // of `turns_`
    Turns::Party party_;
    Turns::Group group_;
    Turns::Ticket ticket_ = 0;
    std::shared_ptr<State> state_;  // nothing: it was not waited for, or refused
};

}  // namespace persistproc::async
