#include "common/async/clock.hpp"

#include <time.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace persistproc::async {

MonoTime SystemClock::now() const { return std::chrono::steady_clock::now(); }
MonoTime SystemClock::rough_now() const {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return MonoTime(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

WallTime SystemClock::wall() const { return base::wall_now(); }

Task<> SystemClock::sleep_until(MonoTime until) {
    auto executor = co_await boost::asio::this_coro::executor;
    boost::asio::steady_timer timer(executor, until);
    co_await timer.async_wait(boost::asio::use_awaitable);
}

}  // namespace persistproc::async
