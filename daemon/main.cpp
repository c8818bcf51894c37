// Wires the daemon together: the only place that names the concrete classes side by side.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <new>
#include <thread>

#include "common/api/agent_setup.hpp"
#include "common/async/offload.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/file.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/random.hpp"
#include "common/base/version.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "common/rundir/run_mark.hpp"
#include "daemon/core/local_run_directories.hpp"
#include "daemon/core/local_shim_host.hpp"
#include "daemon/core/supervisor.hpp"
#include "daemon/core/waiter.hpp"
#include "daemon/http/health_pages.hpp"
#include "daemon/http/listener.hpp"
#include "daemon/http/serving_state.hpp"
#include "daemon/options.hpp"
#include "daemon/prompts/prompts.hpp"
#include "daemon/registry/async_registry.hpp"
#include "daemon/resources/process_resources.hpp"
#include "daemon/tools/compat/compat.hpp"
#include "daemon/tools/tools.hpp"

namespace {

using namespace persistproc;
namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr int exit_usage = 2;
constexpr int exit_held = 75;  // EX_TEMPFAIL: another daemon has the directory
constexpr int exit_failure = 125;

constexpr const char* instructions =
    "Runs and keeps long-running programs for people and agents alike. Start servers and watchers here instead of in a "
    "shell: "
    "they outlive the session and their output is recorded. Call list_processes first: what you need may already run.";

int fail(const Error& error, int status = exit_failure) {
    base::report(base::Severity::error, "{}", error.message);
    return error.code == ErrorCode::invalid ? exit_usage : status;
}

fs::path shim_beside_this_program() {
    const fs::path self = fs::read_symlink("/proc/self/exe");
    const fs::path beside = self.parent_path() / "persistproc-shim";
    if (fs::exists(beside)) return beside;
    return self.parent_path().parent_path() / "libexec" / "persistproc" / "persistproc-shim";
}

/// 32 secret bytes that sign session ids; made at the first start. Errors: io.
Result<mcp::http::SessionKey> load_session_key(const fs::path& data) {
    const fs::path file = data / "session.key";
    mcp::http::SessionKey key{};
    const auto bytes = base::read_file(file, 4096);
    if (bytes && bytes->size() == key.size()) {
        std::copy(bytes->begin(), bytes->end(), key.begin());
        return key;
    }
    if (!bytes && bytes.error().code != ErrorCode::not_found) return bytes.error();
    base::fill_random(key);
    const std::string_view text(reinterpret_cast<const char*>(key.data()), key.size());
    if (auto written = base::atomic_write(file, text); !written) return written.error();
    return key;
}

std::vector<rundir::ResourceLimit> current_limits() {
    std::vector<rundir::ResourceLimit> out;
    for (int resource = 0; resource < static_cast<int>(RLIM_NLIMITS); ++resource) {
        rlimit limit{};
        if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) == 0)
            out.push_back({resource, limit.rlim_cur, limit.rlim_max});
    }
    return out;
}

/// The daemon holds descriptors for every shim, client and log; its children keep the limit it was given.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

class Graveyard final : public mcp::http::SessionGraveyard {
public:
    explicit Graveyard(registry::AsyncRegistry& registry) : registry_(registry) {}
    bool contains(const std::string& id) const override { return registry_.is_dead_session(id); }
    void bury(const std::string& id) override { registry_.bury_session(id); }

private:
    registry::AsyncRegistry& registry_;
};

/// Everything that lives while the daemon serves, in the order in which it must go.
class Daemon {
public:
    Daemon(asio::io_context& io, const daemon::Options& options, core::SupervisorOptions supervising,
           registry::EndedSessions ended, mcp::http::HttpOptions http)
        : io_(io),
          options_(options),
          files_(2),
          readers_(2),
          registry_(io.get_executor(), options.data, std::move(ended)),
          graveyard_(registry_),
          shims_(io.get_executor(), shim_beside_this_program(), options.data),
          directories_(files_, clock_, options.data),
          supervisor_(io.get_executor(), clock_, registry_, shims_, directories_, std::move(supervising)),
          log_changes_(io.get_executor()),
          waiter_(clock_, supervisor_, readers_, log_changes_),
          server_(io.get_executor(), clock_, server_info(), {}, features()),
          resources_(io.get_executor(), clock_, supervisor_, readers_, log_changes_, server_),
          http_(server_, clock_, with_pages(std::move(http)), graveyard_),
          tasks_(io.get_executor()),
          leaving_(io.get_executor()) {
        tools::Core core{supervisor_, waiter_, clock_, readers_, [this] { return info(); }};
        if (options_.compat) {
            tools::add_all(server_, core, tools::compat::accept_original_calls(core));
            tools::compat::add_original_tools(server_, core);
        } else {
            tools::add_all(server_, core);
        }
        prompts::add_all(server_, supervisor_, readers_);
    }

    /// Binds; from then on clients may connect, and are answered. Errors: conflict, denied, io.
    Result<void> open() {
        const fs::path socket = rundir::daemon_socket_path(options_.data);
        daemon::http::ListenOptions listen;
        listen.port = options_.port;
        listen.socket_directory = socket.parent_path();
        listen.socket_name = socket.filename().string();
        auto listener = daemon::http::Listener::open(http_, io_.get_executor(), std::move(listen));
        if (!listener) return listener.error();
        listener_ = std::move(*listener);
        link_fallback(socket);
        endpoint_ = fmt::format("http://127.0.0.1:{}/mcp", listener_->port());
        return boost::system::in_place_value;
    }

    void start() {
        listener_->start();
        shims_.reap_orphans();
        tasks_.spawn("adoption", adopt());
        tasks_.spawn("signals", obey_signals());
        tasks_.spawn("shutdown", follow_shutdown());
        tasks_.spawn("main", run());
    }

    int status() const { return status_; }

private:
    static mcp::ServerInfo server_info() {
        mcp::ServerInfo info;
        info.name = "persistproc";
        info.title = "persistproc";
        info.version = std::string(base::version());
        info.instructions = instructions;
        return info;
    }

    static mcp::ServerFeatures features() {
        mcp::ServerFeatures out;
        out.logging = true;
        return out;
    }

    mcp::http::HttpOptions with_pages(mcp::http::HttpOptions http) const {
        http.pages = [this](std::string_view path) {
            const auto& adoption = supervisor_.adoption();
            return daemon::http::find_health_page(path, {adoption.is_done, adoption.adopted, adoption.total});
        };
        return http;
    }

    api::DaemonInfo info() const {
        api::DaemonInfo out;
        out.version = std::string(base::version());
        out.pid = ::getpid();
        out.endpoint = endpoint_;
        out.data_directory = options_.data.string();
        out.processes = static_cast<std::int64_t>(supervisor_.size());
        return out;
    }

    /// Clients without XDG_RUNTIME_DIR look in the data directory.
    void link_fallback(const fs::path& socket) {
        const fs::path fallback = rundir::fallback_socket_path(options_.data);
        if (fallback == socket) return;
        if (auto made = base::make_private_directory(fallback.parent_path()); !made) return;
        ::unlink(fallback.c_str());
        if (::symlink(socket.c_str(), fallback.c_str()) != 0)
            base::report(base::Severity::warning, "{}", base::os_failure(fallback.string(), errno).message);
    }

    void leave() {
        is_leaving_ = true;
        leaving_.notify_all();
    }

    Task<> adopt() {
        // A disk that takes no record, or a database of a newer version, is known before anybody is told.
        auto opened = co_await registry_.open();
        if (opened && !is_leaving_) tasks_.spawn("announcement", announce());
        auto adopted = co_await supervisor_.adopt();
        if (!adopted) {
            base::report(base::Severity::error, "{}", adopted.error().message);
            status_ = exit_failure;
            leave();
        }
    }

    /// Tells whoever started the daemon that it serves. Who does not read that keeps nobody else waiting.
    Task<> announce() {
        auto tell = [options = options_, endpoint = endpoint_] {
            if (!options.quiet) {
                const std::string text = fmt::format("persistprocd {} serves {}\n\n{}", base::version(), endpoint,
                                                     api::agent_setup_text(endpoint));
                base::write_all(STDOUT_FILENO, text);
            }
            if (auto told = daemon::http::announce_ready(options.ready_fd, "READY=1\nENDPOINT=" + endpoint); !told)
                base::report(base::Severity::warning, "{}", told.error().message);
            if (auto told = daemon::http::notify_service_manager("READY=1"); !told)
                base::report(base::Severity::warning, "{}", told.error().message);
            return true;
        };
        co_await async::offload(readers_, std::move(tell));
    }

    Task<> obey_signals() {
        asio::signal_set signals(io_, SIGTERM, SIGINT, SIGHUP);
        boost::system::error_code failed;
        co_await signals.async_wait(asio::redirect_error(asio::use_awaitable, failed));
        if (failed) co_return;
        // A service manager, a closed terminal or Ctrl+C ends the daemon alone; `persistproc shutdown` ends all.
        const std::string actor = "signal";
        auto report = co_await supervisor_.leave(true, actor);
        if (report && !report->kept.empty())
            base::report(
                base::Severity::info,
                "leaving; {} keep running: `persistproc serve` takes them up again, `persistproc shutdown` ends them",
                report->kept.size() == 1 ? "1 process does" : fmt::format("{} processes", report->kept.size()));
    }

    /// Whoever asked for it, and even if they no longer wait for the answer.
    Task<> follow_shutdown() {
        co_await supervisor_.left();
        leave();
    }

    Task<> run() {
        while (!is_leaving_) co_await leaving_.wait();
        (void)daemon::http::notify_service_manager("STOPPING=1");
        listener_->stop();
        const MonoTime until = clock_.now() + std::chrono::seconds(5);
        co_await http_.close(until);
        co_await resources_.close();
        co_await supervisor_.close();
        co_await shims_.close();
        listener_.reset();
        io_.stop();
    }

    asio::io_context& io_;
    const daemon::Options& options_;
    async::SystemClock clock_;
    asio::thread_pool files_, readers_;
    registry::AsyncRegistry registry_;
    Graveyard graveyard_;
    core::LocalShimHost shims_;
    core::LocalRunDirectories directories_;
    core::Supervisor supervisor_;
    core::LogChanges log_changes_;
    core::Waiter waiter_;
    mcp::Server server_;
    resources::ProcessResources resources_;
    mcp::http::HttpServer http_;
    std::unique_ptr<daemon::http::Listener> listener_;
    async::TaskGroup tasks_;
    async::Notifier leaving_;
    bool is_leaving_ = false;
    int status_ = 0;
    std::string endpoint_;
};

/// Whether the daemon that the text of a lock file names is gone. A text that names none says nothing.
bool has_holder_gone(const fs::path& file) {
    const auto text = base::read_file(file, 4096);
    const std::string_view mark = "(PID ";
    const auto at = text ? text->find(mark) : std::string::npos;
    if (at == std::string::npos) return false;
    int pid = 0;
    const auto [end, failed] = std::from_chars(text->data() + at + mark.size(), text->data() + text->size(), pid);
    return failed == std::errc() && pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH;
}

// A child that a daemon had just made when it was killed, and that has not executed its program yet, holds the daemon's
// lock and its listening sockets a moment longer.
constexpr auto last_child_bound = std::chrono::seconds(2);
constexpr auto last_child_pause = std::chrono::milliseconds(2);

/// As FileLock::try_take, with patience for a daemon that is gone.
Result<std::optional<base::FileLock>> try_take_lock(const fs::path& file) {
    const auto until = std::chrono::steady_clock::now() + last_child_bound;
    for (;;) {
        auto lock = base::FileLock::try_take(file);
        if (!lock || *lock || !has_holder_gone(file) || std::chrono::steady_clock::now() >= until) return lock;
        std::this_thread::sleep_for(last_child_pause);
    }
}

/// As Daemon::open; `after_another`: a daemon that is gone may have left its port to such a child.
Result<void> open_doors(Daemon& daemon, bool after_another) {
    const auto until = std::chrono::steady_clock::now() + last_child_bound;
    for (;;) {
        auto opened = daemon.open();
        const bool is_taken = !opened && opened.error().code == ErrorCode::conflict;
        if (!is_taken || !after_another || std::chrono::steady_clock::now() >= until) return opened;
        std::this_thread::sleep_for(last_child_pause);
    }
}

/// `after_another`: whether the last daemon that held it is gone.
Result<base::FileLock> take_data_directory(const fs::path& data, int& status, bool& after_another) {
    if (auto made = base::make_private_directory(data); !made)
        return base::with_context(made.error(), "data directory");
    if (auto made = base::make_private_directory(data / "procs"); !made)
        return base::with_context(made.error(), "data directory");
    const fs::path file = data / "daemon.lock";
    auto lock = try_take_lock(file);
    if (!lock) return base::with_context(lock.error(), "data directory");
    if (!*lock) {
        status = exit_held;
        auto holder = base::read_file(file, 4096);
        std::string who =
            holder && !holder->empty() ? holder->substr(0, holder->find('\n')) : std::string("another daemon");
        return Error{ErrorCode::conflict,
                     fmt::format("{} is held by {}; use it, or another --data-dir", data.string(), who)};
    }
    after_another = has_holder_gone(file);
    const std::string text = fmt::format("persistprocd {} (PID {})\n", base::version(), ::getpid());
    if (::ftruncate((*lock)->fd(), 0) != 0) return base::os_failure(file.string(), errno);
    if (const int failed = base::write_all((*lock)->fd(), text); failed != 0)
        return base::os_failure(file.string(), failed);
    return std::move(**lock);
}

int serve(const daemon::Options& options) {
    base::ensure_standard_descriptors();
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);  // a file at its limit is an error of that write
    core::SupervisorOptions supervising;
    supervising.data = options.data;
    supervising.keep_ended = options.keep_ended;
    supervising.process_log_bytes = options.process_log_bytes;
    supervising.total_log_bytes = options.total_log_bytes;
    supervising.limits = current_limits();
    supervising.umask = ::umask(077);
    for (char** each = environ; *each != nullptr; ++each) supervising.environment.emplace_back(*each);
    raise_descriptor_limit();

    int status = exit_failure;
    bool after_another = false;
    auto lock = take_data_directory(options.data, status, after_another);
    if (!lock) return fail(lock.error(), status);
    auto ended = registry::EndedSessions::open(options.data);
    if (!ended) return fail(ended.error());
    mcp::http::HttpOptions http;
    auto key = load_session_key(options.data);
    if (!key) return fail(key.error());
    http.session_key = *key;

    // Nothing that grows with what is on disk comes before the listener.
    asio::io_context io(1);
    Daemon daemon(io, options, std::move(supervising), std::move(*ended), std::move(http));
    if (auto opened = open_doors(daemon, after_another); !opened) return fail(opened.error());
    daemon.start();
    io.run();
    return daemon.status();
}

}  // namespace

int main(int argc, char** argv) {
    // Started within a run it is no part of that: before it is known as a daemon, by its lock.
    rundir::drop_run_mark(environ);
    base::set_program_name("persistprocd");
    bool done = false;
    auto options = daemon::parse_options(argc, argv, done);
    if (done) return 0;
    if (!options) return fail(options.error(), exit_usage);
    if (options->verbose > 0) base::set_verbosity(base::Severity::debug);
    try {
        return serve(*options);
    } catch (const std::bad_alloc&) {
        // Nothing that was under way can be trusted to be whole; all that matters is on disk and in the shims.
        base::report(base::Severity::error,
                     "out of memory; programs and their recording go on, and the next daemon takes them over");
        return exit_failure;
    } catch (const std::exception& bug) {
        base::report(base::Severity::error, "bug: {}", bug.what());
        return exit_failure;
    }
}
