#include "daemon/core/readiness_driver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/text.hpp"
#include "common/rundir/paths.hpp"
#include "common/rundir/state.hpp"

namespace persistproc::core {

namespace {

constexpr auto sample_age = std::chrono::milliseconds(50);
constexpr auto others_age = std::chrono::seconds(1);

bool has_checks(const Process& process) {
    return !process.record.definition.ready.empty() || !process.record.definition.health.empty();
}

/// What is so of a run that is not asked for.
std::optional<bool> unasked(const Process& process) {
    if (process.record.definition.ready.empty()) return std::nullopt;
    // Until it is asked again, the word of the daemon before counts.
    return process.is<Unreachable>() && process.record.held_run == process.life.last_run();
}

/// When the run began, for those that have a time limit; never before it did. The clock that people set takes steps,
/// and that of the record goes on while the machine sleeps: what it has slept since its boot may be taken from the age.
MonoTime began(const rundir::RunState& state, MonoTime now) {
    const MonoTime at{std::chrono::nanoseconds(state.started_boot_ns)};
    return state.started_boot_ns == 0 ? now : std::min(at, now);
}

std::optional<int> port_of(const domain::Check& check) {
    if (const auto* port = std::get_if<domain::PortCheck>(&check.subject)) return port->port;
    if (const auto* http = std::get_if<domain::HttpCheck>(&check.subject)) return http->port;
    return std::nullopt;
}

}  // namespace

std::vector<int> application_ports(std::vector<int> ports) {
    // Node's inspector, debugpy, the JVM's debugger, Vite's reloader.
    const auto is_of_tools = [](int port) {
        return (port >= 9229 && port <= 9239) || port == 5678 || port == 5005 || port == 24678;
    };
    std::erase_if(ports, is_of_tools);
    return ports;
}

std::string readiness_detail(const Process& process) {
    return process.checks ? process.checks->machine.detail() : std::string();
}

ReadinessDriver::ReadinessDriver(run::RunWorld& world, ProcessTable& table, ProcessDriver& driver, Sampler& sampler,
                                 CheckProbes& probes, std::filesystem::path data)
    : world_(world), table_(table), driver_(driver), sampler_(sampler), probes_(probes), data_(std::move(data)) {}

void ReadinessDriver::follow(const ProcessPtr& process) {
    const bool may_run = process->is<Running>() || process->is<Unreachable>();
    const bool is_of_run = process->checks && process->checks->run == process->life.last_run();
    if (process->checks && !(may_run && is_of_run)) {
        process->checks->tasks.cancel();
        process->checks.reset();
    }
    if (process->is<Running>() && !process->checks && has_checks(*process))
        begin(process);
    else if (!process->checks)
        process->ready = unasked(*process);
    if (process->checks) hear(process);
}

void ChecksOfRun::hear_extension(const rundir::RunState& state, MonoTime started) {
    if (std::exchange(extended_ms, state.extended_ms) == state.extended_ms) return;
    machine.extend(started + std::chrono::milliseconds(state.extended_ms));
    moved.notify_all();
}

/// Of a program that is not ready by what it says.
static std::string said_text(std::uint8_t notified) {
    if ((notified & rundir::notified_stopping) != 0) return "is stopping";
    return (notified & rundir::notified_reloading) != 0 ? "is reloading" : "has not said so";
}

/// What the program says of itself.
void ReadinessDriver::hear(const ProcessPtr& process) {
    const ChecksPtr checks = process->checks;
    const auto& state = process->run_state;
    std::string status(state.status, std::min<std::size_t>(state.status_size, sizeof state.status));
    const bool says_ready = state.says_ready();
    checks->hear_extension(state, began(state, world_.clock.now()));
    const bool is_known = checks->says_ready == says_ready && checks->notified == state.notified;
    if (is_known && checks->status == status) return;
    checks->says_ready = says_ready;
    checks->notified = state.notified;
    checks->status = status;
    const domain::Checks& all = checks->ready;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!std::holds_alternative<domain::NotifyCheck>(all[i].subject)) continue;
        std::string detail =
            status.empty() ? said_text(state.notified) : base::quote(base::shortened(base::clean_output(status)));
        apply(process, checks, {{Purpose::readiness, i}, says_ready, std::move(detail)});
    }
}

void ReadinessDriver::replace_checks(const ProcessPtr& process) {
    if (process->checks) process->checks->tasks.cancel();
    process->checks.reset();
    follow(process);
    driver_.announce(*process);
}

void ReadinessDriver::begin(const ProcessPtr& process) {
    const std::uint32_t run = process->life.last_run();
    const MonoTime now = world_.clock.now();
    const MonoTime started = began(process->run_state, now);
    const bool was_ready = process->record.held_run == run;
    const Definition& definition = process->record.definition;
    Readiness machine(definition.ready, definition.health, started, was_ready);
    const auto checks = std::make_shared<ChecksOfRun>(world_.executor, run, definition, std::move(machine));
    checks->says_ready = was_ready;
    checks->hear_extension(process->run_state, started);
    process->checks = checks;
    perform(process, checks, checks->machine.begin(now));
    process->ready = checks->machine.ready();
    for (std::size_t i = 0; i < definition.ready.size() && !was_ready; ++i)
        if (std::holds_alternative<domain::LogCheck>(definition.ready[i].subject))
            checks->tasks.spawn("check", probe(process, checks, {Purpose::readiness, i}, {}));
    checks->tasks.spawn("checks", keep_time(process, checks));
}

Task<> ReadinessDriver::keep_time(ProcessPtr process, ChecksPtr checks) {
    for (;;) {
        const auto due = checks->machine.wake_at();
        if (!due) {
            co_await checks->moved.wait();
            continue;
        }
        const bool is_moved = co_await checks->moved.wait_until(*due, world_.clock);
        if (!is_moved) perform(process, checks, checks->machine.wake(world_.clock.now()));
    }
}

void ReadinessDriver::perform(const ProcessPtr& process, const ChecksPtr& checks, const Readiness::Actions& actions) {
    for (const auto& action : actions) {
        if (const auto* what = std::get_if<MakeProbe>(&action))
            checks->tasks.spawn("check", probe(process, checks, what->check, what->timeout));
        else if (std::holds_alternative<TellReady>(action))
            become(process, true);
        else if (std::holds_alternative<TellUnready>(action))
            become(process, false);
        else if (const auto* end = std::get_if<EndRun>(&action))
            world_.tasks.spawn("end of a run", end_run(process, checks->run, *end, checks->machine.detail()));
    }
}

void ReadinessDriver::become(const ProcessPtr& process, bool ready) {
    process->ready = ready;
    process->record.held_run = ready ? process->life.last_run() : 0;
    if (ready) {
        process->record.ready_run = std::max<std::int64_t>(process->record.ready_run, process->life.last_run());
        process->checks->tasks.spawn("URL", find_url(process));
    }
    driver_.announce(*process);
    // With the next record of it, should that be on its way.
    if (process->unrecorded || process->standing != Standing::established) return;
    StoreChange change;
    change.processes.push_back(process->record);
    world_.tasks.spawn("record", driver_.record(std::move(change), "that it is ready: " + process->name()));
}

void ReadinessDriver::apply(const ProcessPtr& process, const ChecksPtr& checks, CheckResult result) {
    // It has been told to end meanwhile.
    if (process->checks != checks) return;
    const std::string before = checks->machine.detail();
    const auto actions = checks->machine.apply(result, world_.clock.now());
    perform(process, checks, actions);
    checks->moved.notify_all();
    if (checks->machine.detail() != before) driver_.announce(*process);
}

Task<> ReadinessDriver::probe(ProcessPtr process, ChecksPtr checks, CheckId id, std::chrono::nanoseconds timeout) {
    domain::Check check = (id.purpose == Purpose::readiness ? checks->ready : checks->health)[id.index];
    auto answer = co_await ask(process, checks, std::move(check), timeout);
    CheckResult result{id, answer.holds, std::move(answer.detail)};
    apply(process, checks, std::move(result));
}

Task<CheckAnswer> ReadinessDriver::ask(ProcessPtr process, ChecksPtr checks, domain::Check check,
                                       std::chrono::nanoseconds timeout) {
    const auto* port = std::get_if<domain::PortCheck>(&check.subject);
    CheckQuestion question;
    if (port != nullptr || std::holds_alternative<domain::HttpCheck>(check.subject)) {
        std::vector<ProcessPtr> one{process};
        co_await sampler_.refresh(std::move(one), sample_age);
        if (process->reading.run == checks->run) question.ports = process->reading.tree.ports;
        question.application_ports = application_ports(question.ports);
    }
    if (port != nullptr && !port->port) co_return look_for_any_port(*checks, question.application_ports);
    if (std::holds_alternative<domain::CommandCheck>(check.subject)) {
        if (auto known = co_await driver_.know_launch(process); !known)
            co_return CheckAnswer{.holds = false, .detail = known.error().message};
        question.environment = std::make_shared<const std::vector<std::string>>(driver_.environment_of(*process));
        question.umask = process->launch->umask;
    }
    const auto wanted = port_of(check);
    const auto& free = process->free_ports;
    question.may_be_outside =
        wanted && (process->ready.value_or(false) || std::find(free.begin(), free.end(), *wanted) != free.end());
    question.check = std::move(check);
    question.run = {process->record.id, checks->run};
    question.starter = process->record.definition.started_by;
    question.started = base::from_ns(process->run_state.started_wall_ns);
    question.timeout = timeout;
    question.working_directory = process->record.definition.working_directory;
    question.log = rundir::process_paths(data_, process->record.id).log;
    question.log_begin = process->run_state.log_begin;
    auto answer = co_await probes_.ask(std::move(question));
    if (!wanted || answer.listener == 0) co_return answer;
    co_return co_await with_holder(process, std::move(answer));
}

Task<bool> ReadinessDriver::await_line(ProcessPtr process, std::string pattern) {
    CheckQuestion question;
    question.check.subject = domain::LogCheck{std::move(pattern)};
    question.run = process->newest_run();
    question.log = rundir::process_paths(data_, process->record.id).log;
    question.log_begin = process->run_state.log_begin;
    const auto answer = co_await probes_.ask(std::move(question));
    co_return answer.holds;
}

/// Some programs listen for a moment to find out whether they may: one that is there twice stays.
CheckAnswer ReadinessDriver::look_for_any_port(ChecksOfRun& checks, const std::vector<int>& ports) {
    const auto before = std::exchange(checks.seen_ports, ports);
    const auto stays = [&before](int each) { return std::binary_search(before.begin(), before.end(), each); };
    const bool holds = std::any_of(ports.begin(), ports.end(), stays);
    return {.holds = holds, .detail = holds ? "" : "listens on nothing"};
}

/// Whoever listens on its port may be another of our processes: then it is none of its.
Task<CheckAnswer> ReadinessDriver::with_holder(ProcessPtr process, CheckAnswer answer) {
    std::vector<ProcessPtr> others;
    for (const auto& [id, each] : table_.all())
        if (each != process && each->has_tree()) others.push_back(each);
    std::vector<ProcessPtr> asked = others;
    co_await sampler_.refresh(std::move(asked), others_age);
    for (const auto& each : others) {
        const auto& pids = each->reading.tree.pids;
        if (std::find(pids.begin(), pids.end(), answer.listener) == pids.end()) continue;
        answer.holds = false;
        answer.detail = fmt::format("held by {}: persistproc stop {}", each->shown(), each->name());
        break;
    }
    co_return answer;
}

Task<> ReadinessDriver::note_free_ports(ProcessPtr process) {
    std::vector<int> wanted;
    for (const auto& check : process->record.definition.ready)
        if (const auto port = port_of(check)) wanted.push_back(*port);
    process->free_ports.clear();
    for (const int port : wanted) {
        const bool is_free = co_await probes_.is_free(port);
        if (is_free) process->free_ports.push_back(port);
    }
}

Task<> ReadinessDriver::find_url(ProcessPtr process) {
    const std::uint32_t run = process->life.last_run();
    std::vector<ProcessPtr> one{process};
    co_await sampler_.refresh(std::move(one), sample_age);
    if (process->reading.run != run) co_return;
    auto ports = application_ports(process->reading.tree.ports);
    const std::string sole = ports.size() == 1 ? fmt::format("http://localhost:{}", ports.front()) : std::string();
    if (ports.empty()) co_return;
    auto log = rundir::process_paths(data_, process->record.id).log;
    const RunId id{process->record.id, run};
    auto printed = co_await probes_.printed_url(std::move(log), id, std::move(ports));
    if (process->life.last_run() != run) co_return;
    process->url = printed.empty() ? sole : std::move(printed);
    process->url_run = run;
    driver_.announce(*process);
}

/// Under the lock, so that a start on its way is not overtaken.
Task<> ReadinessDriver::end_run(ProcessPtr process, std::uint32_t run, EndRun end, std::string detail) {
    auto guard = co_await process->operation.lock();
    const auto is_due = [&] {
        const bool runs = process->is<Running>() && process->life.last_run() == run;
        return runs && table_.holds(*process) && process->stopping == 0 && !driver_.is_leaving();
    };
    if (!is_due()) co_return;
    const bool is_late = end.why == EndRun::Why::not_ready;
    FailedChecks failed;
    failed.run = run;
    failed.reason = is_late ? OutcomeReason::not_ready : OutcomeReason::unhealthy;
    failed.detail =
        fmt::format("{}{}{}", is_late ? "not ready in time" : "unhealthy", detail.empty() ? "" : ": ", detail);
    process->record.failed_checks = std::move(failed);
    StoreChange change;
    change.processes.push_back(process->record);
    // What its shim tells of the end is that it was told to end it: why, is on record before that.
    auto recording = driver_.record(std::move(change), "that the checks of " + process->name() + " failed");
    co_await std::move(recording);
    if (is_due()) driver_.apply(process, ChecksFailed{end.well_for});
}

Task<> ReadinessDriver::close() {
    for (;;) {
        ChecksPtr open;
        for (const auto& [id, process] : table_.all())
            if (process->checks && process->checks->tasks.size() > 0) open = process->checks;
        if (!open) co_return;
        co_await open->tasks.close();
    }
}

}  // namespace persistproc::core
