#pragma once
/// Process views as text for people. Pure: the present time and the terminal are given.
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.hpp"
#include "common/domain/process.hpp"

namespace persistproc::cli::format {

struct TextStyle {
    bool colour = false;
    int width = 0;      // columns of the terminal; 0: unbounded
    bool wide = false;  // with what else is known; lines are not cut
};

/// The table of `list`, with its head; "no processes" when there are none.
std::string process_table(const std::vector<ProcessView>& views, WallTime now, const TextStyle& style);

/// One process in full, "name  value" per line.
std::string process_details(const ProcessView& view, WallTime now);

/// How it ended, or that it goes on: "exited with code 7", "killed by SIGTERM", "running", …
std::string state_text(const ProcessView& view);

/// One line about what became of it: "web (p3) is running, PID 4711".
std::string process_line(const ProcessView& view);

/// "1.5 MiB".
std::string format_bytes(std::int64_t bytes);

}  // namespace persistproc::cli::format
