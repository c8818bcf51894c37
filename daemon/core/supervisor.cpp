#include "daemon/core/supervisor.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "common/async/offload.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/kill_point.hpp"
#include "common/base/text.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/core/process.hpp"
#include "daemon/core/run_files.hpp"

namespace persistproc::core {

namespace {

constexpr std::size_t max_audit_bytes = 1024;  // of a command line: it says what was started, it is no copy of it
constexpr auto kill_bound = std::chrono::seconds(30);  // SIGKILL and sweeps, on a machine under load

std::chrono::nanoseconds seconds_of(double seconds) {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

/// Variables that belong to the daemon's own supervision, not to the programs it runs.
bool is_private_variable(std::string_view entry) {
    for (const std::string_view name : {"NOTIFY_SOCKET=", "INVOCATION_ID=", "JOURNAL_STREAM="})
        if (entry.starts_with(name)) return true;
    return entry.starts_with("PERSISTPROC_") || entry.starts_with("LISTEN_") || entry.starts_with("_PP_RUN_MARK=");
}

Result<std::vector<std::string>> compose_environment(const std::vector<std::string>& base, const Environment& changes) {
    std::vector<std::string> out;
    for (const auto& entry : base) {
        const std::size_t equals = entry.find('=');
        if (equals == std::string::npos || equals == 0 || is_private_variable(entry)) continue;
        if (entry.find('\0') != std::string::npos) continue;
        if (!changes.contains(entry.substr(0, equals))) out.push_back(entry);
    }
    for (const auto& [name, value] : changes) {
        if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos)
            return Error{ErrorCode::invalid,
                         fmt::format("environment: \"{}\" is not a variable's name", base::escape_line(name))};
        if (value.find('\0') != std::string::npos)
            return Error{ErrorCode::invalid,
                         fmt::format("environment: the value of {} holds a NUL byte", base::escape_line(name))};
        out.push_back(name + "=" + value);
    }
    return out;
}

bool same_command(const Definition& a, const Definition& b) {
    return a.command == b.command && a.shell == b.shell && a.working_directory == b.working_directory;
}

}  // namespace

Result<std::string> canonical_directory(const std::string& path) {
    const auto refuse = [&](const char* why) {
        return Error{ErrorCode::invalid, fmt::format("working_directory: {} {}", base::escape_line(path), why)};
    };
    if (path.find('\0') != std::string::npos) return refuse("holds a NUL byte");
    if (path.empty() || path.front() != '/') return refuse("is not an absolute path");
    std::error_code failed;
    const auto canonical = std::filesystem::canonical(path, failed);
    if (failed == std::errc::no_such_file_or_directory) return refuse("does not exist");
    if (failed) return refuse(failed.message().c_str());
    struct stat info {};
    if (::stat(canonical.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return refuse("is not a directory");
    if (::access(canonical.c_str(), X_OK) != 0) return refuse("cannot be entered");
    return canonical.string();
}

Supervisor::Supervisor(boost::asio::any_io_executor executor, async::Clock& clock, Store& store, ShimHost& shims,
                       boost::asio::thread_pool& files, SupervisorOptions options)
    : executor_(executor),
      clock_(clock),
      store_(store),
      shims_(shims),
      files_(files),
      options_(std::move(options)),
      adoption_done_(executor),
      left_done_(executor),
      tasks_(executor) {}

Supervisor::~Supervisor() = default;

Task<> Supervisor::close() { co_await tasks_.close(); }

template <class T>
struct Supervisor::Asked {
    explicit Asked(boost::asio::any_io_executor executor) : done(std::move(executor)) {}
    std::optional<Result<T>> result;
    std::exception_ptr failed;
    async::Notifier done;
};

template <class T>
Task<> Supervisor::perform(Task<Result<T>> request, std::shared_ptr<Asked<T>> asked) {
    try {
        auto result = co_await std::move(request);
        asked->result.emplace(std::move(result));
    } catch (...) {
        if (asked.use_count() == 1) throw;  // nobody waits any more: the owner of tasks reports it
        asked->failed = std::current_exception();
    }
    asked->done.notify_all();
}

template <class T>
Task<Result<T>> Supervisor::carry_out(std::string name, Task<Result<T>> request) {
    auto asked = std::make_shared<Asked<T>>(executor_);
    tasks_.spawn(std::move(name), perform(std::move(request), asked));
    while (!asked->result && !asked->failed) co_await asked->done.wait();
    if (asked->failed) std::rethrow_exception(asked->failed);
    co_return std::move(*asked->result);
}

Task<Result<void>> Supervisor::adopt() { return carry_out("adoption", adopt_now()); }
Task<Result<Started>> Supervisor::start(StartParameters parameters) {
    return carry_out("start", start_now(std::move(parameters)));
}
Task<Result<ProcessView>> Supervisor::stop(StopParameters parameters) {
    return carry_out("stop", stop_now(std::move(parameters)));
}
Task<Result<Restarted>> Supervisor::restart(StopParameters parameters) {
    return carry_out("restart", restart_now(std::move(parameters)));
}
Task<Result<ProcessView>> Supervisor::signal(std::string target, int number, std::string actor) {
    return carry_out("signal", signal_now(std::move(target), number, std::move(actor)));
}
Task<Result<ProcessView>> Supervisor::remove(std::string target, std::string actor) {
    return carry_out("removal", remove_now(std::move(target), std::move(actor)));
}
Task<Result<Supervisor::LeaveReport>> Supervisor::leave(bool keep, std::string actor) {
    return carry_out("shutdown", leave_now(keep, std::move(actor)));
}

Task<> Supervisor::left() {
    while (!has_left_) co_await left_done_.wait();
}

Task<Result<void>> Supervisor::wait_adopted() {
    const MonoTime until = clock_.now() + options_.gate_bound;
    while (!adoption_.is_done) {
        if (adoption_failed_) co_return *adoption_failed_;
        const bool woken = co_await adoption_done_.wait_until(until, clock_);
        if (!woken && !adoption_.is_done && !adoption_failed_)
            co_return Error{ErrorCode::unavailable,
                            fmt::format("the daemon has just started and is still {}; they run on meanwhile. Try again "
                                        "in a moment",
                                        adoption_.total == 0
                                            ? "reading what ran before it"
                                            : fmt::format("taking over what ran before it, {} of {} processes done",
                                                          adoption_.adopted, adoption_.total))};
    }
    co_return boost::system::in_place_value;
}

std::vector<Candidate> Supervisor::candidates() const {
    std::vector<Candidate> out;
    out.reserve(processes_.size());
    for (const auto& [id, process] : processes_)
        out.push_back({id, process->record.definition.label, process->record.definition.command,
                       process->record.definition.working_directory, process->run_state.pid, process->life.is_live()});
    return out;
}

Result<Supervisor::ProcessPtr> Supervisor::resolve(const std::string& target) const {
    // The usual case, an id, needs no list of candidates.
    if (const auto id = domain::find_process_id(target))
        if (const auto found = processes_.find(*id); found != processes_.end()) return found->second;
    const auto id = resolve_target(target, candidates());
    if (!id) return id.error();
    return processes_.at(*id);
}

StoreChange Supervisor::change_of(const Process& process, const std::string& actor, const std::string& action,
                                  std::string detail) const {
    StoreChange change;
    change.processes.push_back(process.record);
    detail.resize(std::min(detail.size(), max_audit_bytes));
    AuditEntry entry{
        .at = clock_.wall(), .actor = actor, .action = action, .process = process.name(), .detail = std::move(detail)};
    change.audit.push_back(std::move(entry));
    return change;
}

Task<bool> Supervisor::settled(ProcessPtr process, MonoTime until) {
    const auto moving = [&] {
        const Phase& phase = process->life.phase();
        return std::holds_alternative<Starting>(phase) || std::holds_alternative<Stopping>(phase);
    };
    while (moving() && !process->removed) {
        const bool woken = co_await process->changed.wait_until(until, clock_);
        if (!woken) co_return !moving();
    }
    co_return true;
}

Result<Supervisor::ProcessPtr> Supervisor::find_or_create(const StartParameters& parameters, Definition definition,
                                                          bool& created) {
    created = false;
    ProcessPtr match;
    if (parameters.label) {
        for (const auto& [id, process] : processes_)
            if (process->record.definition.label == *parameters.label) match = process;
        if (match && match->life.is_live() && !same_command(match->record.definition, definition))
            return Error{ErrorCode::conflict,
                         fmt::format("label \"{}\" is in use by {} ({} in {}); stop it first or choose another label",
                                     *parameters.label, match->name(),
                                     base::escape_line(domain::command_line(match->record.definition.command)),
                                     base::escape_line(match->record.definition.working_directory))};
    } else {
        // Identity without a label is command and directory: also that of a process somebody has given a label.
        std::vector<ProcessPtr> same, live;
        for (const auto& [id, process] : processes_) {
            if (!same_command(process->record.definition, definition)) continue;
            same.push_back(process);
            if (process->life.is_live()) live.push_back(process);
            if (!process->record.definition.label_given) match = process;
        }
        if (!match && live.size() == 1) match = live.front();
        if (!match && live.empty() && same.size() == 1) match = same.front();
    }
    if (match) return match;

    if (!parameters.label) {
        const auto taken = [&](const std::string& label) {
            return std::any_of(processes_.begin(), processes_.end(),
                               [&](const auto& each) { return each.second->record.definition.label == label; });
        };
        if (taken(definition.label))
            definition.label = fmt::format("{} ({})", definition.label.substr(0, 180), next_process_);
    }
    ProcessRecord record{
        .id = ProcessId{next_process_++}, .definition = std::move(definition), .created_at = clock_.wall()};
    auto process = std::make_shared<Process>(executor_, std::move(record));
    process->fresh = true;
    processes_.emplace(process->record.id, process);
    created = true;
    return process;
}

void Supervisor::redefine(Process& process, Definition definition, StartParameters& parameters) {
    // A process keeps its label unless a new one is given.
    if (!definition.label_given && process.record.definition.label_given) {
        definition.label = process.record.definition.label;
        definition.label_given = true;
    } else if (!definition.label_given) {
        definition.label = process.record.definition.label;
    }
    process.record.definition = std::move(definition);
    process.umask = parameters.umask.value_or(options_.umask);
    process.limits = parameters.limits.empty() ? options_.limits : parameters.limits;
    process.actor = parameters.actor;
    process.request_key = parameters.request_key;
}

Task<Result<Started>> Supervisor::start_now(StartParameters parameters) {
    if (auto ready = co_await wait_adopted(); !ready) co_return ready.error();
    if (auto fine = domain::check_command(parameters.command); !fine) co_return fine.error();
    if (parameters.label)
        if (auto fine = domain::check_label(*parameters.label); !fine) co_return fine.error();
    auto environment = compose_environment(
        parameters.base_environment ? *parameters.base_environment : options_.environment, parameters.environment);
    if (!environment) co_return environment.error();

    const std::string given_directory = parameters.working_directory;
    auto find_directory = [given_directory] { return canonical_directory(given_directory); };
    auto directory = co_await async::offload(files_, std::move(find_directory));
    if (!directory) co_return directory.error();

    Definition definition;
    definition.command = parameters.command;
    definition.shell = parameters.shell;
    definition.working_directory = *directory;
    definition.label_given = parameters.label.has_value();
    definition.label = parameters.label ? *parameters.label : domain::default_label(parameters.command, *directory);
    definition.stop_signal = parameters.stop_signal;
    definition.grace_seconds = parameters.grace_seconds;
    definition.restart = parameters.restart;
    definition.started_by = parameters.actor;

    for (;;) {
        bool created = false;
        auto found = find_or_create(parameters, definition, created);
        if (!found) co_return found.error();
        ProcessPtr process = *found;
        auto guard = co_await process->operation.lock();
        if (process->removed) continue;
        if (process->unsupported)
            co_return Error{ErrorCode::unsupported,
                            process->name() + " was written by another version of persistproc, which alone can use it"};

        const MonoTime stopped_by = clock_.now() + seconds_of(process->record.definition.grace_seconds) + kill_bound;
        const bool at_rest = co_await settled(process, stopped_by);
        if (!at_rest) co_return Error{ErrorCode::timeout, process->name() + " is still stopping; try again"};
        if (process->removed) continue;
        if (leaving_) {
            if (created) forget(process);
            co_return Error{ErrorCode::unavailable, "the daemon is shutting down"};
        }
        const std::uint32_t before = process->life.last_run();
        const Phase phase = process->life.phase();
        if (std::holds_alternative<Unreachable>(phase))
            co_return Error{ErrorCode::unavailable,
                            process->name() + " runs, but its shim does not answer; nothing was started"};
        // The caller lost its daemon before it heard the answer, and asks again: it has been done.
        const bool was_done = !parameters.request_key.empty() && process->request_key == parameters.request_key &&
                              process->start_confirmed;
        if (was_done) {
            auto view = co_await view_now(process);
            if (!view) co_return view.error();
            Started done{.view = std::move(*view), .created = true};
            co_return done;
        }
        if (std::holds_alternative<Running>(phase)) {
            if (parameters.label && !same_command(process->record.definition, definition))
                co_return Error{ErrorCode::conflict,
                                fmt::format("label \"{}\" is in use by {}", *parameters.label, process->name())};
            if (parameters.when_running == WhenRunning::refuse)
                co_return Error{ErrorCode::conflict,
                                fmt::format("{} is already running (PID {}); use restart_process, or if_running",
                                            process->name(), process->run_state.pid)};
            if (parameters.when_running == WhenRunning::keep) {
                auto view = co_await view_now(process);
                if (!view) co_return view.error();
                Started joined{.view = std::move(*view), .created = false};
                co_return joined;
            }
        }
        const bool replaces = std::holds_alternative<Running>(phase);
        const Definition running = process->record.definition;
        redefine(*process, definition, parameters);
        if (replaces) {
            // Recorded first, as in every restart.
            process->record.wanted = Wanted::up;
            process->record.intent = Intent::restart;
            process->record.intent_run = before;
            auto change = change_of(*process, parameters.actor, "restart", "");
            auto committed = co_await store_.commit(std::move(change));
            if (!committed) {
                process->record.definition = running;
                process->record.intent = Intent::none;
                co_return base::with_context(committed.error(), "restart of " + process->name());
            }
        }
        process->environment = *environment;
        process->has_environment = true;
        if (replaces)
            apply(process, RestartRequested{});
        else
            apply(process, StartRequested{});
        const MonoTime until = clock_.now() + seconds_of(definition.grace_seconds) + kill_bound + options_.start_bound;
        const bool done = co_await settled(process, until);
        if (process->start_error && process->life.last_run() != before) co_return *process->start_error;
        if (!done) co_return Error{ErrorCode::timeout, process->name() + " is still starting; see list_processes"};
        if (process->life.last_run() == before)
            co_return Error{ErrorCode::conflict, process->name() + " was stopped while it was being started"};
        auto view = co_await view_now(process);
        if (!view) co_return view.error();
        Started made{.view = std::move(*view), .created = true};
        co_return made;
    }
}

Task<Result<ProcessView>> Supervisor::stop_now(StopParameters parameters) {
    if (auto ready = co_await wait_adopted(); !ready) co_return ready.error();
    auto found = resolve(parameters.target);
    if (!found) co_return found.error();
    ProcessPtr process = *found;
    if (process->unsupported)
        co_return Error{ErrorCode::unsupported,
                        process->name() + " was written by another version of persistproc; it is not touched"};

    const Phase phase = process->life.phase();
    if ((std::holds_alternative<Ended>(phase) || std::holds_alternative<GaveUp>(phase) ||
         std::holds_alternative<Idle>(phase)) &&
        !has_leftovers(phase)) {
        // A run whose shim is gone may have left its program behind; its mark proves what is its own.
        if (process->life.state() == ProcessState::lost) {
            const auto nonce = process->nonce;
            auto sweep = [nonce] { return kill_marked(nonce); };
            co_await async::offload(files_, std::move(sweep));
        }
        co_return co_await view_now(process);
    }
    if (parameters.grace_seconds) process->grace_once = parameters.grace_seconds;
    // Recorded first: a daemon that dies now leaves its successor the rest. A disk that takes no record must not keep
    // anybody from stopping a program.
    process->record.wanted = Wanted::down;
    process->record.intent = Intent::stop;
    process->record.intent_run = process->life.last_run();
    auto change = change_of(*process, parameters.actor, "stop", parameters.force ? "force" : "");
    auto committed = co_await store_.commit(std::move(change));
    if (!committed)
        base::report(base::Severity::warning, "stop of {} could not be recorded: {}", process->name(),
                     committed.error().message);
    base::kill_point("daemon.stop.recorded");
    if (process->removed) co_return Error{ErrorCode::not_found, process->name() + " has been removed"};

    apply(process, StopRequested{parameters.force});
    if (std::holds_alternative<Unreachable>(process->life.phase()))
        co_return Error{ErrorCode::unavailable,
                        process->name() + " runs, but its shim does not answer; it is stopped as soon as it does"};
    const double grace = process->grace_once.value_or(process->record.definition.grace_seconds);
    const MonoTime until = clock_.now() + seconds_of(grace) + kill_bound;
    const bool done = co_await settled(process, until);
    process->grace_once.reset();
    if (!done)
        co_return Error{ErrorCode::timeout,
                        process->name() + " has not ended although it was killed; see its PID in list_processes"};
    if (process->removed) co_return Error{ErrorCode::not_found, process->name() + " has been removed"};
    co_return co_await view_now(process);
}

Task<Result<Restarted>> Supervisor::restart_now(StopParameters parameters) {
    if (auto ready = co_await wait_adopted(); !ready) co_return ready.error();
    auto found = resolve(parameters.target);
    if (!found) co_return found.error();
    ProcessPtr process = *found;
    auto guard = co_await process->operation.lock();
    if (process->removed) co_return Error{ErrorCode::not_found, process->name() + " has been removed"};
    if (process->unsupported)
        co_return Error{ErrorCode::unsupported,
                        process->name() + " was written by another version of persistproc; it is not touched"};
    const MonoTime stopped_by = clock_.now() + seconds_of(process->record.definition.grace_seconds) + kill_bound;
    const bool at_rest = co_await settled(process, stopped_by);
    if (!at_rest) co_return Error{ErrorCode::timeout, process->name() + " is still stopping; try again"};
    if (std::holds_alternative<Unreachable>(process->life.phase()))
        co_return Error{ErrorCode::unavailable,
                        process->name() + " runs, but its shim does not answer; nothing was done"};
    if (leaving_) co_return Error{ErrorCode::unavailable, "the daemon is shutting down"};

    Restarted out;
    if (process->life.is_live()) out.old_pid = process->run_state.pid;
    const std::uint32_t before = process->life.last_run();
    if (parameters.grace_seconds) process->grace_once = parameters.grace_seconds;
    process->actor = parameters.actor;
    process->record.wanted = Wanted::up;
    process->record.intent = Intent::restart;
    process->record.intent_run = before;
    auto change = change_of(*process, parameters.actor, "restart", parameters.force ? "force" : "");
    auto committed = co_await store_.commit(std::move(change));
    if (!committed) co_return base::with_context(committed.error(), "restart of " + process->name());
    base::kill_point("daemon.restart.recorded");

    apply(process, RestartRequested{parameters.force});
    const double grace = process->grace_once.value_or(process->record.definition.grace_seconds);
    const MonoTime until = clock_.now() + seconds_of(grace) + kill_bound + options_.start_bound;
    const bool done = co_await settled(process, until);
    process->grace_once.reset();
    if (process->start_error && process->life.last_run() != before) co_return *process->start_error;
    if (!done) co_return Error{ErrorCode::timeout, process->name() + " has not been restarted yet; see list_processes"};
    if (process->life.last_run() == before)
        co_return Error{ErrorCode::conflict,
                        process->name() + " was stopped by somebody else before it could start again"};
    auto view = co_await view_now(process);
    if (!view) co_return view.error();
    out.view = std::move(*view);
    co_return out;
}

Task<Result<ProcessView>> Supervisor::signal_now(std::string target, int number, std::string actor) {
    if (auto ready = co_await wait_adopted(); !ready) co_return ready.error();
    auto found = resolve(target);
    if (!found) co_return found.error();
    ProcessPtr process = *found;
    if (!std::holds_alternative<Running>(process->life.phase()) &&
        !std::holds_alternative<Stopping>(process->life.phase()))
        co_return Error{ErrorCode::conflict, fmt::format("{} is not running: no signal was sent", process->name())};
    auto change = change_of(*process, actor, "signal", domain::signal_name(number));
    auto committed = co_await store_.commit(std::move(change));
    if (!committed)
        base::report(base::Severity::warning, "signal to {} could not be recorded: {}", process->name(),
                     committed.error().message);
    if (!process->link)
        co_return Error{ErrorCode::unavailable, process->name() + " cannot be reached: no signal was sent"};

    rundir::ControlMessage message;
    message.type = rundir::MessageType::signal;
    message.epoch = epoch_;
    message.nonce = process->nonce;
    message.request = next_request_++;
    message.signal = number;
    const std::uint64_t request = message.request;
    if (auto sent = process->link->send(message); !sent) co_return sent.error();
    const MonoTime until = clock_.now() + std::chrono::seconds(5);
    while (!process->replies.contains(request)) {
        const bool woken = co_await process->changed.wait_until(until, clock_);
        if (!woken && !process->replies.contains(request))
            co_return Error{ErrorCode::timeout, process->name() + ": its shim did not confirm the signal"};
        if (!process->link && !process->replies.contains(request))
            co_return Error{ErrorCode::conflict, process->name() + " ended before the signal reached it"};
    }
    const int failed = process->replies[request];
    process->replies.erase(request);
    if (failed == ESRCH) co_return Error{ErrorCode::conflict, process->name() + " ended before the signal reached it"};
    if (failed != 0) co_return base::os_failure(process->name() + ": signal", failed);
    co_return co_await view_now(process);
}

Task<Result<ProcessView>> Supervisor::remove_now(std::string target, std::string actor) {
    if (auto ready = co_await wait_adopted(); !ready) co_return ready.error();
    auto found = resolve(target);
    if (!found) co_return found.error();
    ProcessPtr process = *found;
    auto guard = co_await process->operation.lock();
    // The shim of a tree that is empty is about to leave: a removal right after a stop waits for it.
    const MonoTime gone_by = clock_.now() + std::chrono::seconds(5);
    while (process->link && process->run_state.tree_empty != 0) {
        const bool woken = co_await process->changed.wait_until(gone_by, clock_);
        if (!woken) break;
    }
    if (process->removed) co_return Error{ErrorCode::not_found, process->name() + " has been removed"};
    const Phase phase = process->life.phase();
    if (process->unsupported)
        co_return Error{ErrorCode::unsupported,
                        process->name() + " was written by another version of persistproc; it is not touched"};
    if (!std::holds_alternative<Ended>(phase) && !std::holds_alternative<GaveUp>(phase))
        co_return Error{ErrorCode::conflict, fmt::format("{} is {}; stop it first", process->name(),
                                                         schema::enum_name(process->life.state()))};
    if (has_leftovers(phase) || process->link)
        co_return Error{ErrorCode::conflict,
                        process->name() + " has ended, but programs it started still run; stop it first"};
    auto view = co_await view_now(process);
    if (!view) co_return view.error();
    // The files first: a daemon that finds a row without a directory drops it, but a directory without a row it takes
    // for what a lost database knew.
    const auto data = options_.data;
    const ProcessId id = process->record.id;
    auto delete_files = [data, id] { return remove_process_files(data, id); };
    auto deleted = co_await async::offload(files_, std::move(delete_files));
    if (!deleted) co_return deleted.error();
    base::kill_point("daemon.remove.deleted");
    forget(process);
    StoreChange change;
    change.removed.push_back(id);
    AuditEntry entry{.at = clock_.wall(), .actor = actor, .action = "remove", .process = process->name(), .detail = ""};
    change.audit.push_back(std::move(entry));
    co_await record(std::move(change), "the removal of " + process->name());
    view->log_path.reset();
    co_return *view;
}

void Supervisor::forget(const ProcessPtr& process) {
    process->removed = true;
    processes_.erase(process->record.id);
    announce(*process);
}

Task<Result<Located>> Supervisor::locate(std::string target) {
    if (auto ready = co_await wait_adopted(); !ready) co_return ready.error();
    auto found = resolve(target);
    if (!found) co_return found.error();
    auto located = find((*found)->record.id);
    if (!located) co_return Error{ErrorCode::not_found, "the process has been removed"};
    co_return *located;
}

void Supervisor::announce(Process& process) {
    process.changed.notify_all();
    if (on_change_) on_change_(process.record.id);
}

Task<Result<std::vector<Located>>> Supervisor::locate_all() {
    if (auto ready = co_await wait_adopted(); !ready) co_return ready.error();
    std::vector<Located> out;
    for (const auto& [id, process] : processes_)
        if (auto located = find(id)) out.push_back(std::move(*located));
    co_return out;
}

std::optional<Located> Supervisor::find(ProcessId id) const {
    const auto found = processes_.find(id);
    if (found == processes_.end()) return std::nullopt;
    const Process& process = *found->second;
    Located out;
    out.id = id;
    out.label = process.record.definition.label;
    out.working_directory = process.record.definition.working_directory;
    out.state = process.unsupported ? ProcessState::unsupported : process.life.state();
    out.run = process.life.last_run();
    out.run_begin = process.run_state.log_begin;
    out.is_live = process.life.is_live();
    if (!out.is_live) out.outcome = process.life.outcome();
    out.pid = process.run_state.pid;
    out.ended_run = process.ended_run;
    out.last_outcome = process.life.outcome();
    out.changes = process.changed.count();
    out.detail = make_view(process).detail;
    out.log = rundir::process_paths(options_.data, id).log;
    return out;
}

Task<bool> Supervisor::changed(ProcessId id, std::uint64_t changes, MonoTime until) {
    const auto found = processes_.find(id);
    if (found == processes_.end()) co_return true;
    ProcessPtr process = found->second;
    co_return co_await process->changed.wait_past(changes, until, clock_);
}

Task<Result<Supervisor::LeaveReport>> Supervisor::leave_now(bool keep, std::string actor) {
    leaving_ = true;
    // What runs is known only then; to keep it, nothing need be known.
    if (!keep)
        if (auto ready = co_await wait_adopted(); !ready)
            base::report(base::Severity::warning, "shutdown: {}", ready.error().message);
    LeaveReport report;
    std::vector<ProcessPtr> going;
    StoreChange change;
    for (const auto& [id, process] : processes_) {
        const Phase& phase = process->life.phase();
        const bool has_tree = process->life.is_live() || has_leftovers(phase);
        if (!has_tree && !std::holds_alternative<Backoff>(phase)) continue;
        if (keep) {
            if (has_tree) report.kept.push_back(process->name());
            continue;
        }
        process->record.wanted = Wanted::down;
        process->record.intent = Intent::stop;
        process->record.intent_run = process->life.last_run();
        change.processes.push_back(process->record);
        going.push_back(process);
    }
    AuditEntry entry{
        .at = clock_.wall(), .actor = actor, .action = "shutdown", .process = "", .detail = keep ? "keep" : ""};
    change.audit.push_back(std::move(entry));
    auto committed = co_await store_.commit(std::move(change));
    if (!committed)
        base::report(base::Severity::warning, "shutdown could not be recorded: {}", committed.error().message);
    for (const auto& process : going) apply(process, StopRequested{});
    for (const auto& process : going) {
        const MonoTime until = clock_.now() + seconds_of(process->record.definition.grace_seconds) + kill_bound;
        const bool done = co_await settled(process, until);
        (done && !process->life.is_live() ? report.stopped : report.kept).push_back(process->name());
    }
    has_left_ = true;
    left_done_.notify_all();
    for (const auto& [id, process] : processes_) announce(*process);
    co_return report;
}

}  // namespace persistproc::core
