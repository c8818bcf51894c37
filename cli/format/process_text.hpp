#pragma once
/// Process views as text for people. Pure: the present time and the terminal are given.
#include <optional>
#include <string>
#include <string_view>

#include "cli/format/text_style.hpp"
#include "common/base/time.hpp"
#include "common/domain/process.hpp"

namespace persistproc::ops {
struct PrintedError;
struct ProcessDetails;
}  // namespace persistproc::ops

namespace persistproc::cli::format {

/// One process in full, "name  value" per line, with what to type where something is wrong.
std::string process_details(const ops::ProcessDetails& process, WallTime now, const TextStyle& style);

/// How it ended, or that it goes on: "exited with code 7", "killed by SIGTERM", "running", …. With `now`, when it runs
/// again: "restarts in 6.4 s (6 of 8)".
std::string state_text(const ProcessView& view, std::optional<WallTime> now = std::nullopt);

/// "src/a.ts:3:5: TypeError: …"
std::string error_text(const ops::PrintedError& error);

/// One line about what became of it: "p3 (web) is running, PID 4711".
std::string process_line(const ProcessView& view);
/// The same of one that was so before: "p3 (web) is running, PID 4711 already".
std::string joined_line(const ProcessView& view);

/// Whether it does not run because something went wrong: no end on request, and no exit code 0.
bool ended_badly(const ProcessView& view);

/// What a person types for it: its label where that is one short word of ASCII, else its id.
std::string target_word(const ProcessView& view);

/// What a person types to bring it up with what it needs: "persistproc up -C /srv/shop api".
std::string up_line(const domain::ProjectPlace& place);

/// "2h 5m", of a time in the past.
std::string age_text(WallTime since, WallTime now);
/// "140 ms", "6.4 s", "2h 5m"; never negative.
std::string short_time(std::chrono::nanoseconds time);

/// "1.5 MiB".
std::string format_bytes(std::int64_t bytes);

}  // namespace persistproc::cli::format
