#pragma once
/// Two kinds of time that never mix: WallTime for records people read, MonoTime for timers and order.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"

namespace persistproc {
namespace base {

using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

WallTime wall_now() noexcept;
/// CLOCK_BOOTTIME in nanoseconds: goes on during suspend, comparable within one boot only.
std::uint64_t boot_now_ns() noexcept;
/// Of the processor, that the calling thread has taken: what others of the machine take counts for nobody.
std::chrono::nanoseconds thread_time() noexcept;

inline std::int64_t to_ns(WallTime time) noexcept { return time.time_since_epoch().count(); }
inline WallTime from_ns(std::int64_t ns) noexcept { return WallTime(std::chrono::nanoseconds(ns)); }

/// RFC 3339 in UTC with milliseconds: "2026-11-02T08:00:00.123Z".
std::string format_rfc3339(WallTime time);

/// The same in the zone of this machine: "2026-11-02T09:00:00.123+01:00"; "Z" where that is UTC.
std::string format_local_time(WallTime time);

/// Accepts RFC 3339 with `Z` or an offset, fraction optional. Pure. Errors: invalid.
Result<WallTime> parse_rfc3339(std::string_view text);

/// "250ms", "30", "30s", "2m", "1h30m", "2d", "5 min"; a bare number is seconds; fractions are accepted ("1.5s").
/// Pure. Errors: invalid, naming the text and what is accepted.
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

/// Below this a bare number is an age in seconds; from here on it is Unix seconds (since 1973).
inline constexpr std::int64_t least_unix_seconds = 100'000'000;

/// A time as users give it to --since: RFC 3339, a date or a clock time of this machine's zone, "today", "yesterday",
/// Unix seconds, or a duration before `now` ("5m", "5 min ago"). Errors: invalid.
Result<WallTime> parse_time_or_age(std::string_view text, WallTime now);

/// A duration that somebody has set, to the millisecond, as parse_duration reads it: "500ms", "10s", "1m30s", "1h".
std::string format_seconds(double seconds);

/// Short age for listings: "3s", "5m", "2h 5m", "4d 3h".
std::string format_age(std::chrono::nanoseconds age);

}  // namespace base

using base::MonoTime;
using base::WallTime;

}  // namespace persistproc
