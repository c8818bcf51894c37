#pragma once
/// From the original's ways to name a process to one of ours.
#include <vector>

#include "daemon/tools/compat/requests.hpp"
#include "daemon/tools/tools.hpp"

namespace persistproc::tools::compat {

struct Known {
    ProcessId id;
    ProcessView view;
    std::int64_t pid = 0;  // of the current or last run; 0: none
};

/// Every process, or those of one directory, oldest first. Errors: as Supervisor::list.
Task<Result<std::vector<Known>>> known_processes(Backend backend, std::optional<std::string> working_directory);

/// A label, then a command; both may name a process that has ended. Errors: not_found, ambiguous, invalid (nothing
/// names it), and those of `known_processes`.
Task<Result<Known>> find_process(Backend backend, Target target, std::optional<std::string> label);

/// Whether `text` is the label of the process or its command, split as a shell would.
bool is_named(const ProcessView& view, const std::string& text);

}  // namespace persistproc::tools::compat
