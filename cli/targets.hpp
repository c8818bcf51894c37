#pragma once
/// One operation on several processes at once.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/client.hpp"
#include "cli/context.hpp"
#include "cli/format/process_text.hpp"
#include "cli/slow_end.hpp"

namespace persistproc::cli {

using ViewResult = Result<ProcessView>;
/// Applied to one target; must not outlive the call of `for_each_target`.
using TargetOperation = std::function<Task<ViewResult>(DaemonClient& client, std::string target)>;
using ViewFilter = bool (*)(const ProcessView&);

struct TargetResults {
    std::vector<std::string> targets;      // as given, each process once, or ids for `all`
    std::vector<ViewResult> results;       // in the same order
    std::optional<Error> failed;           // nothing was done: no daemon, or `all` could not be listed
    std::vector<ProcessView> passed_over;  // of `all`: those that the filter keeps out
    int left_by = 0;                       // a signal: the daemon goes on with it, and the rest is empty; 0: none
};

/// Exit status of who asks for one that does not exist, as systemctl and the Linux Standard Base have it.
inline constexpr int unknown_process_status = 4;

/// Where there is no process at all. Not_found.
Error no_such_process(const std::string& target);

/// Connects and applies `operation` to every target, all at the same time: a slow one delays no other. A process that
/// is named twice is one target. `all` stands for every process that passes `filter`. What `only_reads` connects as
/// connect_to_read; where there is no process, none is found. With `end` a signal ends the client alone.
Task<TargetResults> for_each_target(boost::asio::any_io_executor executor, CommonOptions common,
                                    std::vector<std::string> targets, ViewFilter filter, TargetOperation operation,
                                    std::optional<SlowEnd> end = std::nullopt, bool only_reads = false);

/// Shows the results in the format asked for: one view for one target, a list for several; in text one line each, as
/// `line` words it, unless -q silences that. Returns 0 or the exit status of the first failure.
int show_results(const Console& console, const TargetResults& results, const std::vector<std::string>& asked,
                 const std::function<std::string(const ProcessView&)>& line = format::process_line);

}  // namespace persistproc::cli
