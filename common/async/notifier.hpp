#pragma once
/// "Something changed": wakes every coroutine that waits now. The usual loop is
///   while (!condition()) co_await notifier.wait();
/// One executor, one thread; a waiter that is cancelled leaves with operation_aborted.
#include <boost/asio/any_io_executor.hpp>
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

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace persistproc::async
