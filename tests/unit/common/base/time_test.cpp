#include "common/base/time.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include "tests/support/catch.hpp"

namespace time_test {

using namespace persistproc;
using namespace std::chrono_literals;

TEST_CASE("RFC 3339 goes both ways") {
    const auto time = base::parse_rfc3339("2026-11-02T08:00:00.123Z");
    REQUIRE(time);
    CHECK(base::format_rfc3339(*time) == "2026-11-02T08:00:00.123Z");
    CHECK(base::parse_rfc3339("2026-11-02T10:00:00.123+02:00").value() == *time);
    CHECK(base::parse_rfc3339("2026-11-02T06:30:00.123-01:30").value() == *time);
    CHECK(base::parse_rfc3339("2026-11-02 08:00:00.123z").value() == *time);
    for (const char* text :
         {"", "2026", "2026-11-02", "2026-13-02T08:00:00Z", "2026-02-30T08:00:00Z", "2026-11-02T25:00:00Z",
          "2026-11-02T08:00:00", "2026-11-02T08:00:00Zx", "2026-11-02T08:00:00.Z", "0001-01-01T00:00:00Z"}) {
        INFO(text);
        CHECK(!base::parse_rfc3339(text));
    }
}

TEST_CASE("durations are written as people write them") {
    const auto ns = [](std::string_view text) { return base::parse_duration(text).value(); };
    CHECK(ns("30") == 30s);
    CHECK(ns("1.5s") == 1500ms);
    CHECK(ns("250ms") == 250ms);
    CHECK(ns("1h30m") == 90min);
    CHECK(ns("2d") == 48h);
    CHECK(ns("5 min") == 5min);
    CHECK(ns("1 hour 30 minutes") == 90min);
    CHECK(ns("2weeks") == 336h);
    for (const char* text : {"", "s", "-1", "1x", "1h30", "0h30", "1e9999", "nan", "99999999999d", " 1", "1s ", "5 mi",
                             "5 ", "1s1m", "1m1m", "1 min 2 minutes"}) {
        INFO(text);
        CHECK(!base::parse_duration(text));
    }
    CHECK(base::parse_duration("30000d").has_value());
    for (const char* text : {"30001d", "9223372036s", "9999999999999"})
        CHECK(base::parse_duration(text).error().message == fmt::format("\"{}\" is too long: at most 30000d", text));
}

TEST_CASE("a time may be an age") {
    const auto now = base::parse_rfc3339("2026-11-02T08:00:00Z").value();
    CHECK(base::parse_time_or_age("2m", now).value() == now - 2min);
    CHECK(base::parse_time_or_age("2026-11-02T07:00:00Z", now).value() == now - 1h);
    CHECK(base::parse_time_or_age("5 min ago", now).value() == now - 5min);
    CHECK(base::parse_time_or_age("2 hours ago", now).value() == now - 2h);
    CHECK(base::parse_time_or_age("1762070400.25", now).value() == base::from_ns(1762070400'250'000'000));
    CHECK(base::parse_time_or_age("now", now).value() == now);
    CHECK(base::parse_time_or_age("1762070400", now).value() == base::from_ns(1762070400'000'000'000));
    // Dates and clock times are of the machine's zone.
    const char* before = std::getenv("TZ");
    const std::string zone = before == nullptr ? "" : before;
    ::setenv("TZ", "UTC", 1);
    CHECK(base::parse_time_or_age("2026-11-01", now).value() == base::parse_rfc3339("2026-11-01T00:00:00Z").value());
    CHECK(base::parse_time_or_age("2026-11-01 06:30", now).value() ==
          base::parse_rfc3339("2026-11-01T06:30:00Z").value());
    CHECK(base::parse_time_or_age("07:00", now).value() == base::parse_rfc3339("2026-11-02T07:00:00Z").value());
    CHECK(base::parse_time_or_age("09:00:05", now).value() == base::parse_rfc3339("2026-11-01T09:00:05Z").value());
    CHECK(base::parse_time_or_age("7:00", now).value() == base::parse_rfc3339("2026-11-02T07:00:00Z").value());
    CHECK(base::parse_time_or_age("2026-11-01T06:30:05.5", now).value() ==
          base::parse_rfc3339("2026-11-01T06:30:05.5Z").value());
    CHECK(base::parse_time_or_age("today", now).value() == base::parse_rfc3339("2026-11-02T00:00:00Z").value());
    CHECK(base::parse_time_or_age("yesterday", now).value() == base::parse_rfc3339("2026-11-01T00:00:00Z").value());
    for (const char* wrong : {"2026-02-30", "24:00", "8:0", "08:00:60", "2026-11-01x", "-5", "", "tomorrow", "ago"})
        CHECK(!base::parse_time_or_age(wrong, now));
    CHECK(base::format_local_time(now) == base::format_rfc3339(now));
    for (const auto& [name, shown] : {std::pair{"XXX-05:30", "2026-11-02T13:30:00.000+05:30"},
                                      std::pair{"XXX03", "2026-11-02T05:00:00.000-03:00"}}) {
        ::setenv("TZ", name, 1);
        ::tzset();
        CHECK(base::format_local_time(now) == shown);
        CHECK(base::parse_rfc3339(shown).value() == now);
    }
    if (before == nullptr)
        ::unsetenv("TZ");
    else
        ::setenv("TZ", zone.c_str(), 1);
    ::tzset();
}

TEST_CASE("a duration that was set is told as it is set") {
    struct Told {
        double seconds;
        const char* text;
    };
    const Told table[] = {{0, "0s"},        {-1, "0s"},    {0.5, "500ms"}, {0.0004, "0s"}, {1.5, "1s500ms"},
                          {10, "10s"},      {90, "1m30s"}, {3600, "1h"},   {3605, "1h5s"}, {90061.25, "1d1h1m1s250ms"},
                          {0.999, "999ms"}, {0.9999, "1s"}};
    for (const auto& each : table) {
        CHECK(base::format_seconds(each.seconds) == each.text);
        const auto read = base::parse_duration(each.text);
        REQUIRE(read);
        CHECK(base::format_seconds(std::chrono::duration<double>(*read).count()) == each.text);
    }
}

TEST_CASE("ages are short") {
    CHECK(base::format_age(3s) == "3s");
    CHECK(base::format_age(125s) == "2m 5s");
    CHECK(base::format_age(2h + 5min) == "2h 5m");
    CHECK(base::format_age(75h) == "3d 3h");
    CHECK(base::format_age(-1s) == "0s");
}

}  // namespace time_test
