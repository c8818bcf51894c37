// What the operations share.
#include "daemon/core/operations/operations.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/core/before.hpp"
#include "daemon/core/views.hpp"

namespace persistproc::core {

Error removed_meanwhile(const Process& process) {
    return {ErrorCode::not_found, process.shown() + " has been removed"};
}

Error silent_meanwhile(const Process& process) {
    return {ErrorCode::unavailable, process.shown() +
                                        " is being ended, but its shim does not answer any more; it is started again "
                                        "after that"};
}

Error not_reached(const Process& process, std::string_view so) {
    const std::string why = process.unread.empty()
                                ? " runs, but its shim does not answer"
                                : fmt::format(": nobody can tell whether it runs ({})", process.unread);
    return {ErrorCode::unavailable, fmt::format("{}{}; {}", process.shown(), why, so)};
}

Error not_touched(const Process& process) {
    const auto format = process.other_format.value_or(rundir::Format{});
    return {ErrorCode::unsupported,
            fmt::format("{} was written by another version of persistproc (format {}.{}), which alone can stop or use "
                        "it; it is not touched",
                        process.shown(), format.major, format.minor)};
}

/// Completes when no run is being made, no tree is being ended and every stop has been answered. What is being ended
/// has the time that whoever ends it gave it.
Task<Result<void>> Operations::come_to_rest(ProcessPtr process, std::chrono::nanoseconds grace) {
    const MonoTime began = world_.clock.now();
    while ((process->is_moving() || process->stopping > 0) && table_.holds(*process)) {
        if (auto later = suspended(*process, "nothing was begun, it goes on by")) co_return *later;
        const auto order = process->run ? process->run->machine().order() : std::nullopt;
        MonoTime until = began + std::max(grace, order ? order->grace : grace);
        if (const auto& command = process->stop_by_command; command && !command->is_over)
            until = std::max(until, command->until);
        until += kill_bound;
        const bool woken = co_await process->changed.wait_until(until, world_.clock);
        if (!woken && process->is_moving())
            co_return Error{ErrorCode::timeout, process->shown() + " is still stopping; try again"};
        if (!woken) break;
    }
    co_return boost::system::in_place_value;
}

namespace {

std::string program_of(const Definition& definition) { return definition.shell ? "/bin/sh" : definition.command.at(0); }

/// Where it is looked for.
std::string path_in(const std::vector<std::string>& environment) {
    std::string path = "/bin:/usr/bin";
    for (const auto& variable : environment)
        if (variable.starts_with("PATH=")) path = variable.substr(5);
    return path;
}

/// Of a look that has no words of its own for what is wrong: what execve would say.
Result<void> told(Result<void> checked, const Definition& definition) {
    const bool is_told = checked || checked.error().code != ErrorCode::exec_failed || !checked.error().message.empty();
    if (is_told) return checked;
    rundir::RunState state;
    state.stage = rundir::Stage::execve;
    state.os_error = checked.error().os_error;
    return start_error_of(definition, state);
}

}  // namespace

Task<LaunchLook> Operations::look_before_launch(Definition definition, std::vector<std::string> environment) {
    std::string program = program_of(definition), path = path_in(environment);
    std::string directory = definition.working_directory;
    auto looked =
        co_await world_.directories.look_before_launch(std::move(program), std::move(path), std::move(directory));
    if (!world_.shims.executes_here()) looked.program = boost::system::in_place_value;
    looked.program = told(std::move(looked.program), definition);
    co_return looked;
}

Task<Result<void>> Operations::check_launch(Definition definition, std::vector<std::string> environment) {
    auto looked = co_await look_before_launch(std::move(definition), std::move(environment));
    if (!looked.room) co_return base::with_context(looked.room.error(), "nothing can be started");
    if (!world_.shims.executes_here()) co_return boost::system::in_place_value;
    if (!looked.directory) co_return looked.directory.error();
    co_return std::move(looked.program);
}

Task<Result<void>> Operations::check_refused(Definition definition, std::vector<std::string> environment) {
    if (!world_.shims.executes_here()) co_return boost::system::in_place_value;
    std::string program = program_of(definition), path = path_in(environment);
    std::string directory = definition.working_directory;
    constexpr bool was_refused = true;
    auto checked = co_await world_.directories.check_program(std::move(program), std::move(path), std::move(directory),
                                                             was_refused);
    co_return told(std::move(checked), definition);
}

Task<Error> Operations::explained(Definition definition, std::vector<std::string> environment, Error failed) {
    if (failed.code != ErrorCode::exec_failed || failed.os_error != ENOEXEC) co_return failed;
    const auto checked = co_await check_refused(std::move(definition), std::move(environment));
    const bool is_it = !checked && checked.error().os_error == ENOEXEC;
    co_return is_it ? checked.error() : failed;
}

Task<Result<void>> Operations::check_replacement(ProcessPtr process, Definition definition,
                                                 std::vector<std::string> environment, std::uint64_t stops,
                                                 const char* what) {
    auto checked = co_await check_launch(std::move(definition), std::move(environment));
    if (checked && process->is<Running>()) checked = co_await world_.shims.reserve();
    if (checked) co_return still_wanted(*process, stops, what);
    Error refused = checked.error();
    if (process->is<Running>()) refused.message += fmt::format("; nothing was done, {} runs on", process->shown());
    co_return refused;
}

Result<void> Operations::check_room(const Process& process) const {
    if (!process.life.has_number_left())
        return Error{ErrorCode::limit, fmt::format("{} has used all numbers of runs, up to {}; remove it and start it "
                                                   "anew with its command",
                                                   process.shown(), domain::last_number)};
    if (process.life.is_live() && !process.is<Idle>()) return boost::system::in_place_value;
    std::size_t live = 0, kept = 0;  // kept: also for what an ended program left behind
    for (const auto& [id, each] : table_.all()) {
        if (each.get() == &process) continue;
        live += each->life.is_live() ? 1 : 0;
        kept += each->life.is_live() || each->run ? 1 : 0;
    }
    const auto limit = [](std::size_t count, const std::string& why) {
        return Error{ErrorCode::limit, fmt::format("{}, as many as this daemon {}",
                                                   base::counted(count, "process runs", "processes run"), why)};
    };
    if (live >= options_.max_live)
        return limit(live, "keeps at once (persistproc serve --max-processes); stop what is not needed");
    if (kept >= options_.descriptors.runs)
        return limit(kept, fmt::format("may have open files for (its limit is {}); stop what is not needed, or raise "
                                       "that limit: persistproc doctor says how",
                                       options_.descriptors.limit));
    return boost::system::in_place_value;
}

Result<void> Operations::still_wanted(const Process& process, std::uint64_t stops, const char* what) const {
    if (!table_.holds(process)) return removed_meanwhile(process);
    if (process.stops != stops)
        return Error{ErrorCode::conflict, process.shown() + " was stopped by somebody else while it was being " + what};
    return boost::system::in_place_value;
}

std::optional<Error> Operations::suspended(const Process& process, std::string_view what) const {
    const base::PidIdentity shim{process.run_state.shim_pid, process.run_state.shim_start_ticks};
    if (!process.run || shim.pid <= 0 || !world_.directories.is_suspended(shim)) return std::nullopt;
    return Error{ErrorCode::unavailable, fmt::format("the keeper of {} (PID {}) was suspended; {}: kill -CONT {}",
                                                     process.shown(), shim.pid, what, shim.pid)};
}

/// What is stopped does not wait to be begun any more. What needs it in its project hears that it does not come.
void Operations::withdraw(Process& process) const {
    ProcessRecord& record = process.record;
    if (!record.is_to_begin()) return;
    record.planned = Planned::failed;
    record.plan_causes.clear();
    // It may run as it was before: what was to come has not been applied to it.
    if (record.definition.membership) record.definition.membership->digests.clear();
    if (const auto known = table_.find(record.id)) driver_.drop_pending(known);
}

/// Nothing is begun from now on. The record is to be committed before the stop is carried out, so that a later daemon
/// does what this one cannot.
ProcessRecord Operations::want_down(Process& process, const std::string& actor) const {
    process.life.expect_stop();
    withdraw(process);
    process.record.intend(Wanted::down, Intent::stop);
    process.record.intent_run = process.life.last_run();
    process.record.intent_by = actor;
    if (process.is<Backoff>()) {
        process.record.called_off_run = process.ended_run;
        process.record.called_off_by = actor;
    }
    ProcessRecord out = process.record;
    // A start on its way loses: what it was asked for with is not to be found on record.
    if (process.unrecorded) process.unrecorded->keep_request(out);
    return out;
}

/// As if nothing had been asked for; on record too, where it may have got there.
Task<> Operations::take_back(ProcessPtr process, std::shared_ptr<Before> before) {
    if (!before || !table_.holds(*process)) co_return;
    before->restore(*process);
    StoreChange change;
    change.processes.push_back(process->record);
    co_await driver_.record(std::move(change), "that nothing became of a request for " + process->name());
}

Task<> Operations::look_at_untouched(ProcessPtr process) {
    if (!process->has_other_keeper) co_return;
    const auto* ended = std::get_if<Ended>(&process->life.phase());
    const RunId run{process->record.id, ended != nullptr ? ended->run : process->life.last_run()};
    auto found = co_await world_.directories.find_run(run);
    if (found) process->has_other_keeper = found->shim_alive;
}

Task<Result<ProcessView>> Operations::view(ProcessPtr process) {
    co_await look_at_untouched(process);
    std::vector<ProcessPtr> one{process};
    co_await sampler_.refresh(std::move(one), view_age);
    co_return view_as_known(*process);
}

ProcessView Operations::view_as_known(const Process& process) const {
    ProcessView view = make_view(process, world_.clock.wall(), world_.clock.now());
    view.log_path = process.reading.log_end.newest_segment;
    if (view.log_path->empty())
        view.log_path = (rundir::process_paths(options_.data, process.record.id).log / "00000001.log").string();
    return view;
}

}  // namespace persistproc::core
