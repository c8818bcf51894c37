#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/domain/health.hpp"
#include "common/schema/document.hpp"
#include "daemon/core/before.hpp"
#include "daemon/core/operations/environment.hpp"
#include "daemon/core/operations/operations.hpp"

namespace persistproc::core {

namespace {

constexpr auto end_bound = std::chrono::seconds(2);  // from a program's exit to its record: the drain is bounded

Identity identity_of(const ops::StartRequest& request, std::string directory, const std::string& actor) {
    Identity out;
    out.definition = request.definition;
    Definition& definition = out.definition;
    if (!definition.label_given) definition.label = domain::default_label(definition.command, directory);
    definition.working_directory = std::move(directory);
    definition.started_by = actor;
    for (const auto& [name, value] : request.environment) definition.variables.push_back(name);
    return out;
}

/// What is asked for beside what says which process is meant, and is not as it runs: names of fields.
std::vector<std::string> settings_that_differ(const ops::StartRequest& request, const Definition& now) {
    const Definition& asked = request.definition;
    const auto is_said = [&](std::string_view name) {
        return std::find(request.said.begin(), request.said.end(), name) != request.said.end();
    };
    std::vector<std::string> out;
    const Definition untold;
    Definition::fields([&](const auto& f) {
        const bool is_setting = f.is_for(schema::in_requests) && !f.is_required && std::string_view(f.name) != "label";
        const bool is_asked = f.of(asked) != f.of(untold) || is_said(f.name);
        if (!is_setting || !is_asked || f.of(asked) == f.of(now)) return;
        // One argument says both of a policy and its limit.
        std::string_view name = std::string_view(f.name) == "restart_limit" ? "restart" : f.name;
        // It is asked for by that word.
        if (name == "input" && asked.input == domain::Input::tty) name = "tty";
        if (std::find(out.begin(), out.end(), name) == out.end()) out.emplace_back(name);
    });
    return out;
}

Error waits_no_more(const Process& process) {
    return {ErrorCode::conflict, process.shown() + " does not wait for its start any more"};
}

/// Whether the program of the newest run was started, and by the request with this key.
bool was_started_by(const Process& process, const std::string& request_key) {
    if (request_key.empty() || process.record.request_key != request_key) return false;
    const auto& outcome = process.life.outcome();
    const bool failed = !process.life.is_live() && outcome && outcome->reason == OutcomeReason::exec_failed;
    return process.life.last_run() > 0 && !failed;
}

}  // namespace

struct Operations::Beginning {
    ops::StartRequest request;
    std::string actor;
    Identity identity;
    std::vector<std::string> environment;
    bool is_planned = false;                               // by its project: only as long as it waits there
    std::function<bool()> is_due;                          // of such a one
    Result<void> program = boost::system::in_place_value;  // whether it may be executed, as far as a look tells

    std::string key() const { return request.request_key.value_or(""); }
    /// One that exists is started as it was defined: there is neither an identity nor an environment.
    bool is_again() const { return request.process.has_value(); }
};

Task<Result<std::shared_ptr<const Operations::Beginning>>> Operations::read_start(ops::StartRequest request,
                                                                                  std::string actor) {
    const auto beginning = std::make_shared<Beginning>();
    if (request.process) {
        beginning->request = std::move(request);
        beginning->actor = std::move(actor);
        co_return std::shared_ptr<const Beginning>(beginning);
    }
    if (auto fine = domain::check_command(request.definition.command); !fine) co_return fine.error();
    if (request.definition.label_given)
        if (auto fine = domain::check_label(request.definition.label); !fine) co_return fine.error();
    if (auto fine = domain::check_health(request.definition.health); !fine)
        co_return base::with_context(fine.error(), "health");
    if (!request.base_environment) request.base_environment = options_.base_environment();
    if (auto fine = domain::check_environment(request.environment); !fine) co_return fine.error();
    auto environment = compose_environment(*request.base_environment, request.environment);
    Definition definition = request.definition;
    std::vector<std::string> variables = environment;
    auto looked = co_await look_before_launch(std::move(definition), std::move(variables));
    if (!looked.directory) co_return looked.directory.error();
    beginning->identity = identity_of(request, std::move(*looked.directory), actor);
    beginning->program = std::move(looked.program);
    beginning->request = std::move(request);
    beginning->actor = std::move(actor);
    beginning->environment = std::move(environment);
    co_return std::shared_ptr<const Beginning>(beginning);
}

Task<Result<ops::StartResponse>> Operations::start(ops::StartRequest request, std::string actor) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    auto read = co_await read_start(std::move(request), std::move(actor));
    if (!read) co_return read.error();
    std::shared_ptr<const Beginning> beginning = std::move(*read);
    co_return co_await start_meant(std::move(beginning));
}

Task<Result<ops::StartResponse>> Operations::start_planned(ProcessId id, std::function<bool()> is_due) {
    const auto planned = std::make_shared<Beginning>();
    planned->request.process = to_string(id);
    planned->is_planned = true;
    planned->is_due = std::move(is_due);
    std::shared_ptr<const Beginning> beginning = planned;
    co_return co_await start_meant(std::move(beginning));
}

Task<Result<ops::StartResponse>> Operations::start_meant(std::shared_ptr<const Beginning> beginning) {
    ProcessPtr awaited;
    std::uint64_t stops = 0;  // of `awaited`, when this was asked for: one that comes in meanwhile goes first
    for (;;) {
        if (driver_.is_leaving()) co_return Error{ErrorCode::unavailable, "the daemon is shutting down"};
        auto found = find_meant(*beginning);
        if (!found) co_return found.error();
        ProcessPtr process = std::move(*found);
        // What cannot be executed becomes no process, and uses up no id.
        if (!process && !beginning->program) co_return beginning->program.error();
        if (!process) {
            auto made = table_.create(beginning->identity.definition, world_.clock.wall());
            if (!made) co_return made.error();
            process = std::move(*made);
            events_.publish(ProcessAppeared{process->record.id});
        }
        if (std::exchange(awaited, process) != process) stops = process->stops;
        auto guard = co_await process->operation.lock();
        const auto grace = grace_of(*process, {});
        if (auto rested = co_await come_to_rest(process, grace); !rested) co_return rested.error();
        const bool has_ended = co_await hear_of_end(process);
        if (has_ended) continue;
        // Whoever held the lock may have removed it, or given it another command or label.
        const auto meant = find_meant(*beginning);
        if (!meant) co_return meant.error();
        if (*meant != process) continue;
        if (auto wanted = still_wanted(*process, stops, "started"); !wanted) {
            if (process->standing == Standing::provisional && table_.holds(*process)) driver_.forget(process);
            co_return wanted.error();
        }
        if (beginning->is_planned && (process->record.planned != Planned::waiting || !beginning->is_due()))
            co_return waits_no_more(*process);
        if (beginning->is_planned) {
            const auto named = std::make_shared<Beginning>(*beginning);
            named->actor = process->record.planned_by;
            beginning = named;
        }
        auto answer = co_await start_locked(process, beginning);
        // What was joined may have been stopped or restarted while it was looked at: then it is no answer.
        const bool has_moved = answer && !answer->created && process->is_moving() && table_.holds(*process);
        if (has_moved) continue;
        co_return answer;
    }
}

/// A program that has exited is told as ended once its output is recorded: until then it is no process to join. True:
/// its end has been heard.
Task<bool> Operations::hear_of_end(ProcessPtr process) {
    const base::PidIdentity program{process->run_state.pid, process->run_state.start_ticks};
    if (program.pid <= 0) co_return false;
    const MonoTime until = world_.clock.now() + end_bound;
    bool has_waited = false;
    while (process->is<Running>() && table_.holds(*process) && world_.directories.is_zombie(program)) {
        has_waited = co_await process->changed.wait_until(until, world_.clock);
        if (!has_waited) break;
    }
    co_return has_waited;
}

/// What was started by the same request, whatever label it has by now; else as the table says.
Result<ProcessPtr> Operations::find_meant(const Beginning& beginning) const {
    for (const auto& [id, process] : table_.all())
        if (was_started_by(*process, beginning.key())) return process;
    if (beginning.is_again()) return table_.resolve(*beginning.request.process);
    return table_.find_meant(beginning.identity, beginning.request.if_running == ops::IfRunning::restart);
}

/// With the lock, of a process that is at rest.
Task<Result<ops::StartResponse>> Operations::start_locked(ProcessPtr process,
                                                          std::shared_ptr<const Beginning> beginning) {
    if (process->standing == Standing::unsupported) co_return not_touched(*process);
    if (driver_.is_leaving()) {
        if (process->standing == Standing::provisional) driver_.forget(process);
        co_return Error{ErrorCode::unavailable, "the daemon is shutting down"};
    }
    if (process->is<Unreachable>()) co_return not_reached(*process, "nothing was started");
    const bool runs = process->is<Running>();
    // One that waits to run again is as live as one that runs: it keeps its definition, and runs now.
    const bool waits = process->is<Backoff>();
    const ops::IfRunning if_running = beginning->request.if_running;
    // The caller lost its daemon before it heard the answer, and asks again: it has been done.
    const bool was_done = was_started_by(*process, beginning->key());
    if ((runs || waits) && !was_done && if_running == ops::IfRunning::refuse) {
        const std::string how = runs ? fmt::format("already running (PID {})", process->run_state.pid)
                                     : std::string("about to run again by its restart policy");
        co_return Error{ErrorCode::conflict,
                        fmt::format("{} is {}; use restart_process, or if_running", process->shown(), how)};
    }
    const bool is_to_be_replaced = beginning->is_planned && process->record.pending_run != 0;
    if (was_done || (runs && if_running == ops::IfRunning::keep && !is_to_be_replaced)) {
        auto shown = co_await view(process);
        if (!shown) co_return shown.error();
        ops::StartResponse joined;
        static_cast<ProcessView&>(joined) = std::move(*shown);
        joined.created = was_done;
        if (was_done || beginning->is_again()) co_return joined;
        co_return co_await with_ignored(process, std::move(beginning), std::move(joined));
    }
    // Another command under its label takes its place, as that of one that has ended.
    const bool is_as_defined =
        beginning->is_again() || (waits && if_running == ops::IfRunning::keep &&
                                  beginning->identity.is_same_command(process->record.definition));
    auto begun = co_await begin(process, beginning, is_as_defined);
    if (!begun || !is_as_defined || beginning->is_again()) co_return begun;
    co_return co_await with_ignored(process, std::move(beginning), std::move(*begun));
}

/// With what was asked for and does not apply to one that keeps its definition.
Task<ops::StartResponse> Operations::with_ignored(ProcessPtr process, std::shared_ptr<const Beginning> beginning,
                                                  ops::StartResponse answer) {
    answer.ignored_settings = settings_that_differ(beginning->request, process->record.definition);
    if (beginning->request.environment.empty()) co_return answer;
    // Where it cannot be read back, nobody can say what differs.
    auto known = co_await driver_.know_launch(process);
    if (known && process->launch)
        answer.ignored_variables = names_that_differ(process->launch->environment, beginning->request.environment);
    co_return answer;
}

Task<Result<ops::StartResponse>> Operations::begin(ProcessPtr process, std::shared_ptr<const Beginning> beginning,
                                                   bool is_as_defined) {
    const std::uint64_t stops = process->stops;
    const std::uint32_t last = process->life.last_run();
    std::vector<std::string> lacking;
    if (!beginning->is_planned && driver_.lacks) lacking = driver_.lacks(*process);
    auto left = co_await left_running(process);
    if (auto wanted = still_wanted(*process, stops, "started"); !wanted) co_return wanted.error();
    const bool replaces = process->is<Running>();
    const pid_t replaced_pid = replaces ? process->run_state.pid : 0;
    const bool is_known = process->standing != Standing::provisional;
    if (auto room = check_room(*process); !room) {
        if (process->standing == Standing::provisional) driver_.forget(process);
        co_return room.error();
    }
    if (is_as_defined) {
        if (auto understood = check_understood(*process); !understood) co_return understood.error();
        ops::RestartRequest as_it_is;
        auto checked = co_await prepare_restart(process, std::move(as_it_is), stops);
        if (!checked) co_return checked.error();
    } else if (is_known) {
        Definition definition = beginning->identity.definition;
        std::vector<std::string> variables = beginning->environment;
        auto checked =
            co_await check_replacement(process, std::move(definition), std::move(variables), stops, "started");
        if (!checked) co_return checked.error();
    }
    if (driver_.is_leaving()) {
        if (!is_known) driver_.forget(process);
        co_return Error{ErrorCode::unavailable, "the daemon is shutting down"};
    }
    // Its project may have been brought down meanwhile.
    if (beginning->is_planned && process->record.planned != Planned::waiting) co_return waits_no_more(*process);
    auto before = std::make_shared<Before>(*process);
    if (is_known && process->is_at_rest()) process->at_rest = std::make_shared<AtRest>(*process);
    process->start_error.reset();
    redefine(*process, *beginning, is_as_defined);
    if (replaces) {
        auto recorded = co_await commit_restart(process, beginning->actor, false, before);
        if (!recorded) co_return recorded.error();
        process->unrecorded = std::move(before);
        release_number(*process, *beginning);
        driver_.apply(process, RestartRequested{});
        if (auto later = suspended(*process, replaced_later); later && process->is<Stopping>()) co_return *later;
    } else {
        process->unrecorded = std::move(before);
        release_number(*process, *beginning);
        driver_.apply(process, StartRequested{});
    }
    const MonoTime until = world_.clock.now() + grace_of(*process, {}) + kill_bound + options_.start_bound;
    const bool done = co_await driver_.settled(process, until);
    const bool has_begun = process->life.last_run() != last;
    if (process->start_error) {
        // What failed may be defined as before again.
        Definition definition = beginning->is_again() ? process->record.definition : beginning->identity.definition;
        std::vector<std::string> variables = beginning->environment;
        if (beginning->is_again() && process->launch) variables = process->launch->environment;
        Error failed = *process->start_error;
        co_return co_await explained(std::move(definition), std::move(variables), std::move(failed));
    }
    if (!done)
        co_return Error{ErrorCode::timeout,
                        process->shown() + " is still starting; list the processes to see when it runs"};
    // Of one that has just begun a look at its tree would tell nothing, and take longer than all the rest.
    ProcessView shown;
    if (last == 0) {
        shown = view_as_known(*process);
    } else {
        auto seen = co_await view(process);
        if (!seen) co_return seen.error();
        shown = std::move(*seen);
    }
    if (auto wanted = still_wanted(*process, stops, "started"); !wanted) {
        auto unrecorded = std::exchange(process->unrecorded, nullptr);
        co_await take_back(process, std::move(unrecorded));
        co_return wanted.error();
    }
    if (!has_begun) co_return silent_meanwhile(*process);
    ops::StartResponse made;
    static_cast<ProcessView&>(made) = std::move(shown);
    tell_ended(made, std::move(left));
    made.created = true;
    made.lacking = std::move(lacking);
    if (replaced_pid > 0) made.old_pid = replaced_pid;
    co_return made;
}

/// A run whose directory waits for it is begun under its number.
void Operations::release_number(Process& process, const Beginning& beginning) {
    const std::uint32_t pending = beginning.is_planned ? process.record.pending_run : 0;
    if (pending == 0) return;
    process.life.release(pending);
    // Those before it were used up by what came to nothing, which only the daemon that made it knew.
    if (process.life.next_number() < pending) process.life.reserve(pending - 1);
}

void Operations::redefine(Process& process, const Beginning& beginning, bool is_as_defined) const {
    const ops::StartRequest& request = beginning.request;
    process.actor = beginning.actor;
    process.record.request_key = beginning.key();
    if (is_as_defined) return;
    Definition definition = beginning.identity.definition;
    // A process keeps its label unless a new one is given.
    if (!definition.label_given && !process.record.definition.label.empty()) {
        definition.label = process.record.definition.label;
        definition.label_given = process.record.definition.label_given;
    }
    // It stays its project's, which looks at it anew when it is asked for the next time.
    definition.membership = std::move(process.record.definition.membership);
    if (definition.membership) definition.membership->digests.clear();
    // Nobody who starts it here can say what only a newer daemon knows; of what is known here, this is asked for now.
    definition.unknown = std::move(process.record.definition.unknown);
    schema::forget_unread(definition);
    process.record.definition = std::move(definition);
    process.record.former.reset();
    process.launch = LaunchContext{.environment = beginning.environment,
                                   .umask = request.umask ? static_cast<mode_t>(*request.umask) : options_.umask,
                                   .limits = request.limits.empty() ? options_.limits : limits_of(request.limits)};
}

}  // namespace persistproc::core
