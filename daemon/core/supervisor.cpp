#include "daemon/core/supervisor.hpp"

#include "common/rundir/paths.hpp"
#include "daemon/core/views.hpp"

namespace persistproc::core {

namespace {

constexpr auto port_age = std::chrono::milliseconds(50);

}  // namespace

Supervisor::Supervisor(boost::asio::any_io_executor executor, async::Clock& clock, Store& store, ShimHost& shims,
                       RunDirectories& directories, CheckProbes& probes, projects::ProjectSource& projects,
                       SupervisorOptions options)
    : options_(std::move(options)),
      tasks_(executor),
      world_{.executor = executor,
             .clock = clock,
             .shims = shims,
             .directories = directories,
             .tasks = tasks_,
             .bounds = {.start = options_.start_bound, .answer = options_.adoption_bound}},
      events_(executor),
      table_(executor),
      driver_(world_, store, table_, events_, options_),
      sampler_(executor, clock, directories, tasks_),
      readiness_(world_, table_, driver_, sampler_, probes, options_.data),
      projects_(executor, clock, store, projects),
      adoption_(world_, store, table_, driver_, projects_, options_),
      operations_(world_, store, table_, events_, driver_, sampler_, adoption_, options_),
      plans_(world_, store, table_, events_, driver_, operations_, adoption_, readiness_, options_),
      retention_(world_, table_, options_, [this](ProcessId id) { return remove_old(id); }) {
    driver_.on_end = [this] { retention_.note_end(); };
    driver_.on_change = [this](const ProcessPtr& process) { readiness_.follow(process); };
    driver_.replace_checks = [this](const ProcessPtr& process) { readiness_.replace_checks(process); };
    driver_.before_run = [this](ProcessPtr process) { return readiness_.note_free_ports(std::move(process)); };
}

Supervisor::~Supervisor() = default;

// Each request is carried out by a task of the supervisor's own; the caller only waits for it.
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
    auto asked = std::make_shared<Asked<T>>(world_.executor);
    tasks_.spawn(std::move(name), perform(std::move(request), asked));
    while (!asked->result && !asked->failed) co_await asked->done.wait();
    if (asked->failed) std::rethrow_exception(asked->failed);
    co_return std::move(*asked->result);
}

Task<Result<void>> Supervisor::adopt() { return carry_out("adoption", adopt_now()); }
Task<Result<ops::StartResponse>> Supervisor::start(ops::StartRequest request, std::string actor) {
    return carry_out("start", operations_.start(std::move(request), std::move(actor)));
}
Task<Result<ProcessView>> Supervisor::stop(ops::StopRequest request, std::string actor) {
    return carry_out("stop", operations_.stop(std::move(request), std::move(actor)));
}
Task<Result<ops::RestartResponse>> Supervisor::restart(ops::RestartRequest request, std::string actor) {
    return carry_out("restart", operations_.restart(std::move(request), std::move(actor)));
}
Task<Result<void>> Supervisor::restart_in_order(std::string file, std::vector<std::string> names, std::string actor,
                                                MonoTime until, RestartedPtr done) {
    return carry_out("restart", plans_.restart_in_order(std::move(file), std::move(names), std::move(actor), until,
                                                        std::move(done)));
}
Task<Result<ops::RestartResponse>> Supervisor::restart_with_dependents(ops::RestartRequest request, std::string actor) {
    return carry_out("restart", plans_.restart_with_dependents(std::move(request), std::move(actor)));
}
Task<Result<ProcessView>> Supervisor::signal(ops::SignalRequest request, std::string actor) {
    return carry_out("signal", operations_.signal(std::move(request), std::move(actor)));
}
Task<Result<ProcessView>> Supervisor::remove(ops::RemoveRequest request, std::string actor) {
    return carry_out("removal", operations_.remove(std::move(request), std::move(actor)));
}
Task<Result<ProcessView>> Supervisor::rename(ops::RenameRequest request, std::string actor) {
    return carry_out("rename", operations_.rename(std::move(request), std::move(actor)));
}
Task<Result<ProcessView>> Supervisor::flush(ops::FlushRequest request, std::string actor) {
    return carry_out("flush", operations_.flush(std::move(request), std::move(actor)));
}
Task<Result<ops::ShutdownResponse>> Supervisor::leave(ops::ShutdownRequest request, std::string actor) {
    return carry_out("shutdown", operations_.leave(request, std::move(actor)));
}

Task<> Supervisor::close() {
    co_await plans_.close();
    co_await readiness_.close();
    co_await tasks_.close();
}

Task<> Supervisor::find_url(ProcessId id) {
    const auto process = table_.find(id);
    if (process && process->url_run != process->life.last_run()) co_await readiness_.find_url(process);
}

Task<Result<std::vector<UpStep>>> Supervisor::up(UpOrder order, std::string actor) {
    return carry_out("up", plans_.up(std::move(order), std::move(actor)));
}
Task<Result<std::vector<std::string>>> Supervisor::down(std::string file, std::vector<std::string> names, bool only,
                                                        bool force, std::string actor) {
    return carry_out("down", plans_.down(std::move(file), std::move(names), only, force, std::move(actor)));
}

Task<Result<void>> Supervisor::adopt_now() {
    auto adopted = co_await adoption_.run();
    if (!adopted) co_return adopted;
    driver_.tell_news();
    plans_.begin();
    retention_.begin();
    co_return adopted;
}

Task<Result<void>> Supervisor::remove_old(ProcessId id) {
    ops::RemoveRequest request;
    request.process = to_string(id);
    auto removed = co_await operations_.remove(std::move(request), "retention");
    if (!removed) co_return removed.error();
    co_return boost::system::in_place_value;
}

Task<Result<Located>> Supervisor::locate(std::string target) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    auto found = table_.resolve(target);
    if (!found) co_return found.error();
    auto located = find((*found)->record.id);
    if (!located) co_return Error{ErrorCode::not_found, "the process has been removed"};
    co_return *located;
}

Task<Result<std::vector<Located>>> Supervisor::locate_all() {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    std::vector<Located> out;
    for (const auto& [id, process] : table_.all())
        if (auto located = find(id)) out.push_back(std::move(*located));
    co_return out;
}

Task<Result<std::vector<RunRoot>>> Supervisor::run_roots() {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    std::vector<RunRoot> out;
    for (const auto& [id, process] : table_.all()) {
        const auto& state = process->run_state;
        out.push_back({process->shown(),
                       process->nonce,
                       {state.pid, state.start_ticks},
                       {state.shim_pid, state.shim_start_ticks}});
    }
    co_return out;
}

Task<Result<projects::LoadedPtr>> Supervisor::look_at_project(projects::ProjectQuery query) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    co_return co_await projects_.look(std::move(query));
}

Task<Result<projects::LoadedPtr>> Supervisor::load_project(projects::ProjectQuery query, projects::ProjectCheck check) {
    return carry_out("project", load_project_now(std::move(query), std::move(check)));
}
Task<Result<projects::LoadedPtr>> Supervisor::load_project_now(projects::ProjectQuery query,
                                                               projects::ProjectCheck check) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    co_return co_await projects_.load(std::move(query), std::move(check));
}

Task<Result<projects::LoadedPtr>> Supervisor::allow_project(projects::ProjectQuery query, std::string actor) {
    return carry_out("consent", allow_project_now(std::move(query), std::move(actor)));
}
Task<Result<projects::LoadedPtr>> Supervisor::allow_project_now(projects::ProjectQuery query, std::string actor) {
    projects::ProjectCheck unchecked;
    auto loaded = co_await load_project_now(std::move(query), std::move(unchecked));
    if (!loaded) co_return loaded;
    auto allowed = co_await projects_.allow(*loaded, std::move(actor));
    if (!allowed) co_return allowed.error();
    co_return loaded;
}

Task<Result<projects::Revoked>> Supervisor::revoke_project(projects::ProjectQuery query, std::string actor) {
    return carry_out("consent", revoke_project_now(std::move(query), std::move(actor)));
}
Task<Result<projects::Revoked>> Supervisor::revoke_project_now(projects::ProjectQuery query, std::string actor) {
    if (auto ready = co_await adoption_.wait(); !ready) co_return ready.error();
    co_return co_await projects_.revoke(std::move(query), std::move(actor));
}

std::optional<Located> Supervisor::find(ProcessId id) const {
    const auto process = table_.find(id);
    if (!process) return std::nullopt;
    Located out;
    out.id = id;
    out.label = process->record.definition.label;
    out.name = process->shown();
    out.working_directory = process->record.definition.working_directory;
    out.state = process->state();
    out.run = process->life.last_run();
    out.run_begin = process->run_state.log_begin;
    out.is_live = process->life.is_live();
    out.runs_again = runs_again(process->life.phase()) || out.state == ProcessState::waiting;
    if (!out.is_live) out.outcome = process->life.outcome();
    out.pid = process->run_state.pid;
    out.has_checks = !process->record.definition.ready.empty();
    out.ready = process->ready;
    out.not_ready = readiness_detail(*process);
    out.has_terminal = process->record.definition.input == domain::Input::tty;
    if (process->url_run == out.run) out.url = process->url;
    // A start and a rule of its policy are on record with the run that they began, a restart with the one before.
    if (process->record.intent_run + 1 == out.run) out.restarted_by = process->record.intent_by;
    out.ended_run = process->ended_run;
    out.ready_run = static_cast<std::uint32_t>(process->record.ready_run);
    out.last_outcome = process->life.outcome();
    out.causes = causes_of(*process, world_.clock.wall(), world_.clock.now());
    if (process->standing == Standing::unsupported) out.not_touched = not_touched(*process);
    out.changes = process->changed.count();
    out.log = rundir::process_paths(options_.data, id).log;
    return out;
}

std::size_t Supervisor::count_dependents(const std::string& target) const {
    const auto process = table_.resolve(target);
    if (!process) return 0;
    const auto& membership = (*process)->record.definition.membership;
    return membership ? plans_.dependents(membership->file, membership->process).size() : 0;
}

std::optional<WatchedState> Supervisor::watched_state(ProcessId id) const {
    const auto process = table_.find(id);
    if (!process || process->standing == Standing::unsupported) return std::nullopt;
    const auto* running = std::get_if<Running>(&process->life.phase());
    const auto* starting = std::get_if<Starting>(&process->life.phase());
    const auto& outcome = process->life.outcome();
    const bool was_stopped = outcome && outcome->reason == OutcomeReason::stopped;
    WatchedState out;
    out.watch = process->record.definition.watch;
    out.run = process->life.last_run();
    out.ups = process->ups;
    out.on_request = starting != nullptr ? !starting->by_policy : running != nullptr && running->on_request;
    out.is_stopped = process->life.wanted() == Wanted::down && (was_stopped || process->life.is_live());
    return out;
}

void Supervisor::note_changed_file(ProcessId id, std::string path) {
    const auto process = table_.find(id);
    if (!process) return;
    process->changed_run = process->life.last_run();
    process->changed_file = std::move(path);
    driver_.announce(*process);
}

void Supervisor::tell_of_watch(ProcessId id, std::optional<Cause> trouble) {
    const auto process = table_.find(id);
    if (!process) return;
    process->watch_trouble = std::move(trouble);
    driver_.announce(*process);
}

void Supervisor::note_ready(ProcessId id, std::uint32_t run) {
    const auto process = table_.find(id);
    if (!process || run <= process->record.ready_run || run > process->life.last_run()) return;
    process->record.ready_run = run;
    // With the next record of it, should that be on its way. It is lost with the daemon at worst.
    if (process->unrecorded || process->is_moving() || process->standing != Standing::established) return;
    StoreChange change;
    change.processes.push_back(process->record);
    tasks_.spawn("records that it was ready", driver_.record(std::move(change), process->name()));
}

Task<std::vector<int>> Supervisor::ports(ProcessId id) {
    const auto process = table_.find(id);
    if (!process) co_return std::vector<int>();
    std::vector<ProcessPtr> one{process};
    co_await sampler_.refresh(std::move(one), port_age);
    const bool is_of_run = process->reading.run == process->life.last_run();
    co_return is_of_run ? process->reading.tree.ports : std::vector<int>();
}

Task<bool> Supervisor::changed(ProcessId id, std::uint64_t changes, MonoTime until) {
    const auto process = table_.find(id);
    if (!process) co_return true;
    co_return co_await process->changed.wait_past(changes, until, world_.clock);
}

}  // namespace persistproc::core
