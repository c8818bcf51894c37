#include "daemon/core/events.hpp"

#include <algorithm>

namespace persistproc::core {

struct Events::Queue {
    Queue(boost::asio::any_io_executor executor, std::size_t most) : bound(most), grown(std::move(executor)) {}

    void push(const Event& event) {
        // A view is read anew for each change: two in a row that say the same are one.
        const auto* changed = std::get_if<ProcessChanged>(&event);
        const auto* before = events.empty() ? nullptr : std::get_if<ProcessChanged>(&events.back());
        if (changed != nullptr && before != nullptr && *before == *changed) return;
        if (events.size() >= bound) {
            events.pop_front();
            ++lost;
        }
        events.push_back(event);
        grown.notify_all();
    }

    std::optional<Event> take() {
        if (lost > 0) return EventsLost{std::exchange(lost, 0)};
        if (events.empty()) return std::nullopt;
        Event first = std::move(events.front());
        events.pop_front();
        return first;
    }

    std::size_t bound;
    std::deque<Event> events;
    std::uint64_t lost = 0;  // older than all of `events`
    async::Notifier grown;
};

Task<Event> Events::Subscription::next() {
    const auto queue = queue_;
    for (;;) {
        if (auto event = queue->take()) co_return std::move(*event);
        co_await queue->grown.wait();
    }
}

std::optional<Event> Events::Subscription::take() { return queue_->take(); }

Events::Subscription Events::subscribe(std::size_t bound) {
    auto queue = std::make_shared<Queue>(executor_, std::max<std::size_t>(bound, 1));
    queues_.push_back(queue);
    return Subscription(std::move(queue));
}

void Events::publish(const Event& event) {
    ++published_;
    std::erase_if(queues_, [](const auto& each) { return each.expired(); });
    // A copy: whoever is woken may subscribe.
    const auto queues = queues_;
    for (const auto& each : queues)
        if (const auto queue = each.lock()) queue->push(event);
}

std::size_t Events::subscribers() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(queues_.begin(), queues_.end(), [](const auto& each) { return !each.expired(); }));
}

}  // namespace persistproc::core
