// The program: options, the lock of the data directory, and a Daemon (daemon.hpp) that serves.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <charconv>
#include <new>
#include <thread>

#include "common/base/diagnostics.hpp"
#include "common/base/exit_status.hpp"
#include "common/base/file.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/random.hpp"
#include "common/base/version.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "common/rundir/descriptor_shares.hpp"
#include "common/rundir/port_holder.hpp"
#include "common/rundir/run_mark.hpp"
#include "daemon/access/peer_owner.hpp"
#include "daemon/access/token.hpp"
#include "daemon/base_environment.hpp"
#include "daemon/base_limits.hpp"
#include "daemon/daemon.hpp"
#include "daemon/http/serving_state.hpp"
#include "daemon/options.hpp"

namespace {

using namespace persistproc;
namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr int exit_usage = 2;
constexpr int exit_failure = 125;
constexpr std::uint64_t log_bytes = 1u << 20;  // of daemon.log, twice

int fail(const Error& error, int status = exit_failure) {
    base::report(base::Severity::error, "{}", error.message);
    return error.code == ErrorCode::invalid ? exit_usage : status;
}

/// The same, told to whoever waits for it to serve, too: on a full disk no log takes it.
int fail_to_serve(const daemon::Options& options, const Error& error, int status = exit_failure) {
    daemon::http::announce_failure(options.ready_fd, error.message);
    return fail(error, status);
}

/// Not synced: a power cut ends all sessions, so that nobody needs the key they were signed with.
Result<void> write_session_key(const fs::path& file, std::string_view key) {
    auto fd = base::open_file(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (!fd) return fd.error();
    if (const int failed = base::write_all(fd->get(), key); failed != 0) return base::os_failure(file.string(), failed);
    return boost::system::in_place_value;
}

constexpr std::size_t most_key_bytes = 4096;
fs::path session_key_path(const fs::path& data) { return data / "session.key"; }

/// 32 secret bytes that sign session ids; made at the first start, and again where a power cut left none, or where
/// others could read them. Where there is no room for them, they are of this daemon alone. Errors: io.
Result<mcp::http::SessionKey> load_session_key(const fs::path& data) {
    const fs::path file = session_key_path(data);
    mcp::http::SessionKey key{};
    const auto bytes = base::read_own_file(file, most_key_bytes);
    struct stat facts {};
    // Who has read it could have signed ids of his own.
    const bool was_open = bytes && ::lstat(file.c_str(), &facts) == 0 && (facts.st_mode & 077u) != 0;
    if (was_open) ::unlink(file.c_str());
    const bool is_key =
        bytes && !was_open && bytes->size() == key.size() && bytes->find_first_not_of('\0') != std::string::npos;
    if (is_key) {
        std::copy(bytes->begin(), bytes->end(), key.begin());
        return key;
    }
    if (!bytes && bytes.error().code != ErrorCode::not_found) return bytes.error();
    base::fill_random(key);
    const std::string_view text(reinterpret_cast<const char*>(key.data()), key.size());
    const auto written = write_session_key(file, text);
    if (!written && !base::is_lack_of_room(written.error())) return written.error();
    return key;
}

/// Whether the daemon that the text of a lock file names is gone. A text that names none says nothing.
bool has_holder_gone(const fs::path& file) {
    const auto text = base::read_own_file(file, 4096);
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
Result<void> open_doors(daemon::Daemon& daemon, std::uint16_t port, bool after_another) {
    const auto until = std::chrono::steady_clock::now() + last_child_bound;
    for (;;) {
        auto opened = daemon.open();
        const bool is_taken = !opened && opened.error().code == ErrorCode::conflict;
        const bool is_over = !after_another || std::chrono::steady_clock::now() >= until;
        if (is_taken && is_over)
            return Error{ErrorCode::conflict, rundir::taken_port_text(port) + "; use --port with a free one"};
        if (!is_taken) return opened;
        std::this_thread::sleep_for(last_child_pause);
    }
}

/// `after_another`: whether the last daemon that held it is gone.
Result<base::FileLock> take_data_directory(const fs::path& data, int& status, bool& after_another) {
    if (auto made = base::make_private_directory(data); !made)
        return base::with_context(made.error(), "data directory");
    if (auto own = base::check_own_entries(data); !own) return base::with_context(own.error(), "data directory");
    if (auto made = base::make_private_directory(data / "procs"); !made)
        return base::with_context(made.error(), "data directory");
    const fs::path file = data / rundir::daemon_lock_name;
    auto lock = try_take_lock(file);
    if (!lock) return base::with_context(lock.error(), "data directory");
    if (!*lock) {
        status = base::directory_held_status;
        auto holder = base::read_own_file(file, 4096);
        std::string who =
            holder && !holder->empty() ? holder->substr(0, holder->find('\n')) : std::string("another daemon");
        return Error{ErrorCode::conflict,
                     fmt::format("{} is held by {}; use it, or another --data-dir", data.string(), who)};
    }
    after_another = has_holder_gone(file);
    const std::string text = fmt::format("persistprocd {} (PID {})\n", base::version(), ::getpid());
    // Over what is there: on a full disk a file that was cut has no room for as many bytes again. It is the lock that
    // counts, not who is said to hold it.
    const auto size = static_cast<ssize_t>(text.size());
    const bool is_said =
        ::pwrite((*lock)->fd(), text.data(), text.size(), 0) == size && ::ftruncate((*lock)->fd(), size) == 0;
    if (!is_said) (void)!::ftruncate((*lock)->fd(), 0);
    return std::move(**lock);
}

/// Below who holds the lock, for a client that finds the next daemon elsewhere.
void tell_endpoint(const base::FileLock& lock, const std::string& endpoint) {
    struct stat facts {};
    const std::string text = fmt::format("serves {}\n", endpoint);
    if (::fstat(lock.fd(), &facts) == 0) (void)!::pwrite(lock.fd(), text.data(), text.size(), facts.st_size);
}

/// Agents over TCP must show a token. Once one was asked for, no daemon that is begun without a word about it lets
/// anybody in without.
bool needs_token(const daemon::Options& options, const daemon::access::PeerOwner& peers) {
    const bool is_kept = options.auth != rundir::Auth::peer && daemon::access::has_token(options.data);
    return options.auth == rundir::Auth::token || is_kept || !peers.can_tell();
}

/// What `serve` would refuse, as far as it can be known beside a daemon that runs. Changes nothing.
Result<void> check_start(const daemon::Options& options) {
    for (const fs::path& each : {options.data, options.data / "procs"})
        if (auto own = base::check_private_directory(each); !own)
            return base::with_context(own.error(), "data directory");
    std::error_code ignored;
    if (!fs::exists(options.data, ignored)) return boost::system::in_place_value;
    if (auto own = base::check_own_entries(options.data); !own)
        return base::with_context(own.error(), "data directory");
    const fs::path sockets = rundir::daemon_socket_path(options.data).parent_path();
    if (auto own = base::check_private_directory(sockets); !own) return own;
    if (auto ended = registry::EndedSessions::open(options.data); !ended) return ended.error();
    const auto key = base::read_own_file(session_key_path(options.data), most_key_bytes);
    if (!key && key.error().code != ErrorCode::not_found) return key.error();
    // One that is served is known to that daemon.
    const auto held = base::is_locked(options.data / rundir::daemon_lock_name);
    if (!held || !*held)
        if (auto known = registry::Registry::check_version(options.data); !known) return known;
    if (!needs_token(options, daemon::access::PeerOwner())) return boost::system::in_place_value;
    const auto token = rundir::read_token(options.data);
    if (!token && token.error().code != ErrorCode::not_found) return base::with_context(token.error(), "token");
    return boost::system::in_place_value;
}

int serve(const daemon::Options& options) {
    daemon::bound_heap();
    base::ensure_standard_descriptors();
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);  // a file at its limit is an error of that write
    core::SupervisorOptions supervising;
    supervising.data = options.data;
    supervising.keep_ended = options.keep_ended;
    supervising.max_live = options.max_processes;
    supervising.process_log_bytes = options.process_log_bytes;
    supervising.total_log_bytes = options.total_log_bytes;
    supervising.limits = daemon::base_limits(daemon::own_limits());
    supervising.umask = daemon::base_umask;
    ::umask(077);
    daemon::raise_own_limits();

    int status = exit_failure;
    bool after_another = false;
    auto lock = take_data_directory(options.data, status, after_another);
    if (!lock) return fail_to_serve(options, lock.error(), status);
    base::keep_log(rundir::daemon_log_path(options.data), log_bytes);
    if (const std::string open = base::open_parent_text(options.data); !open.empty())
        base::report(base::Severity::warning, "{}", open);
    auto ended = registry::EndedSessions::open(options.data);
    if (!ended) return fail_to_serve(options, ended.error());
    mcp::http::HttpOptions http;
    auto key = load_session_key(options.data);
    if (!key) return fail_to_serve(options, key.error());
    http.session_key = *key;
    http.extra_origins = options.allowed_origins;
    for (const auto& limit : daemon::own_limits()) {
        if (limit.resource != RLIMIT_NOFILE) continue;
        const auto shares = rundir::descriptor_shares(limit.soft);
        http.limits.agent_connections = shares.agents;
        http.limits.client_connections = shares.client;
        http.limits.agent_descriptors = shares.agent_descriptors;
        http.limits.streams = http.limits.standing_streams = shares.agents / 4;
        supervising.descriptors = {limit.soft, shares.runs};
    }
    daemon::access::PeerOwner peers;
    if (needs_token(options, peers)) {
        auto token = daemon::access::load_token(options.data);
        if (!token) return fail_to_serve(options, base::with_context(token.error(), "token"));
        http.token = std::move(*token);
    }
    if (!peers.can_tell())
        base::report(base::Severity::warning,
                     "the kernel does not tell here whose a connection is: agents over TCP must show the token, which "
                     "`persistproc setup CLIENT` writes into their entries");

    // Nothing that grows with what is on disk comes before the listener.
    asio::io_context io(1);
    daemon::Daemon daemon(io, options, peers, std::move(supervising), std::move(*ended), std::move(http));
    if (auto opened = open_doors(daemon, options.port, after_another); !opened)
        return fail_to_serve(options, opened.error());
    tell_endpoint(*lock, daemon.endpoint());
    daemon.start();
    io.run();
    return daemon.status();
}

}  // namespace

int main(int argc, char** argv) {
    // Started within a run it is no part of that: before it is known as a daemon, by its lock.
    rundir::drop_run_mark(environ);
    daemon::forget_foreign_environment(environ);
    base::set_program_name("persistprocd");
    bool done = false;
    auto options = daemon::parse_options(argc, argv, done);
    if (done) return 0;
    if (!options) return fail(options.error());
    if (options->checks_start)
        if (const auto able = check_start(*options); !able) return fail(able.error());
    if (options->only_checks || options->checks_start) return 0;
    if (options->verbose) base::set_verbosity(base::Severity::debug);
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
