#pragma once
/// Time as coroutines see it. Tests own a FakeClock and advance it; nothing in core asks the system directly.
#include <boost/asio/awaitable.hpp>

#include "common/base/time.hpp"

namespace persistproc {
namespace async {

template <class T = void>
using Task = boost::asio::awaitable<T>;

class Clock {
public:
    virtual ~Clock() = default;
    virtual MonoTime now() const = 0;
    /// As `now()`, up to 10 ms behind it and cheaper: for deadlines of seconds on paths that many calls take.
    virtual MonoTime rough_now() const { return now(); }
    virtual WallTime wall() const = 0;
    /// Completes when `now() >= until`. Cancelling ends it with operation_aborted.
    virtual Task<> sleep_until(MonoTime until) = 0;
};

/// The system's clocks.
class SystemClock final : public Clock {
public:
    MonoTime now() const override;
    MonoTime rough_now() const override;
    WallTime wall() const override;
    Task<> sleep_until(MonoTime until) override;
};

}  // namespace async

using async::Task;

}  // namespace persistproc
