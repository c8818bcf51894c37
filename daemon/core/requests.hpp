#pragma once
/// What the core answers beside views; what is asked of it are the requests of common/ops.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/domain/process.hpp"

namespace persistproc::core {

/// What a reader of output needs to know of a process.
struct Located {
    ProcessId id;
    std::string label;
    std::string name;  // as domain::name_text
    std::string working_directory;
    ProcessState state = ProcessState::starting;
    std::uint32_t run = 0;           // the current or last one; 0: none
    std::uint64_t run_begin = 0;     // position in the output where that run begins
    std::optional<Outcome> outcome;  // of that run, when it has ended
    bool is_live = false;
    bool runs_again = false;      // another run follows: it waits for its time, or is being restarted
    std::int64_t pid = 0;         // of that run; 0: none was ever known
    std::string restarted_by;     // who asked for the run, as another one had been; empty: nobody, or not known
    std::uint32_t ended_run = 0;  // the last one that has ended; 0: none
    std::uint32_t ready_run = 0;  // the newest that somebody saw ready; 0: none is known
    bool has_checks = false;      // that say whether it is ready
    std::optional<bool> ready;    // the present run, as they say
    std::string not_ready;        // why it is not
    std::string url;              // where that run is to be reached; empty: not known
    bool has_terminal = false;    // its programs have, from the next run on
    std::optional<Outcome> last_outcome;
    std::vector<Cause> causes;         // as a view tells them
    std::optional<Error> not_touched;  // another version wrote it: why nobody can wait for it
    std::uint64_t changes = 0;         // for `changed`
    std::filesystem::path log;
};

}  // namespace persistproc::core
