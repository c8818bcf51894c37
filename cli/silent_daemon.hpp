#pragma once
/// A daemon that holds its data directory and does not answer: what is seen of it from outside, how long it is waited
/// for, and what is said.
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>

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
/// often, and told after a second more; without a probe the call itself is a greeting. `teller` may be empty.
Task<> until_silent_too_long(std::filesystem::path data, GreetingProbe probe, SilenceTeller teller);

}  // namespace persistproc::cli
