#include "common/base/time.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <limits>
#include <utility>

#include "common/base/text.hpp"

namespace persistproc::base {

namespace {

std::int64_t read_clock_ns(clockid_t clock) noexcept {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

/// Takes exactly `digits` decimal digits from the front of `text`.
bool take_digits(std::string_view& text, std::size_t digits, int& out) {
    if (text.size() < digits) return false;
    out = 0;
    for (std::size_t i = 0; i < digits; ++i) {
        if (text[i] < '0' || text[i] > '9') return false;
        out = out * 10 + (text[i] - '0');
    }
    text.remove_prefix(digits);
    return true;
}

bool take(std::string_view& text, char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
}

/// ".25" of a second from the front of `text`.
bool take_fraction(std::string_view& text, std::chrono::nanoseconds& out) {
    if (!take(text, '.')) return false;
    std::int64_t fraction = 0;
    int digits = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
        if (digits < 9) fraction = fraction * 10 + (text.front() - '0'), ++digits;
        text.remove_prefix(1);
    }
    if (digits == 0) return false;
    for (; digits < 9; ++digits) fraction *= 10;
    out = std::chrono::nanoseconds(fraction);
    return true;
}

Error bad_time(std::string_view text) {
    return {ErrorCode::invalid,
            fmt::format("\"{}\" is not a time: expected RFC 3339 such as 2026-11-02T08:00:00Z", excerpt(text))};
}

}  // namespace

WallTime wall_now() noexcept { return from_ns(read_clock_ns(CLOCK_REALTIME)); }
std::uint64_t boot_now_ns() noexcept { return static_cast<std::uint64_t>(read_clock_ns(CLOCK_BOOTTIME)); }

std::string format_rfc3339(WallTime time) {
    using namespace std::chrono;
    const auto day = floor<days>(time);
    const year_month_day date{day};
    const auto since = duration_cast<milliseconds>(time - day).count();
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), since / 3'600'000,
                       since / 60'000 % 60, since / 1000 % 60, since % 1000);
}

std::chrono::nanoseconds thread_time() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

std::string format_local_time(WallTime time) {
    const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
    std::tm at{};
    if (::localtime_r(&seconds, &at) == nullptr) return format_rfc3339(time);
    std::string text = format_rfc3339(time + std::chrono::seconds(at.tm_gmtoff));
    if (at.tm_gmtoff == 0) return text;
    text.pop_back();
    const auto minutes = std::abs(at.tm_gmtoff) / 60;
    return fmt::format("{}{}{:02}:{:02}", text, at.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

Result<WallTime> parse_rfc3339(std::string_view text) {
    using namespace std::chrono;
    std::string_view rest = text;
    int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
    const bool ok = take_digits(rest, 4, y) && take(rest, '-') && take_digits(rest, 2, mo) && take(rest, '-') &&
                    take_digits(rest, 2, d) && (take(rest, 'T') || take(rest, 't') || take(rest, ' ')) &&
                    take_digits(rest, 2, h) && take(rest, ':') && take_digits(rest, 2, mi) && take(rest, ':') &&
                    take_digits(rest, 2, s);
    if (!ok || h > 23 || mi > 59 || s > 60) return bad_time(text);
    nanoseconds fraction{};
    if (rest.starts_with('.') && !take_fraction(rest, fraction)) return bad_time(text);
    int offset_minutes = 0;
    if (!take(rest, 'Z') && !take(rest, 'z')) {
        const int sign = take(rest, '-') ? -1 : take(rest, '+') ? 1 : 0;
        int oh = 0, om = 0;
        if (sign == 0 || !take_digits(rest, 2, oh) || !take(rest, ':') || !take_digits(rest, 2, om) || oh > 23 ||
            om > 59)
            return bad_time(text);
        offset_minutes = sign * (oh * 60 + om);
    }
    const year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
    if (!rest.empty() || !date.ok() || y < 1970 || y > 2200) return bad_time(text);
    return WallTime(sys_days{date} + hours(h) + minutes(mi - offset_minutes) + seconds(s) + fraction);
}

namespace {

/// Seconds of a unit; 0: there is none of that name.
double seconds_of_unit(std::string_view unit) {
    constexpr std::pair<std::string_view, double> units[] = {
        {"s", 1},      {"sec", 1},       {"secs", 1},       {"second", 1},   {"seconds", 1}, {"m", 60},
        {"min", 60},   {"mins", 60},     {"minute", 60},    {"minutes", 60}, {"h", 3600},    {"hr", 3600},
        {"hrs", 3600}, {"hour", 3600},   {"hours", 3600},   {"d", 86400},    {"day", 86400}, {"days", 86400},
        {"w", 604800}, {"week", 604800}, {"weeks", 604800}, {"ms", 0.001},   {"msec", 0.001}};
    for (const auto& [name, seconds] : units)
        if (unit == name) return seconds;
    return 0;
}

void skip_blanks(std::string_view& text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
}

}  // namespace

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
    const Error bad{
        ErrorCode::invalid,
        fmt::format("\"{}\" is not a duration: expected for example 30s, 2m, 1h30m, 1.5s or 250ms", excerpt(text))};
    double total_seconds = 0;
    double last_unit = std::numeric_limits<double>::infinity();
    std::string_view rest = text;
    if (rest.empty()) return bad;
    while (!rest.empty()) {
        double value = 0;
        const auto [end, error] =
            std::from_chars(rest.data(), rest.data() + rest.size(), value, std::chars_format::fixed);
        if (error != std::errc{} || value < 0 || !std::isfinite(value)) return bad;
        const bool whole = end == rest.data() + rest.size();
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        double unit = 1;
        if (whole) {
            if (std::isfinite(last_unit)) return bad;  // "1h30": thirty of what?
        } else {
            skip_blanks(rest);
            const auto letters =
                std::find_if_not(rest.begin(), rest.end(), [](char c) { return c >= 'a' && c <= 'z'; });
            const auto length = static_cast<std::size_t>(letters - rest.begin());
            unit = seconds_of_unit(rest.substr(0, length));
            // "1m1m", "30s1m": somebody meant something else.
            if (unit <= 0 || unit >= last_unit) return bad;
            rest.remove_prefix(length);
            if (const std::string_view before = rest; skip_blanks(rest), rest.empty() && !before.empty()) return bad;
        }
        last_unit = unit;
        total_seconds += value * unit;
    }
    constexpr double longest_days = 30'000;
    if (total_seconds > longest_days * 86400)
        return Error{ErrorCode::invalid,
                     fmt::format("\"{}\" is too long: at most {:.0f}d", excerpt(text), longest_days)};
    return std::chrono::nanoseconds(std::llround(total_seconds * 1e9));
}

namespace {

/// "2026-11-02", "2026-11-02 08:00[:30]" and "08:00[:30]", in the zone of this machine; a clock time is the last one
/// that was. Nothing: another form.
std::optional<WallTime> find_local_time(std::string_view text, WallTime now) {
    std::tm at{};
    const std::time_t now_s =
        std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::system_clock::duration>(now));
    ::localtime_r(&now_s, &at);
    at.tm_hour = at.tm_min = at.tm_sec = 0;
    at.tm_isdst = -1;
    std::string_view rest = text;
    int year = 0, month = 0;
    const bool has_date = rest.size() >= 10 && rest[4] == '-';
    if (has_date) {
        if (!take_digits(rest, 4, year) || !take(rest, '-') || !take_digits(rest, 2, month) || !take(rest, '-') ||
            !take_digits(rest, 2, at.tm_mday))
            return std::nullopt;
        at.tm_year = year - 1900;
        at.tm_mon = month - 1;
        const std::chrono::year_month_day date{std::chrono::year{year},
                                               std::chrono::month{static_cast<unsigned>(month)},
                                               std::chrono::day{static_cast<unsigned>(at.tm_mday)}};
        if (!date.ok() || year < 1970 || year > 2200) return std::nullopt;
        const bool has_time = !rest.empty();
        if (has_time && ((!take(rest, 'T') && !take(rest, ' ')) || rest.empty())) return std::nullopt;
    }
    std::chrono::nanoseconds fraction{};
    if (!rest.empty() || !has_date) {
        const bool has_hour = take_digits(rest, 2, at.tm_hour) || take_digits(rest, 1, at.tm_hour);
        if (!has_hour || !take(rest, ':') || !take_digits(rest, 2, at.tm_min)) return std::nullopt;
        if (!rest.empty() && (!take(rest, ':') || !take_digits(rest, 2, at.tm_sec))) return std::nullopt;
        if (!rest.empty() && !take_fraction(rest, fraction)) return std::nullopt;
        if (!rest.empty() || at.tm_hour > 23 || at.tm_min > 59 || at.tm_sec > 59) return std::nullopt;
    }
    std::tm same = at;
    std::time_t found = std::mktime(&same);
    if (!has_date && found > now_s) {
        same = at;
        --same.tm_mday;
        found = std::mktime(&same);
    }
    if (found == static_cast<std::time_t>(-1)) return std::nullopt;
    return WallTime(std::chrono::seconds(found) + fraction);
}

/// "now", "today" and "yesterday" (their beginning), in the zone of this machine.
std::optional<WallTime> find_day(std::string_view text, WallTime now) {
    if (text == "now") return now;
    if (text != "today" && text != "yesterday") return std::nullopt;
    const std::time_t now_s =
        std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::system_clock::duration>(now));
    std::tm at{};
    ::localtime_r(&now_s, &at);
    at.tm_hour = at.tm_min = at.tm_sec = 0;
    at.tm_isdst = -1;
    if (text == "yesterday") --at.tm_mday;
    return WallTime(std::chrono::seconds(std::mktime(&at)));
}

/// Seconds since 1970 are of no use as an age: as one they were more than three years.
std::optional<WallTime> find_unix_time(std::string_view text) {
    constexpr std::int64_t most = 7'000'000'000;
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
    std::chrono::nanoseconds fraction{};
    if (error != std::errc{} || seconds < least_unix_seconds || seconds > most) return std::nullopt;
    if (!rest.empty() && (!take_fraction(rest, fraction) || !rest.empty())) return std::nullopt;
    return WallTime(std::chrono::seconds(seconds) + fraction);
}

}  // namespace

Result<WallTime> parse_time_or_age(std::string_view text, WallTime now) {
    if (const auto time = parse_rfc3339(text)) return *time;
    if (const auto time = find_local_time(text, now)) return *time;
    if (const auto time = find_unix_time(text)) return *time;
    if (const auto time = find_day(text, now)) return *time;
    std::string_view rest = text;
    if (rest.ends_with(" ago")) rest.remove_suffix(4);
    const auto age = parse_duration(rest);
    if (!age)
        return Error{
            ErrorCode::invalid,
            fmt::format("\"{}\" is no time: expected an age such as 2m, RFC 3339 such as 2026-11-02T08:00:00Z, "
                        "a date, a clock time such as 08:00, today, yesterday, or Unix seconds (from {} on)",
                        excerpt(text), least_unix_seconds)};
    return now - *age;
}

std::string format_seconds(double seconds) {
    constexpr double most = 1e12;  // far behind what anybody waits for, and within the count
    auto left = static_cast<std::int64_t>(std::llround(std::clamp(seconds, 0.0, most) * 1000));
    constexpr std::pair<const char*, std::int64_t> units[] = {
        {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};
    std::string out;
    for (const auto& [name, milliseconds] : units)
        if (const std::int64_t count = left / milliseconds; count > 0) {
            out += fmt::format("{}{}", count, name);
            left %= milliseconds;
        }
    return out.empty() ? "0s" : out;
}

std::string format_age(std::chrono::nanoseconds age) {
    const auto s = std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(age).count());
    if (s < 60) return fmt::format("{}s", s);
    if (s < 3600) return fmt::format("{}m {}s", s / 60, s % 60);
    if (s < 86400) return fmt::format("{}h {}m", s / 3600, s / 60 % 60);
    return fmt::format("{}d {}h", s / 86400, s / 3600 % 24);
}

}  // namespace persistproc::base
