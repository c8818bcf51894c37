#pragma once
/// What happens to processes, as typed events for any number of subscribers. Each has a queue of its own with a bound:
/// one that does not keep up loses the oldest events and is told how many, and delays nobody. One executor, one thread.
#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "common/async/notifier.hpp"
#include "common/domain/process.hpp"

namespace persistproc::core {

/// A process has been made. Those that an adoption finds are not told of: they were there before.
struct ProcessAppeared {
    ProcessId id;
};
/// Something that its view shows is different. Several in a row of the same state may be told as one.
struct ProcessChanged {
    ProcessId id;
    ProcessState state = ProcessState::starting;
    std::uint32_t run = 0;  // the newest
    friend bool operator==(const ProcessChanged&, const ProcessChanged&) = default;
};
/// A run's outcome has become known. Those that an adoption learns of are not told of.
struct RunEnded {
    RunId id;
    ProcessState state = ProcessState::exited;  // of the process, right after it
    Outcome outcome;
};
struct ProcessRemoved {
    ProcessId id;
};
/// So many events came between the one before this and the next one, and are lost to this subscriber.
struct EventsLost {
    std::uint64_t count = 0;
};
using Event = std::variant<ProcessAppeared, ProcessChanged, RunEnded, ProcessRemoved, EventsLost>;

class Events {
    struct Queue;

public:
    /// Hears what is published from its making to its end. May outlive the Events.
    class Subscription {
    public:
        explicit Subscription(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}
        Subscription(Subscription&&) noexcept = default;
        Subscription& operator=(Subscription&&) noexcept = default;

        /// The oldest event not yet taken; completes when there is one. One call at a time. Cancelling takes nothing.
        Task<Event> next();
        /// As `next`, of what is there.
        std::optional<Event> take();

    private:
        std::shared_ptr<Queue> queue_;
    };

    explicit Events(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

    /// `bound`: events that wait for the subscriber.
    Subscription subscribe(std::size_t bound = 1024);
    void publish(const Event& event);
    /// Events so far. As long as it stays nothing that a view shows is different but what is sampled, or an age.
    std::uint64_t published() const noexcept { return published_; }
    std::size_t subscribers() const noexcept;

private:
    boost::asio::any_io_executor executor_;
    std::vector<std::weak_ptr<Queue>> queues_;
    std::uint64_t published_ = 0;
};

}  // namespace persistproc::core
