#pragma once
/// "Something changed": wakes every coroutine that waits now. The usual loop is
///   while (!condition()) co_await notifier.wait();
/// One executor, one thread; a waiter that is cancelled leaves with operation_aborted.
#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <memory>

#include "common/async/clock.hpp"

namespace persistproc::async {

class Notifier {
public:
    explicit Notifier(boost::asio::any_io_executor executor);
    ~Notifier();
    Notifier(const Notifier&) = delete;
    Notifier& operator=(const Notifier&) = delete;

    /// Completes at the next notify_all(). Also completes (without one) when the notifier is destroyed.
    Task<> wait();
    /// Returns true when notified, false when `until` came first.
    Task<bool> wait_until(MonoTime until, Clock& clock);
    void notify_all();

    /// For a condition that is looked at across a suspension: what was notified after `count` was taken completes
    /// `wait_past` at once, so that no change between looking and waiting is missed. False when `until` came first.
    std::uint64_t count() const noexcept;
    Task<bool> wait_past(std::uint64_t seen, MonoTime until, Clock& clock);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace persistproc::async
