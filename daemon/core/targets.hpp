#pragma once
/// How a person or agent names a process: id, label, PID of its current or last run, or its command. Pure.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/domain/process.hpp"

namespace persistproc::core {

struct Candidate {
    ProcessId id;
    std::string label;
    std::vector<std::string> command;
    std::string working_directory;
    std::int64_t pid = 0;  // of the current or last run; 0: never ran
    bool is_live = false;
};

/// The one process `target` means. An id, then a label, then the PID of a live run, then the PID of a last run, then
/// the command line (or "<command> in <working directory>", of which the end will do) decides; among several with the
/// same command a single live one wins. Errors: ambiguous (lists id, label, working directory and PID of each),
/// not_found (names the nearest labels), invalid (empty).
Result<ProcessId> resolve_target(std::string_view target, const std::vector<Candidate>& candidates);

}  // namespace persistproc::core
