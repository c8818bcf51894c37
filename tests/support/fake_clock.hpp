#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>

#include "common/async/clock.hpp"

namespace persistproc::tests {

/// Time that stands still until the test advances it; sleepers wake in `advance` (run the executor afterwards).
class FakeClock final : public async::Clock {
public:
    explicit FakeClock(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

    MonoTime now() const override { return now_; }
    WallTime wall() const override { return wall_; }

    Task<> sleep_until(MonoTime until) override {
        if (until <= now_) co_return;
        // Never expires by itself: advance() sets it off.
        boost::asio::steady_timer timer(executor_, boost::asio::steady_timer::time_point::max());
        const auto place = sleepers_.insert(sleepers_.end(), Sleeper{until, &timer});
        const Forget forget{&sleepers_, place};
        boost::system::error_code error;
        co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, error));
        if (now_ < until) throw boost::system::system_error(boost::asio::error::operation_aborted);
    }

    void advance(std::chrono::nanoseconds by) {
        now_ += by;
        wall_ += by;
        for (const auto& each : sleepers_)
            if (each.until <= now_) each.timer->cancel();
    }
    /// How many coroutines sleep.
    std::size_t sleepers() const { return sleepers_.size(); }

private:
    struct Sleeper {
        MonoTime until;
        boost::asio::steady_timer* timer;
    };
    struct Forget {
        std::list<Sleeper>* sleepers;
        std::list<Sleeper>::iterator place;
        ~Forget() { sleepers->erase(place); }
    };

    boost::asio::any_io_executor executor_;
    MonoTime now_{std::chrono::hours(1)};
    WallTime wall_{std::chrono::hours(24 * 365 * 56)};
    std::list<Sleeper> sleepers_;
};

}  // namespace persistproc::tests
