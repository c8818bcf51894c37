#pragma once
/// The one clock of a simulated world, and what is going to happen on it. Time passes only from event to event.
#include <functional>
#include <map>

#include "common/base/time.hpp"

namespace persistproc::simulation {

class Timeline {
public:
    using Event = std::function<void()>;
    /// Names an event that is still to come. Events of the same moment happen in the order in which they were planned.
    struct Ticket {
        MonoTime at{};
        std::uint64_t order = 0;
        friend auto operator<=>(const Ticket&, const Ticket&) = default;
    };

    MonoTime now() const noexcept { return now_; }
    WallTime wall() const noexcept { return start_ + (now_.time_since_epoch() + step_); }
    std::int64_t wall_ns() const noexcept { return base::to_ns(wall()); }
    /// Somebody sets the clock of the wall; timers do not notice.
    void step_wall(std::chrono::nanoseconds by) noexcept { step_ += by; }

    Ticket plan_at(MonoTime at, Event event) {
        const Ticket ticket{std::max(at, now_), ++planned_};
        events_.emplace(ticket, std::move(event));
        return ticket;
    }
    Ticket plan(std::chrono::nanoseconds in, Event event) { return plan_at(now_ + in, std::move(event)); }
    void cancel(Ticket ticket) { events_.erase(ticket); }

    bool is_empty() const noexcept { return events_.empty(); }
    /// When the next event is due. Precondition: there is one.
    MonoTime next() const noexcept { return events_.begin()->first.at; }
    /// Lets the next event happen. Precondition: there is one.
    void run_next() {
        auto node = events_.extract(events_.begin());
        now_ = node.key().at;
        node.mapped()();
    }

private:
    MonoTime now_{std::chrono::hours(1)};
    WallTime start_{std::chrono::hours(24 * 365 * 56)};
    std::chrono::nanoseconds step_{0};
    std::uint64_t planned_ = 0;
    std::map<Ticket, Event> events_;
};

}  // namespace persistproc::simulation
