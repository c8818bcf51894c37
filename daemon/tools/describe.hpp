#pragma once
/// Views as text for a model, which pays for each word: what it needs to act, in a line; more where one process is
/// asked for by name. Pure.
#include <string>
#include <vector>

#include "common/domain/process.hpp"
#include "daemon/core/supervisor.hpp"

namespace persistproc::tools {

/// `p3 "web" running, PID 4711, port 3000`, or `p4 "lint" exited, code 1, 3 min ago`, with its causes. A label that was
/// made from a command is cut in its middle.
std::string line_of(const ProcessView& view, WallTime now);
/// `p3 "web", PID 4711`: of one that runs, as its caller knows.
std::string short_line_of(const ProcessView& view);
/// All that there is to say: who and how; what and where; facts.
std::string describe(const ProcessView& view);

/// What an agent sees that asks for no process in particular.
struct Listing {
    std::vector<ProcessView> live;
    std::vector<ProcessView> ended;  // the newest that ended, within the hour
    std::size_t left_out = 0;        // others that have ended
    bool is_asked_for = false;       // by state or directory
};
Listing choose(std::vector<ProcessView> views, WallTime now);
/// Of one that asks by state or directory: whenever they ended, and more of them.
Listing choose_all(std::vector<ProcessView> views);
/// A line each, and how many are left out.
std::string list_text(const Listing& listing, WallTime now);

/// Where the output of the newest run of a process begins; empty: it is gone.
std::string cursor_of_run(const core::Supervisor& supervisor, std::string_view process);
/// `p3 "web" running`, or `p3 "web" exited, code 7`, with its causes: the first words of text answers.
std::string headline(const core::Located& process);
/// How a run ended, with its causes: "exited with code 7", "was stopped by me".
std::string fate(const std::optional<Outcome>& outcome);
/// Of how it ended what is neither its state nor the code or signal of an end by itself; empty: nothing.
std::string ending_details(const core::Located& process);
/// As a view tells it.
domain::Ending ending_of(const core::Located& process);

}  // namespace persistproc::tools
