#include "common/async/notifier.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace persistproc::async {

namespace asio = boost::asio;

// A timer that never expires: cancelling it completes all its waits at once, without touching their order.
struct Notifier::State {
    explicit State(asio::any_io_executor executor) : timer(executor, asio::steady_timer::time_point::max()) {}
    asio::steady_timer timer;
    std::uint64_t notified = 0;
};

Notifier::Notifier(asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

Notifier::~Notifier() { notify_all(); }

Task<> Notifier::wait() {
    auto state = state_;
    const auto before = state->notified;
    boost::system::error_code error;
    co_await state->timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    // The same error code means a notification or a cancellation of this one wait; the count tells them apart.
    if (state->notified == before) throw boost::system::system_error(asio::error::operation_aborted);
}

Task<bool> Notifier::wait_until(MonoTime until, Clock& clock) {
    using namespace asio::experimental::awaitable_operators;
    auto which = co_await (wait() || clock.sleep_until(until));
    co_return which.index() == 0;
}

std::uint64_t Notifier::count() const noexcept { return state_->notified; }

Task<bool> Notifier::wait_past(std::uint64_t seen, MonoTime until, Clock& clock) {
    if (state_->notified != seen) co_return true;
    co_return co_await wait_until(until, clock);
}

void Notifier::notify_all() {
    ++state_->notified;
    state_->timer.cancel();
}

}  // namespace persistproc::async
