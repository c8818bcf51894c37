#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/doctor/checks.hpp"
#include "cli/format/ending.hpp"
#include "cli/run_survey.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli::doctor {

namespace fs = std::filesystem;

namespace {

bool has_left(const ProcessView& view) {
    return std::any_of(view.causes.begin(), view.causes.end(),
                       [](const domain::Cause& each) { return each.code == domain::CauseCode::left_running; });
}

}  // namespace

void check_runs(const Examined& examined, Findings& out) {
    const char* name = "shims";
    if (is_anothers(examined.data)) return out.note(name, "not asked: the data directory is another user's", "");
    const auto odd = find_odd_runs(examined.data);
    if (!odd) {
        out.problem(name, odd.error().message, "");
        return;
    }
    for (const OddRun& each : *odd) {
        const std::string run = to_string(each.id), process = to_string(each.id.process);
        switch (each.kind) {
            case OddRun::Kind::silent:
                if (each.is_stopped)
                    out.problem(name, fmt::format("{}: its shim (PID {}) was stopped", run, each.shim),
                                fmt::format("kill -CONT {}: it records nothing meanwhile", each.shim));
                else
                    out.problem(
                        name, fmt::format("{}: its shim (PID {}) does not answer", run, each.shim),
                        fmt::format(
                            "if that lasts: kill -KILL {}; unless the daemon can have another shim take over, its "
                            "output from then on, and its exit code, are lost",
                            each.shim));
                break;
            case OddRun::Kind::abandoned:
                out.problem(name, fmt::format("{}: its shim is dead, its program (PID {}) lives", run, each.program),
                            fmt::format("persistproc stop {0}, then start {0}: nothing records its output", process));
                break;
            case OddRun::Kind::unsupported:
                out.note(name, fmt::format("{}: {}", run, each.detail), "use the version that wrote it");
                break;
            case OddRun::Kind::foreign:
                out.problem(name, fmt::format("{}: {}", run, each.detail),
                            each.detail.ends_with("remove it") ? "nothing is recorded there before that"
                                                               : "look at what it is, and remove it");
                break;
            case OddRun::Kind::damaged:
                out.problem(name, fmt::format("{}: {}", run, each.detail),
                            fmt::format("persistproc rm {} when you no longer need its output", process));
                break;
        }
    }
    const bool is_served = examined.daemon || examined.holder != 0;
    const auto counted = is_served ? Result<ProcessCount>(ProcessCount{}) : count_processes(examined.data);
    const std::size_t live = counted ? counted->live : 0;
    if (live > 0)
        out.note(name, base::counted(live, "program runs on without a daemon", "programs run on without a daemon"),
                 fmt::format("{} takes up what runs", serve_command(examined.data)));
    else if (odd->empty())
        out.ok(name, "each answers that should");
}

namespace {

/// Nothing but its shim can end it, and a stop only waits for that.
std::string advice_on_silent(const ProcessView& view) {
    const auto silent = std::find_if(view.causes.begin(), view.causes.end(), [](const domain::Cause& each) {
        return each.code == domain::CauseCode::shim_silent && each.pid.value_or(0) > 0;
    });
    if (silent == view.causes.end()) return fmt::format("persistproc status {}", view.id);
    return fmt::format(
        "kill -CONT {0}, if it was stopped; else kill -KILL {0}, and persistproc stop {1} ends what it left",
        *silent->pid, view.id);
}

}  // namespace

void check_processes(const Examined& examined, Findings& out) {
    if (!examined.daemon) return;
    if (!examined.processes) {
        out.problem("processes", "the daemon does not list them", "read its log, daemon.log in the data directory");
        return;
    }
    bool is_fine = true;
    std::vector<std::string> broken, their_ids;
    for (const ProcessView& view : *examined.processes) {
        const bool is_broken = view.state == ProcessState::gave_up || view.state == ProcessState::failed ||
                               view.state == ProcessState::backoff;
        if (is_broken && their_ids.size() < 5) {
            broken.push_back(fmt::format("{} ({})", view.id, base::escape_line(view.label)));
            their_ids.push_back(view.id);
        } else if (is_broken) {
            broken.push_back("");
        }
        const std::string shown = fmt::format("{} ({})", view.id, base::escape_line(view.label));
        if (view.state == ProcessState::unreachable && !view.pid)
            out.problem("processes", fmt::format("{}: its run cannot be read", shown),
                        "the daemon's log says why: daemon.log in the data directory");
        else if (view.state == ProcessState::unreachable)
            out.problem("processes", fmt::format("{}: its shim lives and does not answer", shown),
                        advice_on_silent(view));
        else if (view.state == ProcessState::unsupported)
            out.note("processes", fmt::format("{} was written by another version", shown), "use that version");
        else if (view.state == ProcessState::lost)
            out.note("processes", fmt::format("{}: how it ended cannot be known", shown),
                     has_left(view)
                         ? fmt::format("persistproc stop {0} ends what it left, then persistproc rm {0}", view.id)
                     : domain::is_command_known(view.command)
                         ? fmt::format("persistproc start {0}, or persistproc rm {0}", view.id)
                         : fmt::format("persistproc rm {}", view.id));
        else if (domain::is_live(view) && !view.causes.empty())
            out.note("processes", fmt::format("{}: {}", shown, base::escape_line(format::told_causes(view))),
                     fmt::format("persistproc status {}", view.id));
        else
            continue;
        is_fine = false;
    }
    if (!broken.empty()) {
        const std::size_t count = broken.size();
        broken.resize(their_ids.size());
        out.note("processes",
                 fmt::format("{} of {} could not be started, gave up or wait to run again: {}{}", count,
                             examined.processes->size(), fmt::join(broken, ", "), count > broken.size() ? ", …" : ""),
                 fmt::format("persistproc status {}", fmt::join(their_ids, " ")));
    } else if (is_fine) {
        out.ok("processes", fmt::format("{} known, none needs attention", examined.processes->size()));
    }
}

}  // namespace persistproc::cli::doctor
