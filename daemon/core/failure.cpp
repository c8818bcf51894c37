#include "daemon/core/failure.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

#include "common/async/offload.hpp"
#include "common/base/text.hpp"
#include "common/domain/actor.hpp"
#include "common/logstore/reader.hpp"
#include "daemon/core/complained_ports.hpp"
#include "daemon/core/printed_errors.hpp"

namespace persistproc::core {

namespace {

constexpr auto long_enough = std::chrono::seconds(10);
constexpr std::size_t most_runs = 8;  // that are looked at

std::string span_text(std::chrono::nanoseconds span) {
    const double seconds = std::chrono::duration<double>(span).count();
    // As the times of its begin and its end are shown, which have no smaller part.
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
    if (milliseconds < 1000) return fmt::format("{} ms", milliseconds);
    return seconds < 10 ? fmt::format("{:.1f} s", seconds) : fmt::format("{:.0f} s", seconds);
}

/// A stack trace may follow what matters.
constexpr std::uint64_t lines_looked_at = 40;

}  // namespace

bool has_failed(const Located& process) {
    const auto& outcome = process.last_outcome;
    return !process.is_live && outcome && outcome->reason != OutcomeReason::stopped && outcome->exit_code != 0;
}

bool has_lived(const rundir::RunState& state) {
    const std::chrono::nanoseconds lived(state.ended_wall_ns - state.started_wall_ns);
    return state.phase == rundir::Phase::exited && lived >= long_enough;
}

bool has_succeeded(const rundir::RunState& state) {
    return state.phase == rundir::Phase::exited && state.killed == 0 && state.exit_value == 0 &&
           state.outcome_unknown == 0;
}

bool has_failed_early(const rundir::RunState& state) {
    return state.phase == rundir::Phase::exited && state.stop_requested == 0 && !has_lived(state) &&
           !has_succeeded(state);
}

void add_holder(const Failure& failure, ops::FailureFacts& facts) {
    if (!failure.holder) return;
    facts.held_port = failure.holder->port;
    if (failure.only_awaited) facts.only_awaited = true;
    if (failure.holder_process) {
        facts.holder_process = to_string(*failure.holder_process);
        facts.holder_label = failure.holder_label;
    }
    if (failure.holder->pid == 0) return;
    facts.holder_pid = failure.holder->pid;
    facts.holder_name = base::escape_line(failure.holder->name);
    if (!failure.holder->data.empty()) facts.holder_data_directory = base::escape_line(failure.holder->data.native());
}

std::string failure_text(const Failure& failure) {
    ops::FailureFacts holder;
    add_holder(failure, holder);
    std::string out;
    if (failure.lived) out = "lived " + span_text(*failure.lived);
    if (failure.lived && failure.run > 1) out += fmt::format(" in run {}", failure.run);
    const auto add = [&out](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
    if (!failure.restarted_by.empty())
        add("restarted " + base::escape_line(domain::by_whom(failure.restarted_by)) +
            (failure.since_restart ? fmt::format(", {} ago", base::format_age(*failure.since_restart)) : ""));
    if (failure.holder) add(ops::held_port_text(holder));
    if (failure.memory_kills > 0 && !failure.is_kill_told)
        add(fmt::format("the kernel killed {} of its cgroup for want of memory meanwhile",
                        base::counted(failure.memory_kills, "process", "processes")));
    if (failure.good_run != 0 && failure.changes.empty())
        add(fmt::format("begun like run {}, which worked", failure.good_run));
    if (failure.good_run != 0 && !failure.changes.empty())
        add(fmt::format("since run {}, which worked: {}", failure.good_run, changes_text(failure.changes)));
    return out;
}

Task<Failure> Failures::explain(ProcessId id, std::uint32_t run, std::vector<int> wanted_ports,
                                std::optional<int> awaited_port) {
    Failure out;
    out.run = run;
    const RunId wanted{id, run};
    const auto found = co_await directories_.find_run(wanted);
    const auto process = supervisor_.find(id);
    const bool is_over = process && (process->ended_run == run || process->run > run);
    if (process && process->run == run) out.restarted_by = process->restarted_by;
    if (found && found->state.started_wall_ns != 0) {
        const auto& state = found->state;
        const bool has_ended = state.phase == rundir::Phase::exited;
        const std::int64_t end = has_ended ? state.ended_wall_ns : base::to_ns(clock_.wall());
        // When a lost one ended, nobody knows.
        if (has_ended || !is_over)
            out.lived = std::chrono::nanoseconds(std::max<std::int64_t>(0, end - state.started_wall_ns));
        out.since_restart = clock_.wall() - base::from_ns(state.started_wall_ns);
        if (has_ended && state.oom_kills_known != 0) out.memory_kills = state.oom_kills;
        out.is_kill_told = state.killed != 0 && state.exit_value == SIGKILL;
    }
    for (const int port : wanted_ports) {
        co_await find_holder(out, id, port);
        if (out.holder) break;
    }
    if (!out.holder && awaited_port) {
        co_await find_holder(out, id, *awaited_port);
        if (out.holder) out.only_awaited = !co_await asks_for(wanted, *awaited_port);
    }
    co_await find_good_run(out, id);
    co_return out;
}

Task<std::optional<Failure>> Failures::explain_newest(ProcessId id) {
    const auto process = supervisor_.find(id);
    if (!process || !has_failed(*process)) co_return std::nullopt;
    const RunId newest{id, process->ended_run};
    co_return co_await explain_ended(newest);
}

Task<std::optional<Failure>> Failures::explain_ended(RunId ended) {
    const auto process = supervisor_.find(ended.process);
    if (!process) co_return std::nullopt;
    const std::uint32_t run = ended.number;
    auto error = co_await read_last_error(threads_, process->log, process->working_directory, run);
    auto ports = co_await find_complaints(ended);
    if (const auto refused = error ? logstore::refused_port(*error) : std::nullopt)
        ports.insert(ports.begin(), *refused);
    auto out = co_await explain(ended.process, run, std::move(ports));
    out.error = std::move(error);
    co_return out;
}

Task<std::vector<int>> Failures::find_complaints(RunId run) {
    const auto process = supervisor_.find(run.process);
    const auto spec = co_await directories_.load_spec(run);
    if (!process || !spec) co_return std::vector<int>();
    std::vector<int> given;
    if (const auto& membership = spec->definition.membership)
        for (const auto& port : membership->ports) given.push_back(port.number);
    auto look = [log = process->log, given = std::move(given), command = spec->argv, number = run.number] {
        logstore::LineQuery query;
        query.run = number;
        query.last = lines_looked_at;
        std::vector<std::string> lines;
        auto page = logstore::read_lines(log, query);
        if (page)
            for (auto& line : page->lines) lines.push_back(std::move(line.text));
        return ports_complained_of(lines, given, command);
    };
    co_return co_await async::offload(threads_, std::move(look));
}

Task<> Failures::find_holder(Failure& out, ProcessId id, int port) {
    auto look = [port] { return rundir::find_port_holder(port); };
    out.holder = co_await async::offload(threads_, std::move(look));
    if (!out.holder) co_return;
    const auto all = co_await supervisor_.locate_all();
    if (!all) co_return;
    for (const auto& each : *all) {
        if (!each.is_live) continue;
        const auto ports = co_await supervisor_.ports(each.id);
        if (std::find(ports.begin(), ports.end(), port) == ports.end()) continue;
        // It has the port by now.
        if (each.id == id) {
            out.holder.reset();
        } else {
            out.holder_process = each.id;
            out.holder_label = each.label;
        }
        co_return;
    }
}

/// Whether its project, a word of its command or a variable gives it the port.
Task<bool> Failures::asks_for(RunId run, int port) {
    const auto spec = co_await directories_.load_spec(run);
    if (!spec) co_return false;
    if (const auto& membership = spec->definition.membership)
        for (const auto& each : membership->ports)
            if (each.number == port) co_return true;
    const auto named = numbers_in(spec->argv);
    if (std::find(named.begin(), named.end(), port) != named.end()) co_return true;
    // No other variable's: that would tell who waits for many ports what value one has.
    const std::string value = fmt::format("PORT={}", port);
    const auto& variables = spec->environment;
    co_return std::any_of(variables.begin(), variables.end(), [&value](const std::string& each) {
        return each.ends_with(value) && each.find('=') == each.size() - value.size() + value.find('=');
    });
}

Task<> Failures::find_good_run(Failure& out, ProcessId id) {
    const RunId failed{id, out.run};
    const auto later = co_await directories_.load_spec(failed);
    if (!later) co_return;
    // Nothing is better proof than that somebody saw it ready; unless it failed soon after that.
    const auto process = supervisor_.find(id);
    const std::uint32_t ready_run = process ? process->ready_run : 0;
    std::uint32_t succeeded = 0;
    std::size_t looked = 0;
    for (std::uint32_t number = out.run; number-- > 1 && looked++ < most_runs;) {
        const RunId each{id, number};
        const auto found = co_await directories_.find_run(each);
        if (!found || found->other_format) continue;
        if (succeeded == 0 && has_succeeded(found->state)) succeeded = number;
        const bool was_ready = number == ready_run && !has_failed_early(found->state);
        if (!was_ready && !has_lived(found->state)) continue;
        succeeded = number;
        break;
    }
    if (succeeded == 0) co_return;
    const RunId good{id, succeeded};
    const auto earlier = co_await directories_.load_spec(good);
    if (!earlier) co_return;
    out.good_run = succeeded;
    out.changes = changes_between(*earlier, *later, clock_.wall());
}

}  // namespace persistproc::core
