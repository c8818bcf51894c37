#pragma once
/// What is asked of the core, and what it answers.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/domain/process.hpp"
#include "common/ops/start_process.hpp"
#include "common/rundir/spec.hpp"

namespace persistproc::core {

struct StartParameters {
    Definition definition;    // as it is asked for: its directory as given, no label unless `label_given`
    Environment environment;  // set on top of the base
    std::optional<std::vector<std::string>> base_environment;  // the caller's own; else the daemon's
    std::optional<mode_t> umask;
    std::vector<rundir::ResourceLimit> limits;
    ops::IfRunning if_running = ops::IfRunning::keep;
    std::string request_key;  // of the caller's choice; a second request of the same key finds what the first one did
    std::string actor;
};
struct Started {
    ProcessView view;
    bool created = false;
};

struct StopParameters {
    std::string target;
    bool force = false;
    std::optional<double> grace_seconds;
    std::string actor;
};
struct Restarted {
    ProcessView view;
    std::optional<std::int64_t> old_pid;
};

struct ListFilter {
    std::optional<std::string> target;
    std::optional<std::string> working_directory;
    std::optional<ProcessState> state;
};

struct LeaveReport {
    std::vector<std::string> stopped, kept;
};

/// What a reader of output needs to know of a process.
struct Located {
    ProcessId id;
    std::string label;
    std::string working_directory;
    ProcessState state = ProcessState::starting;
    std::uint32_t run = 0;           // the current or last one; 0: none
    std::uint64_t run_begin = 0;     // position in the output where that run begins
    std::optional<Outcome> outcome;  // of that run, when it has ended
    bool is_live = false;
    std::int64_t pid = 0;         // of that run; 0: none was ever known
    std::uint32_t ended_run = 0;  // the last one that has ended; 0: none
    std::optional<Outcome> last_outcome;
    std::uint64_t changes = 0;  // for `changed`
    std::filesystem::path log;
};

}  // namespace persistproc::core
