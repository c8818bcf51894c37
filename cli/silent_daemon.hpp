#pragma once
/// A daemon that holds its data directory and does not answer: what is seen of it from outside, how long it is waited
/// for, and what is said.
#include <sys/types.h>

#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

#include "cli/options.hpp"
#include "common/async/clock.hpp"
#include "common/base/result.hpp"

namespace persistproc::cli {

/// One that has been silent for so long is given up.
inline constexpr std::chrono::seconds silence_limit{10};

/// The PID of whoever holds the data directory's lock, by the lock's file; 0: nobody does, or it is not said. Blocks.
pid_t find_lock_holder(const std::filesystem::path& data);

/// That it was suspended, or that it does not answer, with what helps: unavailable, with os_error ETIMEDOUT. Blocks.
Error silent_daemon(const std::filesystem::path& data);
/// Whether a failure is that.
bool is_silence(const Error& failed) noexcept;

/// Is told what `silent_daemon` says once the silence has lasted a while; null: it is over, or there was none (said by
/// every answer, since a call may be answered before the next look at the daemon).
using SilenceTeller = std::function<void(const Error* silence)>;
/// On stderr, unless -q, once for all calls that wait at the same time.
SilenceTeller silence_teller(const CommonOptions& options);

/// Whether the daemon answers a greeting on a new connection. One that nobody listens on is no silence.
using GreetingProbe = std::function<Task<bool>()>;

/// To be raced against a call: completes when the daemon has been silent for `silence_limit`. A suspended one is told
/// after a second. A call may take long, so that one that merely does not answer is asked by `probe`, less and less
/// often, and told after a second more; without a probe the call itself is a greeting. `teller` may be empty. False: it
/// was cancelled. Nearly every one is, by the end of its call, and an exception would cost more than many a call.
Task<bool> until_silent_too_long(std::filesystem::path data, GreetingProbe probe, SilenceTeller teller);

/// What comes of `asking`; nothing: `silence`, which watches it, was too long.
template <class T>
Task<std::optional<T>> unless_silent(Task<T> asking, Task<bool> silence) {
    using boost::asio::experimental::awaitable_operators::operator||;
    auto first = co_await (std::move(asking) || std::move(silence));
    if (first.index() == 0) co_return std::move(std::get<0>(first));
    // Both were cancelled.
    if (!std::get<1>(first)) throw boost::system::system_error(boost::asio::error::operation_aborted);
    co_return std::nullopt;
}

}  // namespace persistproc::cli
