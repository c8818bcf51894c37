#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::daemon {

/// What the daemon is told on its command line, by PERSISTPROC_DATA_DIR, PERSISTPROC_PORT, PERSISTPROC_AUTH and
/// PERSISTPROC_COMPAT, and by the user's file (common/config), each counting more than the next.
struct Options {
    std::filesystem::path data;
    std::uint16_t port = 0;
    int ready_fd = -1;
    bool quiet = false;
    bool only_checks = false;   // all of this, and nothing is served
    bool checks_start = false;  // and what a start would find in the data directory
    bool verbose = false;
    bool compat = false;
    std::optional<rundir::Auth> auth;          // nothing: as the daemon before
    std::vector<std::string> allowed_origins;  // of pages in a browser, beside our own
    std::size_t keep_ended = 100;
    std::size_t max_processes = 2000;  // live at once
    std::uint32_t agent_starts = 20;   // a second, five times that at once; 0: no bound
    std::uint64_t process_log_bytes = 64u << 20;
    std::uint64_t total_log_bytes = 2048ull << 20;
};

/// Reads the command line. `done` is set when the answer was all there was to do (--help, --version); it has been
/// printed then. Errors: invalid, one line that names the flag, or the
/// file with line and column.
Result<Options> parse_options(int argc, char** argv, bool& done);

}  // namespace persistproc::daemon
