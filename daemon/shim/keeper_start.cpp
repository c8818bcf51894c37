// From the run directory to a running program: the first part of the keeper's life.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "common/base/kill_point.hpp"
#include "common/rundir/run_mark.hpp"
#include "common/rundir/state_slots.hpp"
#include "daemon/shim/keeper.hpp"
#include "daemon/shim/oom_kills.hpp"
#include "daemon/shim/short_text.hpp"
#include "daemon/shim/spawn_child.hpp"

namespace persistproc::shim {

using logstore::Event;
using rundir::MessageType;
using rundir::Phase;
using rundir::RunState;
using rundir::Stage;

namespace {

constexpr int status_held = 75;     // EX_TEMPFAIL: another keeper has the run
constexpr int status_refused = 71;  // EX_OSERR

constexpr std::uint64_t log_wait_ns = 200 * os::millisecond;
constexpr off_t largest_spec_bytes = 64 << 20;
constexpr std::size_t mark_name_size = sizeof rundir::run_mark_name;  // with the '='

int complain(const char* what, int error) noexcept {
    const auto line = ShortText<1024>("persistproc-shim: ").add(what).add(": ").add(::strerrordesc_np(error)).add("\n");
    [[maybe_unused]] const ssize_t ignored = ::write(2, line.c_str(), line.size());
    return error == EWOULDBLOCK ? status_held : status_refused;
}

/// Whatever the daemon had open is not ours to keep alive; 0 to 2 must be something.
void settle_descriptors() noexcept {
    for (int fd = 0; fd < 3; ++fd)
        if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", O_RDWR);
    if (::syscall(SYS_close_range, rundir::start_channel_fd + 1, ~0u, 0u) != 0)
        for (int fd = rundir::start_channel_fd + 1; fd < 4096; ++fd) ::close(fd);
    ::fcntl(rundir::start_channel_fd, F_SETFD, FD_CLOEXEC);
}

/// Only SIGKILL ends a keeper: everything else stays blocked. Returns a descriptor for SIGCHLD, or -1.
int settle_signals() noexcept {
    struct sigaction on_child {};
    on_child.sa_handler = SIG_DFL;
    on_child.sa_flags = SA_NOCLDSTOP;
    ::sigaction(SIGCHLD, &on_child, nullptr);
    sigset_t all, children;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    return ::signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
}

struct Pipe {
    int read = -1, write = -1;
    int open() noexcept {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return errno;
        read = ends[0];
        write = ends[1];
        return 0;
    }
    void close_read() noexcept {
        if (read >= 0) ::close(read);
        read = -1;
    }
    void close_write() noexcept {
        if (write >= 0) ::close(write);
        write = -1;
    }
    void close() noexcept {
        close_read();
        close_write();
    }
};

/// What a start opens: one end is the program's, the other the keeper's.
struct Ends {
    Terminal terminal;
    Pipe out, err, input, release, report;

    /// Returns 0 or errno; `stage` is then what failed, and nothing is open.
    int open(const rundir::SpecView& spec, Stage& stage) noexcept {
        const bool has_terminal = spec.columns > 0;
        int error = has_terminal ? terminal.open(spec.columns, spec.rows) : 0;
        stage = error != 0 ? Stage::pty : Stage::pipe;
        if (!has_terminal) add(out, error).add(err, error);
        if (!has_terminal && spec.has_input) add(input, error);
        add(release, error).add(report, error);
        if (error != 0) close();
        return error;
    }
    void close_those_of_child() noexcept {
        for (Pipe* pipe : {&out, &err, &report}) pipe->close_write();
        for (Pipe* pipe : {&input, &release}) pipe->close_read();
    }
    void close() noexcept {
        terminal.close();
        for (Pipe* pipe : {&out, &err, &input, &release, &report}) pipe->close();
    }

private:
    Ends& add(Pipe& pipe, int& error) noexcept {
        if (error == 0) error = pipe.open();
        return *this;
    }
};

}  // namespace

int Keeper::settle() noexcept {
    settle_descriptors();
    signals_ = settle_signals();
    if (signals_ < 0) return complain("signalfd", errno);
    ::setsid();
    // Executed by a descriptor it may be named after that.
    ::prctl(PR_SET_NAME, "persistproc-shim");
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return complain("prctl(PR_SET_CHILD_SUBREAPER)", errno);
    ::umask(077);
    return 0;
}

int Keeper::prepare(const char* run_directory, bool takes_over) noexcept {
    part_ = takes_over ? Part::heir : Part::starter;
    if (const int status = open_run(run_directory)) return status;
    control_.adopt_start_channel(rundir::start_channel_fd);

    auto& state = state_.state();
    const int spec_error = load_spec();
    if (const int err = control_.listen(run_directory_)) return complain("control socket", err);
    if (is_starter()) {
        state.phase = Phase::prepared;
        state.nonce = spec_.nonce;
        state.boot_id = base::current_boot_id();
    }
    make_mark();
    if (const int err = tree_.open(run_directory_, mark_)) return complain("data directory", err);
    state.minor = rundir::format_minor;
    state.shim_pid = ::getpid();
    state.shim_start_ticks = base::find_start_ticks(state.shim_pid).value_or(0);
    if (const int err = state_.write()) return complain("write state", err);
    base::kill_point("shim.prepared");
    // A successor needs of it only how to stop the program, which has an answer without it.
    if (spec_error != 0 && is_starter()) {
        control_.find(rundir::start_channel_fd)->greeted = true;
        fail_start(Stage::spec, spec_error);
        advance(os::now_ns());
        return 0;
    }
    control_.send(*control_.find(rundir::start_channel_fd), message(MessageType::ready));
    base::kill_point("shim.ready");
    return 0;
}

int Keeper::open_run(const char* run_directory) noexcept {
    run_directory_ = ::open(run_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run_directory_ < 0) return complain(run_directory, errno);
    if (::chdir("/") != 0) return complain("chdir", errno);
    lock_ = ::openat(run_directory_, "shim.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock_ < 0) return complain("shim.lock", errno);
    if (const int err = os::lock_file(lock_)) return complain("shim.lock", err);
    base::kill_point("shim.locked");
    state_file_ = ::openat(run_directory_, "state", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (state_file_ < 0) return complain("state", errno);
    char image[rundir::state_file_bytes];
    const ssize_t size = ::pread(state_file_, image, sizeof image, 0);
    if (size < 0) return complain("read state", errno);
    RunState before;
    rundir::StateTail tail;
    if (const int err = rundir::find_newest_state(image, static_cast<std::size_t>(size), before, &tail))
        return complain("state", err);
    if (!may_be_kept(before)) return complain("state", EALREADY);
    state_ = rundir::StateWriter(state_file_, before, tail);
    return 0;
}

bool Keeper::may_be_kept(const RunState& before) const noexcept {
    if (!is_starter()) {
        const bool may_live = before.phase == Phase::started || before.phase == Phase::exited;
        return may_live && before.tree_empty == 0 && before.boot_id == base::current_boot_id();
    }
    // A run is started once. `prepared` is a keeper that died before it had a child.
    return before.phase == Phase::none || before.phase == Phase::prepared;
}

int Keeper::load_spec() noexcept {
    const int file = ::openat(run_directory_, "spec", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) return errno;
    struct stat facts {};
    int err = ::fstat(file, &facts) == 0 ? 0 : errno;
    if (err == 0 && facts.st_size > largest_spec_bytes) err = E2BIG;
    ::close(file);
    if (err != 0) return err;

    // The text, then a table for its words: each takes at least two lines of the file. One slot before them is for
    // become_child, one behind for the run's mark. Pages that are not needed are never touched.
    const auto size = static_cast<std::size_t>(facts.st_size);
    const std::size_t table_at = (size + alignof(char*)) / alignof(char*) * alignof(char*);
    const std::size_t table_size = size / 2 + 2;
    spec_memory_bytes_ = table_at + (table_size + 2) * sizeof(char*);
    void* memory = ::mmap(nullptr, spec_memory_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return errno;
    spec_memory_ = static_cast<char*>(memory);
    const ssize_t got = os::read_file_at(run_directory_, "spec", spec_memory_, size);
    if (got < 0) return static_cast<int>(-got);
    auto** table = reinterpret_cast<char**>(spec_memory_ + table_at) + 1;
    return rundir::SpecView::decode(spec_memory_, static_cast<std::size_t>(got), table, table_size, spec_);
}

/// Values of variables are not kept in memory longer than the start needs them.
void Keeper::release_spec() noexcept {
    if (spec_memory_ != nullptr) ::munmap(spec_memory_, spec_memory_bytes_);
    spec_memory_ = nullptr;
    spec_.argv = spec_.environment = nullptr;
    spec_.working_directory = nullptr;
}

int Keeper::open_log(logstore::Stream recovered) noexcept {
    if (::mkdirat(run_directory_, "../../log", 0700) != 0 && errno != EEXIST) return errno;
    log_directory_ = ::openat(run_directory_, "../../log", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (log_directory_ < 0) return errno;
    // A log has one writer. The keeper of the run before may be leaving just now, which is waited for; one that still
    // records what its run left behind is not.
    const std::uint64_t give_up = os::now_ns() + log_wait_ns;
    while (::flock(log_directory_, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK || os::now_ns() >= give_up) return errno;
        os::wait(nullptr, 0, os::now_ns() + os::millisecond);
    }
    logstore::WriterOptions options;
    options.run = spec_.id.number;
    options.recovered_stream = recovered;
    if (spec_.segment_bytes > 0) options.segment_bytes = spec_.segment_bytes;
    if (spec_.log_bound_bytes > 0) options.bound_bytes = spec_.log_bound_bytes;
    return log_.open(log_directory_, options);
}

void Keeper::make_mark() noexcept {
    static_assert(sizeof mark_ > mark_name_size + 2 * sizeof(rundir::Nonce));
    std::memcpy(mark_, rundir::run_mark_name, mark_name_size);
    mark_[mark_name_size - 1] = '=';
    char* digit = mark_ + mark_name_size;
    for (const unsigned byte : state_.state().nonce) {
        *digit++ = "0123456789abcdef"[byte >> 4];
        *digit++ = "0123456789abcdef"[byte & 15];
    }
}

const char* Keeper::nonce_digits() const noexcept { return mark_ + mark_name_size; }

/// Every process of the tree inherits the run's mark. In a run within a run it takes the place of the outer one's.
void Keeper::mark_environment() noexcept {
    char** variable = spec_.environment;
    while (*variable != nullptr && std::strncmp(*variable, mark_, mark_name_size) != 0) ++variable;
    if (*variable == nullptr) variable[1] = nullptr;
    variable[0] = mark_;
}

void Keeper::start_child() noexcept {
    base::kill_point("shim.commit");
    if (const int err = open_log(logstore::Stream::none)) return fail_start(Stage::log, err);
    state_.state().log_begin = log_.position();
    Ends ends;
    Stage stage = Stage::none;
    if (const int err = ends.open(spec_, stage)) return fail_start(stage, err);
    if (spec_.notifies)
        if (const int err = notify_.open(nonce_digits())) {
            ends.close();
            return fail_start(Stage::pipe, err);
        }
    mark_environment();
    SpawnPlan plan;
    plan.spec = &spec_;
    plan.out = ends.out.write;
    plan.err = ends.err.write;
    plan.in = ends.input.read;
    plan.terminal = ends.terminal.slave;
    plan.release = ends.release.read;
    plan.report = ends.report.write;
    pid_ = ::fork();
    if (pid_ == 0) {
        ends.release.close_write();
        become_child(plan);
    }
    const int fork_error = pid_ < 0 ? errno : 0;
    ends.close_those_of_child();
    if (pid_ < 0) {
        pid_ = 0;
        ends.close();
        return fail_start(Stage::fork, fork_error);
    }

    base::kill_point("shim.forked");
    auto& state = state_.state();
    state.phase = Phase::started;
    state.pid = pid_;
    state.start_ticks = base::find_start_ticks(pid_).value_or(0);
    tree_.set_program({pid_, state.start_ticks});
    state.started_wall_ns = os::wall_ns();
    state.started_boot_ns = os::boot_ns();
    if (const int err = record()) {
        // Not released, the child ends without having executed anything.
        ends.close();
        return fail_start(Stage::log, err);
    }
    base::kill_point("shim.started");
    log_.append_event(Event::started, pid_);
    has_terminal_ = ends.terminal.master >= 0;
    const int source = has_terminal_ ? ends.terminal.master : ends.out.read;
    ::fcntl(source, F_SETFL, O_NONBLOCK);
    if (!has_terminal_) ::fcntl(ends.err.read, F_SETFL, O_NONBLOCK);
    pump_.begin({.ends = {source, ends.err.read}});
    report_ = ends.report.read;
    slave_ = ends.terminal.slave;
    input_ = ends.input.write;
    // Before the program runs: from its first instruction on nobody's death can break its pipes.
    child_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    Control::Connection& daemon = *control_.find(rundir::start_channel_fd);
    control_.send(daemon, message(MessageType::state), handed_over(daemon));
    [[maybe_unused]] const ssize_t ignored = ::write(ends.release.write, "", 1);
    ends.release.close();
    base::kill_point("shim.released");
    // While the program is executed; on record with the word that it was.
    const OomKills kills = count_oom_kills();
    machine_oom_kills_ = kills.on_machine;
    state.oom_kills_known = kills.in_cgroup >= 0;
    if (kills.in_cgroup >= 0) state.oom_kills = static_cast<std::uint32_t>(kills.in_cgroup);
    release_spec();
}

void Keeper::read_report() noexcept {
    SpawnFailure failure;
    const ssize_t got = os::read(report_, &failure, sizeof failure);
    if (got < 0 && !is_final()) {
        // That says neither. The next read may tell, and the child's end will in any case.
        os::wait(nullptr, 0, os::now_ns() + os::millisecond);
        return;
    }
    ::close(report_);
    report_ = -1;
    if (got == sizeof failure) return fail_start(failure.stage, failure.error);
    // With an exit recorded before, this is no news.
    if (is_final()) return;
    state_.state().exec_confirmed = 1;
    state_.write();
    push_state();
    base::kill_point("shim.confirmed");
}

void Keeper::fail_start(Stage stage, int error) noexcept {
    if (pid_ != 0) {
        os::reap(pid_);  // it is on its way out
        reaped_ = true;
    }
    drain_until_ = os::never;
    pump_.close();
    auto& state = state_.state();
    if (stage != Stage::spec && stage != Stage::log) {
        log_.append_event(Event::exec_failed, error);
        state.log_end = log_.position();
    }
    state.phase = Phase::exec_failed;
    state.stage = stage;
    state.os_error = error;
    state.ended_wall_ns = os::wall_ns();
    record_end();
    tree_is_empty_ = os::peek_ended(0).no_children;
    release_spec();
    push_state();
}

void Keeper::abort_start() noexcept {
    base::kill_point("shim.aborting");
    // A keeper that was to take a run over leaves its state as it is: the program may live.
    if (is_starter()) {
        state_.state().phase = Phase::aborted;
        record();
    }
    control_.stop_listening(run_directory_);
    leaving_ = true;
}

}  // namespace persistproc::shim
