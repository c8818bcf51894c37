#pragma once
/// Where everything of a data directory stands. File names come from our ids alone. Pure.
#include <filesystem>

#include "common/domain/process.hpp"

namespace persistproc::rundir {

struct ProcessPaths {
    std::filesystem::path root;  // <data>/procs/<id>
    std::filesystem::path log;   // <data>/procs/<id>/log
    std::filesystem::path runs;  // <data>/procs/<id>/runs
};
struct RunPaths {
    std::filesystem::path root;  // <data>/procs/<id>/runs/<n>
    std::filesystem::path spec, state, shim_lock;
};

ProcessPaths process_paths(const std::filesystem::path& data, ProcessId id);
RunPaths run_paths(const std::filesystem::path& data, RunId id);

/// Name of the shim's control socket inside a run directory.
inline constexpr const char* control_name = "ctl";

}  // namespace persistproc::rundir
