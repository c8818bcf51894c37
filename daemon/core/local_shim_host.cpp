#include "daemon/core/local_shim_host.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/generic/seq_packet_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <cstring>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "common/async/offload.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/file.hpp"
#include "common/base/kill_point.hpp"
#include "common/base/proc.hpp"
#include "common/base/text.hpp"
#include "common/rundir/packet.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/core/launcher.hpp"

namespace persistproc::core {

namespace asio = boost::asio;
using Socket = asio::generic::seq_packet_protocol::socket;

namespace {

const asio::generic::seq_packet_protocol unix_packets(AF_UNIX, 0);

/// Completes once the process has ended, be it reaped or not, or when that cannot be waited for, and gives its
/// descriptor back. Not Boost.Process v2's wait: it takes the first readiness for the end and calls waitpid without
/// WNOHANG, but Asio reports one that was meant for a descriptor closed a moment before when their state is reused; the
/// loop then blocks until the shim ends, which waits for the loop.
Task<base::UniqueFd> until_ended(asio::any_io_executor executor, base::UniqueFd pidfd) {
    asio::posix::stream_descriptor descriptor(executor, pidfd.get());
    pidfd.release();
    for (;;) {
        pollfd entry{descriptor.native_handle(), POLLIN, 0};
        if (::poll(&entry, 1, 0) == 1) co_return base::UniqueFd(descriptor.release());
        boost::system::error_code failed;
        co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                       asio::redirect_error(asio::use_awaitable, failed));
        if (failed == asio::error::operation_aborted) throw boost::system::system_error(failed);
        if (failed) co_return base::UniqueFd(descriptor.release());
    }
}

}  // namespace

/// The zombies of this process that are nobody else's business, and whose the processes are that killed shims have left
/// to it. Of the io thread.
///
/// A process that has left everything behind that names its run is known by how it came here: a child that this process
/// has not started comes from a shim that died, or from below another such child. It is a run's own when all of these
/// are that run's. That is decided at each look; nothing is reaped without one, since what a process has left can be
/// told by it only as long as it is there itself, be it as a zombie. Where two runs have left processes, it cannot be
/// told, nor can it in a PID namespace of which this process is the first, which is given everybody's.
class LocalShimHost::Orphanage {
public:
    std::multiset<pid_t> held;

    /// One that knows no run yet, and has nobody below it.
    void add_idle(pid_t pid) { idle_.insert(pid); }
    /// A sweep took it before it was told of here.
    void forget_idle(pid_t pid) { idle_.erase(pid); }
    void add_shim(pid_t pid, RunId run) {
        idle_.erase(pid);
        shims_[pid] = run;
    }
    /// A descriptor of the run's shim; none: this process has started none, or has reaped it.
    base::UniqueFd open_shim(RunId run) const {
        for (const auto& [pid, of] : shims_)
            if (of == run) return base::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        return {};
    }

    void look() {
        auto found = find_guests();
        // Who is dead by now has left nobody: that is nearly always so, and costs no look at every shim.
        if (found.empty()) return guests_.clear();
        auto dead = find_dead_shims();
        for (;;) {
            // Whoever dies during a look has left its own too late for it.
            found = find_guests();
            auto died = find_dead_shims();
            if (died == dead) break;
            dead = std::move(died);
        }
        std::erase_if(guests_, [&found](const auto& each) {
            const auto same = found.find(each.first);
            return same == found.end() || same->second != each.second.start_ticks;
        });
        std::set<RunId> origins;
        bool is_known = ::getpid() != 1;
        for (const pid_t each : dead) origins.insert(shims_[each]);
        for (const auto& [pid, guest] : guests_) {
            is_known = is_known && guest.run;
            if (guest.run) origins.insert(*guest.run);
        }
        is_known = is_known && origins.size() == 1;
        for (const auto& [pid, start_ticks] : found)
            guests_.try_emplace(pid,
                                Guest{start_ticks, is_known ? std::optional<RunId>(*origins.begin()) : std::nullopt});
        looked_at_ = std::move(dead);
    }

    /// What the run's shims have left, as far as it can be nobody else's.
    std::vector<PidIdentity> left_by(RunId run) const {
        std::vector<PidIdentity> out;
        for (const auto& [pid, guest] : guests_)
            if (guest.run == run) out.push_back({pid, guest.start_ticks});
        return out;
    }

    void sweep() {
        for (;;) {
            siginfo_t info{};
            if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
            // The kernel names the same one as long as it is not reaped, so that the others have to be looked for.
            if (held.count(info.si_pid) > 0) return sweep_behind_held();
            reap(info.si_pid);
        }
    }

    /// If it has ended.
    void reap(pid_t pid) {
        if (!has_ended(pid)) return;
        const bool may_leave_others = idle_.erase(pid) == 0;
        if (may_leave_others && !std::binary_search(looked_at_.begin(), looked_at_.end(), pid)) look();
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
        shims_.erase(pid);
        std::erase(looked_at_, pid);
    }

private:
    struct Guest {
        std::uint64_t start_ticks = 0;
        std::optional<RunId> run;
    };

    static bool has_ended(pid_t child) {
        siginfo_t info{};
        return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
    }

    /// Asks each child by itself. Any thread may have started one.
    void sweep_behind_held() {
        std::vector<pid_t> children;
        base::append_children(::getpid(), children);
        for (const pid_t pid : children)
            if (held.count(pid) == 0) reap(pid);
    }

    /// Children that are no shims of this process's making, zombies too: time of start by pid. Whoever comes from below
    /// a process that died is given to the first thread of this one, fork(2)s of the others are none of these.
    std::map<pid_t, std::uint64_t> find_guests() const {
        constexpr bool of_first_thread = true;
        std::vector<pid_t> children;
        base::append_children(::getpid(), children, of_first_thread);
        std::map<pid_t, std::uint64_t> out;
        for (const pid_t each : children)
            if (shims_.count(each) == 0 && idle_.count(each) == 0)
                if (const auto start = base::find_start_ticks(each)) out.emplace(each, *start);
        return out;
    }

    /// Ascending.
    std::vector<pid_t> find_dead_shims() const {
        std::vector<pid_t> out;
        for (const auto& [pid, run] : shims_)
            if (has_ended(pid)) out.push_back(pid);
        return out;
    }

    std::set<pid_t> idle_;           // shims without a run
    std::map<pid_t, RunId> shims_;   // that this process has started and not reaped
    std::map<pid_t, Guest> guests_;  // as of the last look
    std::vector<pid_t> looked_at_;   // shims that were dead then; ascending
};

class LocalShimHost::HeldChild final : public ChildHold {
public:
    HeldChild(asio::any_io_executor executor, std::shared_ptr<Orphanage> orphanage, pid_t pid, base::UniqueFd pidfd)
        : executor_(std::move(executor)), orphanage_(std::move(orphanage)), pid_(pid), pidfd_(std::move(pidfd)) {
        orphanage_->held.insert(pid_);
    }
    ~HeldChild() override {
        orphanage_->held.erase(orphanage_->held.find(pid_));
        orphanage_->sweep();
    }
    HeldChild(const HeldChild&) = delete;
    HeldChild& operator=(const HeldChild&) = delete;

    Task<rundir::ProgramEnd> ended() override {
        using How = rundir::ProgramEnd::How;
        rundir::ProgramEnd end;
        base::UniqueFd own(::fcntl(pidfd_.get(), F_DUPFD_CLOEXEC, 0));
        if (!own) co_return end;
        asio::posix::stream_descriptor descriptor(executor_, own.get());
        own.release();
        for (;;) {
            siginfo_t info{};
            const auto fd = static_cast<id_t>(descriptor.native_handle());
            const int waited = ::waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG | WNOWAIT);
            const bool is_ours = waited == 0 || errno != ECHILD;
            if (waited == 0 && info.si_pid != 0) {
                end.how = info.si_code == CLD_EXITED ? How::exited : How::killed;
                end.value = info.si_status;
                co_return end;
            }
            pollfd entry{descriptor.native_handle(), POLLIN, 0};
            if (!is_ours && ::poll(&entry, 1, 0) == 1) co_return end;
            boost::system::error_code failed;
            co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                           asio::redirect_error(asio::use_awaitable, failed));
            if (failed) throw boost::system::system_error(failed);
        }
    }

    int descriptor() const noexcept override { return pidfd_.get(); }

private:
    asio::any_io_executor executor_;
    std::shared_ptr<Orphanage> orphanage_;
    pid_t pid_;
    base::UniqueFd pidfd_;
};

class LocalShimHost::SocketLink final : public ShimLink {
public:
    /// Errors: unavailable (the reactor takes no more descriptors).
    static Result<std::unique_ptr<ShimLink>> make(asio::any_io_executor executor, base::UniqueFd fd,
                                                  std::shared_ptr<Orphanage> orphanage) {
        auto link = std::make_unique<SocketLink>(std::move(executor), std::move(orphanage));
        boost::system::error_code failed;
        link->socket_.assign(unix_packets, fd.get(), failed);
        if (!failed) {
            fd.release();
            link->socket_.non_blocking(true, failed);
        }
        if (failed) return Error{ErrorCode::unavailable, "the connection with a shim: " + failed.message()};
        return std::unique_ptr<ShimLink>(std::move(link));
    }
    SocketLink(asio::any_io_executor executor, std::shared_ptr<Orphanage> orphanage)
        : socket_(std::move(executor)), orphanage_(std::move(orphanage)) {}

    Result<void> send(const rundir::ControlMessage& message) override { return send_with(message, {}); }

    Result<void> hand_over(const rundir::ControlMessage& message, const Spares& spares) override {
        using rundir::DescriptorKind;
        rundir::Descriptors fds;
        fds.add(spares.out.get(), DescriptorKind::source, 0);
        fds.add(spares.err.get(), DescriptorKind::source, 1);
        fds.add(spares.child ? spares.child->descriptor() : -1, DescriptorKind::child);
        fds.add(spares.report.get(), DescriptorKind::report);
        fds.add(spares.buffers.get(), DescriptorKind::buffers);
        fds.add(spares.notify.get(), DescriptorKind::notify);
        fds.add(spares.input.get(), DescriptorKind::input);
        return send_with(message, fds);
    }

    Spares take_spares() override { return std::exchange(spares_, {}); }

    Task<Result<rundir::ControlMessage>> receive() override {
        using rundir::Refusal;
        rundir::Packet packet;
        for (;;) {
            rundir::receive_packet(socket_.native_handle(), packet);
            const bool is_early = packet.size < 0 && (errno == EAGAIN || errno == EINTR);
            if (!is_early) {
                if (packet.size <= 0) co_return Error{ErrorCode::unavailable, "the shim has closed its connection"};
                if (packet.understood == Refusal::damaged)
                    co_return Error{ErrorCode::corrupt, "a message of the shim is damaged"};
                if (packet.understood == Refusal::unknown_major)
                    co_return Error{ErrorCode::unsupported, "the shim speaks another major version"};
                if (packet.understood == Refusal::none) {
                    keep(packet);
                    co_return packet.message;
                }
                base::report(base::Severity::debug, "a shim says something of a later version (message {})",
                             static_cast<unsigned>(packet.message.type));
                continue;
            }
            boost::system::error_code failed;
            co_await socket_.async_wait(Socket::wait_read, asio::redirect_error(asio::use_awaitable, failed));
            if (failed == asio::error::operation_aborted) throw boost::system::system_error(failed);
        }
    }

    void close() override { ::shutdown(socket_.native_handle(), SHUT_RDWR); }

private:
    // Straight to the kernel: a packet either fits the socket's buffer or the shim has stopped reading.
    Result<void> send_with(rundir::ControlMessage message, const rundir::Descriptors& fds) {
        // What this daemon is capable of is known here: spares are kept by this link.
        if (message.type == rundir::MessageType::hello || message.type == rundir::MessageType::commit)
            message.capabilities = rundir::capability_spares;
        const int failed = rundir::send_packet(socket_.native_handle(), message, fds);
        if (failed == 0) return boost::system::in_place_value;
        Error error = base::os_failure("shim", failed);
        error.code = ErrorCode::unavailable;
        return error;
    }

    /// Takes what came with a message; what means nothing here is closed.
    void keep(const rundir::Packet& packet) {
        const rundir::Descriptors& came = packet.descriptors;
        if (!packet.is_whole)
            base::report(base::Severity::warning,
                         "{} of {} descriptors of a shim could not be taken (too many open files?); should it be "
                         "killed, its successor may lose output",
                         came.names.count - came.count, came.names.count);
        Spares fresh;
        for (std::size_t i = 0; i < came.count; ++i)
            keep(came.names.names[i], base::UniqueFd(came.fds[i]), packet.message.state.pid, fresh);
        spares_.merge(std::move(fresh));
    }

    void keep(rundir::DescriptorName name, base::UniqueFd fd, pid_t program, Spares& fresh) {
        using rundir::DescriptorKind;
        if (name.kind == DescriptorKind::source && name.index == 0)
            fresh.out = std::move(fd);
        else if (name.kind == DescriptorKind::source && name.index == 1)
            fresh.err = std::move(fd);
        else if (name.kind == DescriptorKind::child)
            fresh.child = std::make_shared<HeldChild>(socket_.get_executor(), orphanage_, program, std::move(fd));
        else if (name.kind == DescriptorKind::report)
            fresh.report = std::move(fd);
        else if (name.kind == DescriptorKind::buffers)
            fresh.buffers = std::move(fd);
        else if (name.kind == DescriptorKind::notify)
            fresh.notify = std::move(fd);
        else if (name.kind == DescriptorKind::input)
            fresh.input = std::move(fd);
    }

    Socket socket_;
    std::shared_ptr<Orphanage> orphanage_;
    Spares spares_;
};

struct LocalShimHost::Started {
    Launched process;
    base::UniqueFd channel;  // this end
};

class LocalShimHost::Program {
public:
    explicit Program(std::vector<std::filesystem::path> places)
        : places_(std::move(places)), null_(::open("/dev/null", O_RDWR | O_CLOEXEC)) {
        find();
    }

    /// With what `arguments` say. Errors: as `spawn`.
    Result<Started> start(std::vector<std::string> arguments) const {
        std::vector<std::string> environment;
        if (const char* setting = base::find_kill_setting()) environment.emplace_back(setting);
        return start(std::move(arguments), std::move(environment), null_.get());
    }
    /// The same; `output`: its standard output and error; none: they go nowhere.
    Result<Started> start(std::vector<std::string> arguments, std::vector<std::string> environment, int output) const {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
            return base::os_failure("socketpair", errno);
        base::UniqueFd ours(ends[0]);
        base::UniqueFd theirs(ends[1]);
        Launch launching;
        std::tie(launching.executable, launching.program) = find();
        launching.arguments = std::move(arguments);
        launching.arguments.insert(launching.arguments.begin(), "persistproc-shim");
        launching.environment = std::move(environment);
        launching.stdio[0] = null_.get();
        launching.stdio[1] = launching.stdio[2] = output;
        launching.channel = theirs.get();
        auto launched = launch(launching);
        if (!launched) {
            Error error = launched.error();
            const int why = error.os_error;
            const bool is_broken = why == ENOENT || why == EACCES || why == ENOEXEC;
            if (is_broken) error.message += "; install the programs of one version together";
            return error;
        }
        return Started{std::move(*launched), std::move(ours)};
    }

private:
    /// Its path and a descriptor of it, from when it is first there the same for ever. -1: it is in no place now.
    std::pair<std::string, int> find() const {
        const std::lock_guard lock(mutex_);
        for (auto each = places_.begin(); !file_ && each != places_.end(); ++each) {
            path_ = each->string();
            file_.reset(::open(path_.c_str(), O_PATH | O_CLOEXEC));
        }
        return {file_ ? path_ : places_.front().string(), file_.get()};
    }

    std::vector<std::filesystem::path> places_;
    mutable std::mutex mutex_;  // threads that make shims nobody waits for look, too
    mutable std::string path_;
    mutable base::UniqueFd file_;
    base::UniqueFd null_;
};

LocalShimHost::LocalShimHost(asio::any_io_executor executor, asio::thread_pool& files,
                             std::vector<std::filesystem::path> places, std::filesystem::path data)
    : executor_(executor),
      files_(files),
      program_(std::make_shared<Program>(std::move(places))),
      data_(std::move(data)),
      orphanage_(std::make_shared<Orphanage>()),
      reapers_(executor) {}

LocalShimHost::~LocalShimHost() = default;

/// Takes the exit status of a shim, so that no zombie stays.
Task<> LocalShimHost::reap(asio::any_io_executor executor, std::shared_ptr<Orphanage> orphanage, pid_t pid,
                           base::UniqueFd pidfd) {
    auto ending = until_ended(executor, std::move(pidfd));
    pidfd = co_await std::move(ending);
    // A sweep may have been first, and the pid be another's.
    siginfo_t info{};
    const auto fd = static_cast<id_t>(pidfd.get());
    if (::waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid)
        orphanage->reap(pid);
    else
        orphanage->forget_idle(pid);
}

Task<> LocalShimHost::sweep_orphans(asio::any_io_executor executor, std::shared_ptr<Orphanage> orphanage) {
    asio::signal_set ended(executor, SIGCHLD);
    for (;;) {
        orphanage->sweep();
        co_await ended.async_wait(asio::use_awaitable);
    }
}

void LocalShimHost::reap_orphans() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    orphanage_->look();
    reapers_.spawn("orphans", sweep_orphans(executor_, orphanage_));
}

Task<Result<std::unique_ptr<ShimLink>>> LocalShimHost::spawn(RunId run) { return launch_shim(run, false); }
Task<Result<std::unique_ptr<ShimLink>>> LocalShimHost::take_over(RunId run) { return launch_shim(run, true); }

Task<Result<std::unique_ptr<ShimLink>>> LocalShimHost::launch_shim(RunId run, bool takes_over) {
    // A process that is killed lets go of its lock and its connections before its children become this one's.
    if (auto killed = takes_over ? orphanage_->open_shim(run) : base::UniqueFd()) {
        auto ending = until_ended(executor_, std::move(killed));
        co_await std::move(ending);
        orphanage_->look();
    }
    const std::string directory = rundir::run_paths(data_, run).root.string();
    std::optional<Idle> shim;
    if (!takes_over) {
        shim = std::exchange(idle_, std::nullopt);
        // One that was killed meanwhile does not hear of it.
        if (shim && ::send(shim->channel.get(), directory.data(), directory.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            shim.reset();
        reapers_.spawn("idle shim", keep_one_idle());
    }
    if (!shim) {
        std::vector<std::string> arguments;
        if (takes_over) arguments.emplace_back("--take-over");
        arguments.push_back(directory);
        if (takes_over)
            for (const PidIdentity& each : orphanage_->left_by(run))
                arguments.push_back(fmt::format("{}:{}", each.pid, each.start_ticks));
        auto started = program_->start(std::move(arguments));
        if (!started) co_return started.error();
        shim = take_in(std::move(*started));
    }
    orphanage_->add_shim(shim->pid, run);
    co_return SocketLink::make(executor_, std::move(shim->channel), orphanage_);
}

LocalShimHost::Idle LocalShimHost::take_in(Started started) {
    const pid_t pid = started.process.pid;
    orphanage_->add_idle(pid);
    reapers_.spawn("reaper", reap(executor_, orphanage_, pid, std::move(started.process.pidfd)));
    return Idle{pid, std::move(started.channel)};
}

/// An execve(2) and all that a program does before its own first instruction are a fifth of a start: the next one finds
/// them done. Not before this one has had its answer, which takes longer on a busy machine: a thread that has nothing
/// else to do then waits for the execve.
Task<> LocalShimHost::keep_one_idle() {
    if (std::exchange(is_making_idle_, true)) co_return;
    constexpr auto start_time = std::chrono::milliseconds(2);
    asio::steady_timer timer(executor_, start_time);
    co_await timer.async_wait(asio::use_awaitable);
    // Where that fails the next run starts its own.
    if (!idle_) co_await make_idle();
    is_making_idle_ = false;
}

bool LocalShimHost::has_idle() const {
    // One that was killed has closed its end; it says nothing before.
    pollfd entry{idle_ ? idle_->channel.get() : -1, POLLIN, 0};
    return idle_ && ::poll(&entry, 1, 0) == 0;
}

Task<Result<void>> LocalShimHost::make_idle() {
    // As long as the directory of any run, whose name takes its place for those who look at processes.
    const RunId longest{ProcessId{UINT32_MAX}, UINT32_MAX};
    std::vector<std::string> arguments{"--idle",
                                       std::string(rundir::run_paths(data_, longest).root.native().size(), ' ')};
    auto work = [program = program_, arguments = std::move(arguments)] { return program->start(arguments); };
    auto started = co_await async::offload(files_, std::move(work));
    if (!started) co_return started.error();
    Idle made = take_in(std::move(*started));
    // Another may have been made meanwhile.
    if (!has_idle()) idle_ = std::move(made);
    co_return boost::system::in_place_value;
}

Task<Result<void>> LocalShimHost::reserve() {
    if (has_idle()) co_return boost::system::in_place_value;
    co_return co_await make_idle();
}

Task<Result<std::unique_ptr<ShimLink>>> LocalShimHost::connect(RunId run) {
    auto directory = base::open_file(rundir::run_paths(data_, run).root, O_RDONLY | O_DIRECTORY);
    if (!directory) co_return directory.error();
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) co_return base::os_failure("socket", errno);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = base::socket_path_through(directory->get(), rundir::control_name);
    std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof address.sun_path - 1));
    // A unix connect completes or fails at once (EAGAIN: the backlog is full).
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        Error error = base::os_failure("shim of " + to_string(run), errno);
        error.code = ErrorCode::unavailable;
        co_return error;
    }
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) co_return base::os_failure("shim", errno);
    if (peer.uid != ::geteuid())
        co_return Error{ErrorCode::denied, "the control socket of " + to_string(run) + " belongs to another user"};
    co_return SocketLink::make(executor_, std::move(fd), orphanage_);
}

namespace {

constexpr std::size_t kept_output = 4096;  // of a command

/// Takes what is printed, of which `into` keeps the end; never completes.
Task<> drain(asio::posix::stream_descriptor& pipe, std::string& into) {
    std::vector<char> room(kept_output);
    boost::system::error_code failed;
    while (!failed) {
        auto part = asio::buffer(room);
        const std::size_t got = co_await pipe.async_read_some(part, asio::redirect_error(asio::use_awaitable, failed));
        into.append(room.data(), got);
        if (into.size() > kept_output) into.erase(0, into.size() - kept_output);
    }
    if (failed == asio::error::operation_aborted) throw boost::system::system_error(failed);
    asio::steady_timer never(pipe.get_executor(), asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
}

/// "exited 2". Errors: exec_failed; unavailable (its keeper was killed, or is of another release).
Result<CommandEnd> read_end(std::string_view said, const std::string& program) {
    CommandEnd out;
    if (said == "timeout") return out;
    const std::size_t blank = said.find(' ');
    const std::string_view what = said.substr(0, blank);
    int value = 0;
    const bool is_number = blank != std::string_view::npos &&
                           std::from_chars(said.data() + blank + 1, said.data() + said.size(), value).ec == std::errc{};
    if (is_number && what == "exited") {
        out.exit_code = value;
    } else if (is_number && what == "killed") {
        out.signal = value;
    } else if (is_number && what == "failed") {
        Error failed{ErrorCode::exec_failed, fmt::format("{}: {}", base::excerpt(program), std::strerror(value))};
        failed.os_error = value;
        return failed;
    } else {
        return Error{ErrorCode::unavailable, "its keeper was killed"};
    }
    return out;
}

}  // namespace

Task<Result<CommandEnd>> LocalShimHost::run_command(CommandOrder order) {
    using boost::asio::experimental::awaitable_operators::operator||;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) co_return base::os_failure("pipe", errno);
    base::UniqueFd ours(ends[0]), theirs(ends[1]);
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(order.timeout).count();
    std::vector<std::string> arguments{"--command", std::to_string(milliseconds), fmt::format("{:o}", order.umask),
                                       order.working_directory};
    arguments.insert(arguments.end(), order.command.begin(), order.command.end());
    auto started = program_->start(std::move(arguments), *order.environment, theirs.get());
    theirs.reset();
    if (!started) co_return started.error();
    Idle keeper = take_in(std::move(*started));
    asio::posix::stream_descriptor pipe(executor_, ours.release());
    Socket channel(executor_, unix_packets, keeper.channel.release());
    std::string output;
    char said[256];
    boost::system::error_code failed;
    asio::socket_base::message_flags flags = 0;
    auto telling = channel.async_receive(asio::buffer(said), flags, asio::redirect_error(asio::use_awaitable, failed));
    auto draining = drain(pipe, output);
    auto first = co_await (std::move(telling) || std::move(draining));
    const std::size_t size = failed ? 0 : std::get<0>(first);
    // What it printed last may not have been taken.
    pollfd entry{pipe.native_handle(), POLLIN, 0};
    char rest[kept_output];
    ssize_t got = 0;
    while (::poll(&entry, 1, 0) == 1 && (got = ::read(pipe.native_handle(), rest, sizeof rest)) > 0)
        output.append(rest, static_cast<std::size_t>(got));
    if (output.size() > kept_output) output.erase(0, output.size() - kept_output);
    auto end = read_end({said, size}, order.command.front());
    if (end) end->output = std::move(output);
    co_return end;
}

Task<> LocalShimHost::close() {
    idle_.reset();
    co_await reapers_.close();
}

}  // namespace persistproc::core
