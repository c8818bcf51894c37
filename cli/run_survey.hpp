#pragma once
/// What the run directories say of themselves, asked without the daemon and without changing anything.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/domain/process.hpp"

namespace persistproc::cli {

/// A run that is not as it should be.
struct OddRun {
    enum class Kind {
        silent,       // its shim lives and does not answer
        abandoned,    // its shim is dead, its program lives
        unsupported,  // of a format that this version does not know
        damaged,      // its state cannot be read: `detail`
        foreign       // something in its directory is another user's: `detail`
    };
    RunId id;
    Kind kind = Kind::damaged;
    pid_t shim = 0, program = 0;  // 0: not known
    bool is_stopped = false;      // the shim was stopped by a signal
    std::string detail;
};

/// The newest run of every process in the data directory, oldest process first. Shims are asked all at once and are
/// given 300 ms in all; what they are sent is no request, so that they only refuse it. Blocks. Errors: io (the
/// directory cannot be read; a missing one has no runs).
Result<std::vector<OddRun>> find_odd_runs(const std::filesystem::path& data);

struct ProcessCount {
    std::size_t processes = 0;
    std::size_t live = 0;  // whose newest run has a shim
    // Somebody has removed the directory that holds them, and left the database: it may know some.
    bool is_lost = false;

    bool has_none() const noexcept { return processes == 0 && !is_lost; }
};
/// Blocks. Errors: io (the directory cannot be read; a missing one has none).
Result<ProcessCount> count_processes(const std::filesystem::path& data);

/// The directory of a process's log. Errors: corrupt (the daemon names none), not_found (somebody has removed it, which
/// a reader takes for a log that is still to be begun).
Result<std::filesystem::path> find_log(const ProcessView& view);

/// Whether a process was stopped by a signal. False also when it is gone.
bool is_stopped(pid_t pid);

}  // namespace persistproc::cli
