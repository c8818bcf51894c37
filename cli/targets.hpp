#pragma once
/// One operation on several processes at once.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/client.hpp"
#include "cli/context.hpp"
#include "cli/format/process_text.hpp"

namespace persistproc::cli {

using ViewResult = Result<ProcessView>;
/// Applied to one target; must not outlive the call of `for_each_target`.
using TargetOperation = std::function<Task<ViewResult>(DaemonClient& client, std::string target)>;
using ViewFilter = bool (*)(const ProcessView&);

struct TargetResults {
    std::vector<std::string> targets;  // as given, or ids for `all`
    std::vector<ViewResult> results;   // in the same order
    std::optional<Error> failed;       // nothing was done: no daemon, or `all` could not be listed
};

/// Connects and applies `operation` to every target, all at the same time: a slow one delays no other. `all` stands
/// for every process that passes `filter`. What `only_reads` connects as connect_to_read; where there is no process,
/// none is found.
Task<TargetResults> for_each_target(boost::asio::any_io_executor executor, CommonOptions common,
                                    std::vector<std::string> targets, ViewFilter filter, TargetOperation operation,
                                    bool only_reads = false);

/// Shows the results in the format asked for: one view for one target, a list for several; in text one line each, as
/// `line` words it, unless -q silences that. Returns 0 or the exit status of the first failure.
int show_results(const Console& console, const TargetResults& results, const std::vector<std::string>& asked,
                 std::string (*line)(const ProcessView&) = format::process_line);

}  // namespace persistproc::cli
