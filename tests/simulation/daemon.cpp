#include "tests/simulation/daemon.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tests/simulation/world.hpp"

namespace persistproc::simulation {

namespace asio = boost::asio;

namespace {

// No process has such a descriptor: closing it does nothing.
constexpr int made_up_descriptor = 1 << 29;

Error no_room() { return {ErrorCode::io, "no space left on the simulated device", ENOSPC}; }

}  // namespace

class Daemon::SimulatedClock final : public async::Clock {
public:
    explicit SimulatedClock(Daemon& daemon) : daemon_(daemon) {}
    MonoTime now() const override { return daemon_.world_.time.now(); }
    WallTime wall() const override { return daemon_.world_.time.wall(); }

    Task<> sleep_until(MonoTime until) override {
        if (until <= now()) co_return;
        struct Sleeper {
            Sleeper(Daemon& d, MonoTime at) : daemon(d), timer(d.io_, asio::steady_timer::time_point::max()) {
                ++daemon.sleepers_;
                ticket = daemon.world_.time.plan_at(at, [this] {
                    is_due = true;
                    timer.cancel();
                });
            }
            ~Sleeper() {
                --daemon.sleepers_;
                daemon.world_.time.cancel(ticket);
            }
            Sleeper(const Sleeper&) = delete;
            Sleeper& operator=(const Sleeper&) = delete;
            Daemon& daemon;
            asio::steady_timer timer;
            Timeline::Ticket ticket;
            bool is_due = false;
        };
        Sleeper sleeper(daemon_, until);
        boost::system::error_code error;
        co_await sleeper.timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
        if (!sleeper.is_due) throw boost::system::system_error(asio::error::operation_aborted);
    }

private:
    Daemon& daemon_;
};

// What takes time.

struct Daemon::Operation {
    Operation(asio::any_io_executor executor, std::string n, std::function<void()> w, bool ordered)
        : name(std::move(n)), work(std::move(w)), in_order(ordered), done(std::move(executor)) {}
    std::string name;
    std::function<void()> work;
    bool in_order;
    bool has_happened = false, is_answered = false;
    async::Notifier done;

    void happen() {
        if (std::exchange(has_happened, true)) return;
        work();
    }
};

bool Daemon::has_effect() {
    if (!effects_left_) return true;
    if (*effects_left_ == 0) return false;
    --*effects_left_;
    return true;
}

Daemon::OperationPtr Daemon::begin(std::string name, std::function<void()> work, std::chrono::nanoseconds delay,
                                   bool in_order) {
    auto operation = std::make_shared<Operation>(io_.get_executor(), std::move(name), std::move(work), in_order);
    if (!has_effect()) return operation;  // and is never answered
    operations_.push_back(operation);
    const auto whole = world_.random.delay(delay);
    MonoTime happens = world_.time.now() + whole / 100 * static_cast<std::int64_t>(world_.random.below(101));
    if (in_order) committed_at_ = happens = std::max(happens, committed_at_);
    const MonoTime answered = std::max(happens, world_.time.now() + whole);
    const std::weak_ptr<Operation> weak(operation);
    world_.time.plan_at(happens, [weak] {
        if (const auto held = weak.lock()) held->happen();
    });
    world_.time.plan_at(answered, [this, weak] {
        const auto held = weak.lock();
        if (!held) return;
        held->is_answered = true;
        held->done.notify_all();
        operations_.remove(held);
    });
    return operation;
}

Task<> Daemon::finish(OperationPtr operation) {
    while (!operation->is_answered) co_await operation->done.wait();
}

template <class T>
Task<T> Daemon::perform(std::string name, std::function<T()> work, std::chrono::nanoseconds delay, bool in_order) {
    auto result = std::make_shared<std::optional<T>>();
    std::function<void()> wrapped = [result, work = std::move(work)] { result->emplace(work()); };
    OperationPtr operation = begin(std::move(name), std::move(wrapped), delay, in_order);
    co_await finish(operation);
    co_return std::move(**result);
}

template <class T>
Task<Result<T>> Daemon::on_disk(std::string name, std::function<Result<T>()> work) {
    std::function<Result<T>()> tried = [this, name, work = std::move(work)]() -> Result<T> {
        if (world_.random.percent(world_.mood.disk_errors)) {
            world_.record.note("disk: {} fails", name);
            return no_room();
        }
        return work();
    };
    co_return co_await perform(std::move(name), std::move(tried), world_.mood.disk, false);
}

class Daemon::SimulatedStore final : public core::Store {
public:
    explicit SimulatedStore(Daemon& daemon) : daemon_(daemon), audited_(daemon.io_.get_executor()) {}

    Task<Result<core::StoreSnapshot>> load() override {
        World& world = daemon_.world_;
        std::function<Result<core::StoreSnapshot>()> work = [&world]() -> Result<core::StoreSnapshot> {
            return world.database.load();
        };
        co_return co_await daemon_.perform(std::string("load"), std::move(work), world.mood.database, true);
    }
    Task<Result<void>> commit(core::StoreChange change) override {
        World& world = daemon_.world_;
        std::function<Result<void>()> work = [&world, change = std::move(change)]() -> Result<void> {
            if (world.random.percent(world.mood.database_errors)) {
                world.record.note("database: a commit fails");
                world.judge.not_committed(change);
                return no_room();
            }
            world.database.write(change);
            return boost::system::in_place_value;
        };
        co_return co_await daemon_.perform(std::string("commit"), std::move(work), world.mood.database, true);
    }
    Task<Result<void>> await_durable() override { co_return boost::system::in_place_value; }
    Task<Result<std::vector<core::AuditEntry>>> read_audit(core::AuditQuery) override {
        co_return std::vector<core::AuditEntry>();
    }
    async::Notifier& audited() override { return audited_; }

private:
    Daemon& daemon_;
    async::Notifier audited_;
};

class Daemon::SimulatedDirectories final : public core::RunDirectories {
public:
    explicit SimulatedDirectories(Daemon& daemon) : daemon_(daemon), world_(daemon.world_) {}

    Task<Result<core::ProcessDirectories>> list() override {
        std::function<Result<core::ProcessDirectories>()> work = [&world =
                                                                      world_]() -> Result<core::ProcessDirectories> {
            core::ProcessDirectories out;
            for (const auto& [id, process] : world.disk.all()) out.processes.push_back(id);
            out.removals.assign(world.disk.removals().begin(), world.disk.removals().end());
            return out;
        };
        // A daemon that cannot list its data directory serves nobody, and is started again; that is not of interest
        // here.
        co_return co_await daemon_.perform(std::string("list"), std::move(work), world_.mood.disk, false);
    }
    Task<std::vector<core::FoundProcess>> find_processes(std::vector<core::ProcessQuestion> questions) override {
        std::function<std::vector<core::FoundProcess>()> work = [this, questions = std::move(questions)] {
            std::vector<core::FoundProcess> out;
            for (const auto& each : questions) out.push_back(look(each));
            return out;
        };
        co_return co_await daemon_.perform(std::string("find processes"), std::move(work), world_.mood.disk, false);
    }
    Task<Result<core::FoundRun>> find_run(RunId id) override {
        std::function<Result<core::FoundRun>()> work = [this, id] { return look(id); };
        std::string name = "look at " + to_string(id);
        co_return co_await daemon_.on_disk(std::move(name), std::move(work));
    }
    Task<Result<rundir::RunSpec>> load_spec(RunId id) override {
        std::function<Result<rundir::RunSpec>()> work = [this, id]() -> Result<rundir::RunSpec> {
            const RunDirectory* run = world_.disk.find(id);
            if (run == nullptr) return Error{ErrorCode::not_found, "no such run"};
            return run->spec;
        };
        std::string name = "spec of " + to_string(id);
        co_return co_await daemon_.on_disk(std::move(name), std::move(work));
    }
    Task<Result<void>> prepare(rundir::RunSpec spec) override {
        std::string name = "prepare " + to_string(spec.id);
        std::function<Result<void>()> work = [this, spec = std::move(spec)]() -> Result<void> {
            world_.disk.prepare(spec);
            return boost::system::in_place_value;
        };
        co_return co_await daemon_.on_disk(std::move(name), std::move(work));
    }
    Task<Result<void>> remove_run(RunId id) override {
        std::function<Result<void>()> work = [this, id]() -> Result<void> {
            world_.disk.remove_run(id, "by the core");
            return boost::system::in_place_value;
        };
        std::string name = "remove " + to_string(id);
        co_return co_await daemon_.on_disk(std::move(name), std::move(work));
    }
    Task<Result<void>> remove_process(ProcessId id) override {
        std::function<Result<void>()> work = [this, id]() -> Result<void> {
            world_.disk.remove_process(id);
            return boost::system::in_place_value;
        };
        std::string name = "remove " + to_string(id);
        co_return co_await daemon_.on_disk(std::move(name), std::move(work));
    }
    Task<Result<void>> begin_removal(ProcessId id) override {
        std::function<Result<void>()> work = [this, id]() -> Result<void> {
            world_.disk.begin_removal(id);
            return boost::system::in_place_value;
        };
        std::string name = "begin the removal of " + to_string(id);
        co_return co_await daemon_.on_disk(std::move(name), std::move(work));
    }
    Task<> end_removal(ProcessId id) override {
        std::function<bool()> work = [this, id] {
            world_.disk.end_removal(id);
            return true;
        };
        std::string name = "end the removal of " + to_string(id);
        co_await daemon_.perform(std::move(name), std::move(work), world_.mood.disk, false);
    }
    Task<> collect_garbage(std::size_t keep_runs, std::uint64_t, core::Starters) override {
        std::function<bool()> work = [this, keep_runs] {
            world_.disk.collect_garbage(keep_runs);
            return true;
        };
        co_await daemon_.perform(std::string("collect garbage"), std::move(work), world_.mood.disk, false);
    }
    Task<bool> kill_strays(core::StrayRoots roots) override {
        std::function<bool()> work = [this, mark = roots.mark] {
            world_.judge.swept(mark);
            for (const Pid pid : world_.kernel.marked(mark)) world_.kernel.kill(pid);
            return true;
        };
        co_return co_await daemon_.perform(std::string("kill marked"), std::move(work), world_.mood.disk, false);
    }
    Task<bool> has_strays(core::StrayRoots roots) override {
        std::function<bool()> work = [this, mark = roots.mark] { return !world_.kernel.marked(mark).empty(); };
        co_return co_await daemon_.perform(std::string("look for marked"), std::move(work), world_.mood.disk, false);
    }
    bool is_suspended(PidIdentity process) const override {
        const Shim* shim = world_.shims.find(process.pid);
        return shim != nullptr && shim->is_frozen();
    }
    bool is_zombie(PidIdentity process) const override {
        const Inhabitant* found = world_.kernel.find(process.pid);
        return found != nullptr && found->is_zombie;
    }
    base::BootId boot_id() const override { return world_.disk.boot_id(); }

    Task<Result<void>> clear_output(ProcessId) override { co_return boost::system::in_place_value; }
    Task<Result<void>> check_program(std::string, std::string, std::string, bool) override {
        co_return boost::system::in_place_value;
    }
    Task<Result<std::string>> canonical_directory(std::string path) override {
        std::function<Result<std::string>()> work = [path]() -> Result<std::string> { return path; };
        co_return co_await daemon_.perform(std::string("directory"), std::move(work), world_.mood.disk / 4, false);
    }
    Task<core::LaunchLook> look_before_launch(std::string, std::string, std::string directory) override {
        std::function<core::LaunchLook()> work = [directory]() -> core::LaunchLook {
            return {boost::system::in_place_value, directory, boost::system::in_place_value};
        };
        co_return co_await daemon_.perform(std::string("directory"), std::move(work), world_.mood.disk / 4, false);
    }
    Task<std::vector<core::Sample>> sample(std::vector<core::SampleRequest> requests) override {
        std::function<std::vector<core::Sample>()> work = [this, requests = std::move(requests)] {
            std::vector<core::Sample> out;
            for (const auto& each : requests) out.push_back(measure(each));
            return out;
        };
        co_return co_await daemon_.perform(std::string("sample"), std::move(work), world_.mood.disk / 4, false);
    }

private:
    Result<core::FoundRun> look(RunId id) const {
        core::FoundRun out{.id = id};
        const RunDirectory* run = world_.disk.find(id);
        if (run == nullptr) {
            out.trouble = "there is no such run";
            return out;
        }
        out.shim_alive = run->lock != 0;
        out.state = run->state;
        out.spec = run->spec;
        return out;
    }
    core::FoundProcess look(const core::ProcessQuestion& question) const {
        core::FoundProcess out{.id = question.id};
        if (world_.random.percent(world_.mood.disk_errors)) {
            world_.record.note("disk: {} cannot be read", to_string(question.id));
            out.trouble = "input/output error";
            return out;
        }
        const ProcessDirectory* process = world_.disk.find(question.id);
        if (process == nullptr || process->runs.empty()) return out;
        for (const auto& [number, run] : process->runs) out.runs.push_back(number);
        auto newest = look(RunId{question.id, out.runs.back()});
        if (newest) out.newest = std::move(*newest);
        if (out.newest && question.known_ended == out.runs.back() && !out.newest->shim_alive) out.newest->spec.reset();
        return out;
    }
    core::Sample measure(const core::SampleRequest& request) const {
        core::TreeSample tree;
        if (request.roots.shim != 0) tree.pids = world_.kernel.living_below(request.roots.shim);
        return core::Sample{.tree = std::move(tree),
                            .log_end = logstore::LogEnd{},
                            .losses = request.losses.value_or(logstore::Losses{})};
    }

    Daemon& daemon_;
    World& world_;
};

// Shims.

class Daemon::Hold final : public core::ChildHold {
public:
    Hold(Daemon& daemon, Pid pid) : daemon_(daemon), pid_(pid) {
        daemon_.world_.kernel.hold(pid_, daemon_.incarnation_);
    }
    ~Hold() override { daemon_.world_.kernel.let_go(pid_, daemon_.incarnation_); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

    Task<rundir::ProgramEnd> ended() override {
        using How = rundir::ProgramEnd::How;
        rundir::ProgramEnd end;
        for (;;) {
            const Inhabitant* child = daemon_.world_.kernel.find(pid_);
            if (child == nullptr) co_return end;
            const bool is_ours = child->parent.shim == 0 && child->parent.daemon == daemon_.incarnation_;
            if (child->is_zombie && is_ours) {
                end.how = child->exit.killed ? How::killed : How::exited;
                end.value = child->exit.value;
                co_return end;
            }
            if (child->is_zombie && child->parent.shim == 0) co_return end;
            co_await daemon_.deaths_.wait();
        }
    }
    int descriptor() const noexcept override { return made_up_descriptor; }
    Pid pid() const noexcept { return pid_; }

private:
    Daemon& daemon_;
    Pid pid_;
};

class Daemon::Link final : public core::ShimLink {
public:
    Link(Daemon& daemon, ChannelPtr channel)
        : daemon_(daemon),
          channel_(std::move(channel)),
          arrived_(std::make_shared<async::Notifier>(daemon.io_.get_executor())) {
        ++daemon_.links_;
        channel_->wake_daemon = [weak = std::weak_ptr<async::Notifier>(arrived_)] {
            if (const auto held = weak.lock()) held->notify_all();
        };
    }
    ~Link() override {
        --daemon_.links_;
        close();
    }

    Result<void> send(const rundir::ControlMessage& message) override { return transmit(message, HandedOver{}); }
    Result<void> hand_over(const rundir::ControlMessage& message, const core::Spares& spares) override {
        HandedOver handed;
        handed.pipes = static_cast<bool>(spares.out);
        handed.report = static_cast<bool>(spares.report);
        if (spares.child) handed.child = static_cast<const Hold&>(*spares.child).pid();
        return transmit(message, handed);
    }
    core::Spares take_spares() override { return std::move(spares_); }

    Task<Result<rundir::ControlMessage>> receive() override {
        // The link may go while this waits.
        const ChannelPtr channel = channel_;
        const auto arrived = arrived_;
        const auto closed = closed_;
        while (!*closed && channel->to_daemon.empty()) co_await arrived->wait();
        if (*closed || channel->to_daemon.front().is_end) co_return Error{ErrorCode::unavailable, "closed"};
        const Packet packet = channel->to_daemon.front();
        channel->to_daemon.pop_front();
        core::Spares fresh;
        if (packet.handed.pipes) fresh.out.reset(made_up_descriptor);
        if (packet.handed.report) fresh.report.reset(made_up_descriptor);
        if (packet.handed.child != 0) fresh.child = std::make_shared<Hold>(daemon_, packet.handed.child);
        spares_.merge(std::move(fresh));
        co_return packet.message;
    }

    void close() override {
        if (*closed_) return;
        *closed_ = true;
        if (daemon_.has_effect()) daemon_.world_.shims.close_daemon_end(channel_);
        arrived_->notify_all();
    }

private:
    Result<void> transmit(const rundir::ControlMessage& message, const HandedOver& handed) {
        if (channel_->shim_closed || *closed_) return Error{ErrorCode::unavailable, "the shim has gone"};
        if (!daemon_.has_effect()) return boost::system::in_place_value;
        daemon_.world_.shims.send_to_shim(channel_, Packet{.message = message, .handed = handed, .is_end = false});
        return boost::system::in_place_value;
    }

    Daemon& daemon_;
    ChannelPtr channel_;
    std::shared_ptr<async::Notifier> arrived_;
    std::shared_ptr<bool> closed_ = std::make_shared<bool>(false);
    core::Spares spares_;
};

class Daemon::SimulatedHost final : public core::ShimHost {
public:
    explicit SimulatedHost(Daemon& daemon) : daemon_(daemon) {}

    Task<Result<std::unique_ptr<core::ShimLink>>> spawn(RunId run) override { return start(run, false); }
    Task<Result<std::unique_ptr<core::ShimLink>>> take_over(RunId run) override { return start(run, true); }
    Task<Result<std::unique_ptr<core::ShimLink>>> connect(RunId run) override {
        while (!daemon_.has_effect()) co_await daemon_.never_.wait();
        auto channel = daemon_.world_.shims.connect(run, daemon_.incarnation_);
        if (!channel) co_return Error{ErrorCode::unavailable, "nobody listens"};
        std::unique_ptr<core::ShimLink> link = std::make_unique<Link>(daemon_, std::move(channel));
        co_return link;
    }

private:
    Task<Result<std::unique_ptr<core::ShimLink>>> start(RunId run, bool takes_over) {
        while (!daemon_.has_effect()) co_await daemon_.never_.wait();
        World& world = daemon_.world_;
        if (world.random.percent(world.mood.spawn_errors)) {
            world.record.note("no shim can be started for {}", to_string(run));
            co_return Error{ErrorCode::exec_failed, "fork: resource temporarily unavailable", EAGAIN};
        }
        world.record.note("a shim is started for {}{}", to_string(run), takes_over ? ", to take over" : "");
        auto channel = world.shims.spawn(run, daemon_.incarnation_, takes_over);
        std::unique_ptr<core::ShimLink> link = std::make_unique<Link>(daemon_, std::move(channel));
        co_return link;
    }
    Daemon& daemon_;
};

/// Of checks, which no program has there yet.
class Daemon::SimulatedProbes final : public core::CheckProbes {
public:
    Task<core::CheckAnswer> ask(core::CheckQuestion) override {
        co_return core::CheckAnswer{.holds = true, .detail = {}};
    }
    Task<bool> is_free(int) override { co_return true; }
    Task<std::string> printed_url(std::filesystem::path, RunId, std::vector<int>) override { co_return std::string(); }
};

/// There are none yet.
class Daemon::SimulatedProjects final : public core::projects::ProjectSource {
public:
    Task<Result<core::projects::LoadedPtr>> load(core::projects::ProjectQuery,
                                                 std::shared_ptr<const core::projects::PortBook>) override {
        co_return Error{ErrorCode::not_found, "no project"};
    }
};

// Its life.

Daemon::Daemon(World& world, int incarnation)
    : world_(world),
      incarnation_(incarnation),
      work_(io_.get_executor()),
      deaths_(io_.get_executor()),
      never_(io_.get_executor()),
      clock_(std::make_unique<SimulatedClock>(*this)),
      store_(std::make_unique<SimulatedStore>(*this)),
      directories_(std::make_unique<SimulatedDirectories>(*this)),
      host_(std::make_unique<SimulatedHost>(*this)),
      probes_(std::make_unique<SimulatedProbes>()),
      projects_(std::make_unique<SimulatedProjects>()),
      tasks_(std::make_unique<async::TaskGroup>(io_.get_executor())) {
    core::SupervisorOptions options;
    options.data = "/simulated";
    options.keep_ended = kept_ended;
    options.keep_runs = kept_runs;
    options.base_environment = [] { return std::vector<std::string>{"PATH=/bin"}; };
    core_ = std::make_unique<core::Supervisor>(io_.get_executor(), *clock_, *store_, *host_, *directories_, *probes_,
                                               *projects_, std::move(options));
}

Daemon::~Daemon() { die(); }

void Daemon::run() { io_.poll(); }

void Daemon::adopt() {
    const auto adopt_all = [](Daemon* self) -> Task<> {
        auto adopted = co_await self->core_->adopt();
        if (!adopted) self->world_.record.violate("adoption fails: {}", adopted.error().message);
        self->world_.record.note("the daemon has adopted");
    };
    tasks_->spawn("adoption", adopt_all(this));
}

void Daemon::close() {
    const auto close_all = [](Daemon* self) -> Task<> {
        co_await self->core_->close();
        self->is_closed_ = true;
    };
    tasks_->spawn("close", close_all(this));
}

void Daemon::die() {
    effects_left_ = 0;
    // What was under way has happened or has not; of the database, a part of the order at most.
    bool in_order_goes_on = true;
    for (const auto& each : operations_) {
        if (each->has_happened) continue;
        const bool happens = world_.random.percent(50) && (!each->in_order || in_order_goes_on);
        if (each->in_order) in_order_goes_on = happens;
        if (happens) {
            world_.record.note("although cut off, it has happened: {}", each->name);
            each->happen();
        }
        each->has_happened = true;
    }
    world_.kernel.daemon_died(incarnation_);
    world_.shims.daemon_died(incarnation_);
}

}  // namespace persistproc::simulation
