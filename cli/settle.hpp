#pragma once
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "cli/client.hpp"
#include "cli/context.hpp"

namespace persistproc::cli {

/// How long a beginning is watched where nothing else is `asked` (seconds): as it takes to fail at once on a terminal,
/// not at all in a script.
std::chrono::nanoseconds settle_span(const std::optional<double>& asked);

/// Watches a run that has just begun, and one that somebody begins in its place meanwhile. Completes when `span` is
/// over or nobody reads stdout any more, with the process as it is then, or when the run has ended, with how. A daemon
/// that dies is said and, where `autostart` allows it, started again. Errors: what then comes of that; not_found: that
/// it was removed, and by whom it was stopped for that.
Task<Result<ProcessView>> watch_beginning(Context context, DaemonClient& client, ProcessView started,
                                          std::chrono::nanoseconds span, bool autostart);

/// Says which programs of the run before were ended for this one, and takes that out of what is said of the process;
/// where JSON is asked for it stays there.
void tell_leftovers_ended(const Console& console, ProcessView& begun);

/// Whether one whose beginning was watched ended as nobody wants it to.
bool has_begun_badly(const ProcessView& watched);
/// And the client's exit status then.
inline constexpr int begun_badly_status = 1;

/// Says of one that failed how, with its last words and who holds the port that it wanted. On stderr, also with -q: it
/// is the failure.
Task<> tell_failure(Context context, ProcessView failed);

/// One that has begun: how it runs, or how it has ended meanwhile.
std::string begun_line(const ProcessView& view);

/// Runs that one command begins, each of another process.
struct Beginnings {
    std::chrono::nanoseconds settle{};  // how long each is watched; 0: not at all
    std::set<std::string> failed{};     // ids of those that began badly, which was told
    std::size_t asking = 0;             // whose answers are still to come
    std::vector<std::string> begun{};   // names of those that began

    /// What goes on where nobody looks any more; `many` of them. Empty: what was asked for.
    std::string going_on(std::string_view many) const;
    int status() const { return failed.empty() ? 0 : begun_badly_status; }
};

/// Watches one of them, and tells how it failed. Errors: as watch_beginning.
Task<Result<ProcessView>> watch_one(Context context, DaemonClient& client, ProcessView begun, Beginnings& beginnings);

}  // namespace persistproc::cli
