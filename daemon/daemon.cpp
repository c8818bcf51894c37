#include "daemon/daemon.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "common/async/offload.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/file.hpp"
#include "common/base/proc.hpp"
#include "common/base/text.hpp"
#include "common/base/version.hpp"
#include "common/ops/agent_setup.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "daemon/access/token.hpp"
#include "daemon/http/health_pages.hpp"
#include "daemon/http/serving_state.hpp"

namespace persistproc::daemon {

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

constexpr int exit_adoption_failed = 125;
constexpr unsigned most_seconds_of_leaving = 5;  // once nobody is answered any more

volatile std::sig_atomic_t status_of_leaving = 0;

/// A thread may be at something that does not end (a file system that hangs, somebody's file that takes for ever to
/// read), and all are waited for: nothing is lost without it.
void bound_leaving(int status) {
    status_of_leaving = status;
    ::signal(SIGALRM, [](int) {
        constexpr std::string_view said = "persistprocd: warning: left while a thread was still at something\n";
        (void)!::write(STDERR_FILENO, said.data(), said.size());
        ::_exit(status_of_leaving);
    });
    ::alarm(most_seconds_of_leaving);
}

std::vector<fs::path> places_of_shim() {
    const fs::path folder = base::own_program().parent_path();
    return {folder / "persistproc-shim", folder.parent_path() / "libexec" / "persistproc" / "persistproc-shim"};
}

}  // namespace

Daemon::Daemon(asio::io_context& io, const Options& options, access::PeerOwner& peers,
               core::SupervisorOptions supervising, registry::EndedSessions ended, mcp::http::HttpOptions http)
    : io_(io),
      options_(options),
      peers_(peers),
      registry_(io.get_executor(), options.data, std::move(ended)),
      graveyard_(registry_),
      shims_(io.get_executor(), files_, places_of_shim(), options.data),
      directories_(files_, clock_, options.data),
      environment_(io.get_executor(), clock_, chores_, environ),
      projects_(options.data, [this] { return environment_.current(); }),
      heap_(io.get_executor(), clock_, chores_),
      services_({io.get_executor(), clock_, registry_, shims_, directories_, projects_, workers_},
                with_environment(std::move(supervising)),
                {.compat = options.compat,
                 .agent_starts = options.agent_starts,
                 .agent_burst = options.agent_starts * 5,
                 .agent_connections = http.limits.agent_connections},
                [this] { return info(); }),
      token_(http.token),
      http_(services_.server, clock_, with_pages(std::move(http)), graveyard_),
      tasks_(io.get_executor()),
      leaving_(io.get_executor()) {}

Result<void> Daemon::open() {
    const fs::path socket = rundir::daemon_socket_path(options_.data);
    http::ListenOptions listen;
    listen.port = options_.port;
    listen.socket_directory = socket.parent_path();
    listen.socket_name = socket.filename().string();
    if (socket == rundir::fallback_socket_path(options_.data))
        listen.abstract_name = rundir::abstract_socket_name(options_.data);
    listen.needs_token = !token_.empty();
    auto listener = http::Listener::open(http_, io_.get_executor(), peers_, std::move(listen));
    if (!listener) return listener.error();
    listener_ = std::move(*listener);
    link_fallback(socket);
    endpoint_ = fmt::format("http://127.0.0.1:{}/mcp", listener_->port());
    return boost::system::in_place_value;
}

void Daemon::start() {
    listener_->start();
    shims_.reap_orphans();
    tasks_.spawn("adoption", adopt());
    tasks_.spawn("signals", obey_signals());
    tasks_.spawn("shutdown", follow_shutdown());
    tasks_.spawn("main", run());
}

core::SupervisorOptions Daemon::with_environment(core::SupervisorOptions options) {
    options.base_environment = [this] { return environment_.current(); };
    options.own_variables = [this] {
        return std::vector<std::string>{"PERSISTPROC_DATA_DIR=" + options_.data.string(),
                                        fmt::format("PERSISTPROC_PORT={}", listener_->port())};
    };
    return options;
}

mcp::http::HttpOptions Daemon::with_pages(mcp::http::HttpOptions http) {
    http.on_ended = [this] { heap_.notice(); };
    http.on_full = [this](bool is_full) {
        workers_.large_answers.hold(is_full);
        return workers_.large_answers.waiting() > 0;
    };
    http.find_process = [this](std::uint64_t socket, std::function<void(pid_t)> then) {
        tasks_.spawn("owner of a socket", find_process(socket, std::move(then)));
    };
    http.is_there = [](pid_t process) { return ::kill(process, 0) == 0 || errno != ESRCH; };
    http::add_health_pages(http.router, [this]() -> http::Readiness {
        const auto& adoption = services_.supervisor.adoption();
        return {adoption.is_done, adoption.adopted, adoption.total};
    });
    return http;
}

ops::DaemonInfo Daemon::info() const {
    ops::DaemonInfo out;
    out.version = std::string(base::version());
    out.commit = std::string(base::commit());
    out.pid = ::getpid();
    out.endpoint = endpoint_;
    out.needs_token = !token_.empty();
    out.data_directory = options_.data.string();
    out.processes = static_cast<std::int64_t>(services_.supervisor.size());
    out.silent_shell = environment_.silent_shell();
    return out;
}

/// Clients without XDG_RUNTIME_DIR look in the data directory.
void Daemon::link_fallback(const fs::path& socket) {
    const fs::path fallback = rundir::fallback_socket_path(options_.data);
    if (fallback == socket) return;
    if (auto made = base::make_private_directory(fallback.parent_path()); !made) return;
    ::unlink(fallback.c_str());
    if (::symlink(socket.c_str(), fallback.c_str()) != 0)
        base::report(base::Severity::warning, "{}", base::os_failure(fallback.string(), errno).message);
}

void Daemon::leave() {
    is_leaving_ = true;
    leaving_.notify_all();
}

Task<> Daemon::find_process(std::uint64_t socket, std::function<void(pid_t)> then) {
    const pid_t process = co_await services_.socket_owners().find(socket);
    then(process);
}

Task<> Daemon::adopt() {
    // A database of a newer version is known before anybody is told.
    auto opened = co_await registry_.open();
    if (!opened) http::announce_failure(options_.ready_fd, opened.error().message);
    if (opened && !is_leaving_) tasks_.spawn("announcement", announce());
    auto adopted = co_await services_.supervisor.adopt();
    if (!adopted) {
        base::report(base::Severity::error, "{}", adopted.error().message);
        status_ = exit_adoption_failed;
        leave();
    }
}

/// Tells whoever started the daemon that it serves. Who does not read that keeps nobody else waiting.
Task<> Daemon::announce() {
    // Behind the adoption's look into the database: whoever asks what runs need not wait for the disk.
    co_await asio::post(io_, asio::use_awaitable);
    // A disk that takes no record is known before anybody is told.
    auto settled = co_await registry_.settle();
    // What later daemons ask of agents follows from one that serves, not from one that could not.
    auto keep_access = [data = options_.data, token = token_, auth = options_.auth]() -> Result<void> {
        if (!token.empty()) return access::keep_token(data, token);
        return auth == rundir::Auth::peer ? access::drop_token(data) : Result<void>();
    };
    if (settled && !is_leaving_) settled = co_await async::offload(workers_.reading, std::move(keep_access));
    if (!settled) {
        http::announce_failure(options_.ready_fd, settled.error().message);
        base::report(base::Severity::error, "{}", settled.error().message);
        status_ = exit_adoption_failed;
        leave();
        co_return;
    }
    if (is_leaving_) co_return;
    const std::string token_file = token_.empty() ? std::string() : rundir::token_path(options_.data).native();
    auto tell = [options = options_, endpoint = endpoint_, token_file] {
        if (!options.quiet) {
            const std::string text = fmt::format("persistprocd {} serves {}\n\n{}", base::version(), endpoint,
                                                 ops::agent_setup_text(endpoint, token_file));
            base::write_all(STDOUT_FILENO, text);
        }
        if (auto told = http::announce_ready(options.ready_fd, "READY=1\nENDPOINT=" + endpoint); !told)
            base::report(base::Severity::warning, "{}", told.error().message);
        if (auto told = http::notify_service_manager("READY=1"); !told)
            base::report(base::Severity::warning, "{}", told.error().message);
        return true;
    };
    co_await async::offload(workers_.reading, std::move(tell));
    environment_.refresh();
}

Task<> Daemon::obey_signals() {
    asio::signal_set signals(io_, SIGTERM, SIGINT, SIGHUP);
    boost::system::error_code failed;
    co_await signals.async_wait(asio::redirect_error(asio::use_awaitable, failed));
    if (failed) co_return;
    // A service manager, a closed terminal or Ctrl+C ends the daemon alone; `persistproc shutdown` ends all.
    const std::string actor = "signal";
    ops::ShutdownRequest request;
    request.keep = true;
    auto report = co_await services_.supervisor.leave(request, actor);
    if (report && !report->kept.empty())
        base::report(base::Severity::info,
                     "leaving; {}: `persistproc serve` takes them up again, `persistproc shutdown` ends them",
                     base::counted(report->kept.size(), "process runs on", "processes run on"));
}

/// Whoever asked for it, and even if they no longer wait for the answer.
Task<> Daemon::follow_shutdown() {
    co_await services_.supervisor.left();
    leave();
}

Task<> Daemon::run() {
    while (!is_leaving_) co_await leaving_.wait();
    (void)http::notify_service_manager("STOPPING=1");
    listener_->stop();
    const MonoTime until = clock_.now() + std::chrono::seconds(5);
    co_await http_.close(until);
    bound_leaving(status_);
    co_await services_.close();
    co_await environment_.close();
    co_await heap_.close();
    co_await shims_.close();
    listener_.reset();
    io_.stop();
}

}  // namespace persistproc::daemon
