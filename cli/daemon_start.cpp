#include "cli/daemon_start.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "cli/console.hpp"
#include "cli/environment.hpp"
#include "cli/probes.hpp"
#include "cli/run_survey.hpp"
#include "cli/silent_daemon.hpp"
#include "common/base/file.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/proc.hpp"
#include "common/base/text.hpp"
#include "common/base/unique_fd.hpp"
#include "common/ops/client_operations.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli {

namespace fs = std::filesystem;

namespace {

constexpr int ready_timeout_ms = 30'000;
constexpr int ready_fd = 3;
/// What comes in place of the daemon's word when its program could not be executed; errno stands behind it.
constexpr char not_executed = '!';
/// What it begins with where the daemon says why it does not serve.
constexpr std::string_view refusal = "ERROR=";
/// A daemon that leaves answers what it was asked before, for at most five seconds.
constexpr auto transition_patience = std::chrono::seconds(10);
constexpr auto transition_interval = std::chrono::milliseconds(20);
/// A daemon that dies twice under the same start is no accident.
constexpr int start_attempts = 4;

/// To start another would not help: it is silent, or refuses.
bool is_there(const Error& failed) { return failed.code != ErrorCode::unavailable || is_silence(failed); }

bool is_executable(const fs::path& path) { return ::access(path.c_str(), X_OK) == 0; }

/// The last line written to the log since `from`, without the program's name and the severity.
std::string last_line(const fs::path& log, std::size_t from) {
    auto text = base::read_file(log);
    if (!text || text->size() <= from) return {};
    std::string_view rest = std::string_view(*text).substr(from);
    while (rest.ends_with('\n')) rest.remove_suffix(1);
    const std::size_t newline = rest.rfind('\n');
    if (newline != std::string_view::npos) rest.remove_prefix(newline + 1);
    for (const std::string_view prefix : {"persistprocd: ", "error: "})
        if (rest.starts_with(prefix)) rest.remove_prefix(prefix.size());
    return base::escape_line(rest);
}

/// What is still to be read until everybody who may write there has closed it, 4 KiB at most.
std::string rest_of(int fd) {
    std::string out(4096, '\0');
    std::size_t size = 0;
    for (ssize_t got = 0; size < out.size(); size += static_cast<std::size_t>(got)) {
        got = ::read(fd, out.data() + size, out.size() - size);
        if (got < 0 && errno == EINTR)
            got = 0;
        else if (got <= 0)
            break;
    }
    out.resize(size);
    return out;
}

/// In the child: system calls alone. `argv` and `environment` were made before.
[[noreturn]] void become_daemon(int ready, int null, int log, const char* program, char* const* argv,
                                char* const* environment) {
    ::setsid();
    // The grandchild belongs to nobody: it leaves no zombie to a client that follows a program for days.
    const pid_t pid = ::fork();
    if (pid != 0) ::_exit(pid < 0 ? 1 : 0);
    ::dup2(null, STDIN_FILENO);
    ::dup2(null, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    if (ready == ready_fd)
        ::fcntl(ready, F_SETFD, 0);
    else
        ::dup2(ready, ready_fd);
    ::syscall(SYS_close_range, static_cast<unsigned>(ready_fd + 1), ~0u, 0u);
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // The daemon shall not keep the caller's directory busy.
    if (::chdir("/") == 0) ::execve(program, argv, environment);
    // Nobody else would tell why.
    const int failed = errno;
    char word[1 + sizeof failed] = {not_executed};
    std::memcpy(word + 1, &failed, sizeof failed);
    (void)!::write(ready_fd, word, sizeof word);
    ::_exit(127);
}

}  // namespace

Result<fs::path> find_daemon_program() {
    const fs::path self = base::own_program();
    std::vector<fs::path> places;
    if (!self.empty()) {
        const fs::path folder = self.parent_path();
        places = {folder / "persistprocd", folder.parent_path() / "libexec" / "persistprocd",
                  folder.parent_path() / "libexec" / "persistproc" / "persistprocd"};
    }
    if (const char* path = std::getenv("PATH"); path != nullptr) {
        std::string_view rest = path;
        while (!rest.empty()) {
            const std::size_t colon = rest.find(':');
            if (const auto folder = rest.substr(0, colon); folder.starts_with('/'))
                places.push_back(fs::path(folder) / "persistprocd");
            rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
        }
    }
    for (const auto& place : places)
        if (is_executable(place)) return place;
    return Error{
        ErrorCode::unavailable,
        "the daemon's program persistprocd is neither beside persistproc nor in PATH; is the installation whole?"};
}

Result<void> start_daemon(const CommonOptions& options) {
    auto program = find_daemon_program();
    if (!program) return program.error();
    if (auto made = base::make_private_directory(options.data_directory); !made) return made.error();
    const fs::path log_path = rundir::daemon_log_path(options.data_directory);
    auto log = base::open_own_file(log_path, O_WRONLY | O_CREAT | O_APPEND);
    // A daemon serves what there is where nothing can be written, too.
    if (!log && base::is_lack_of_room(log.error())) log = base::open_file("/dev/null", O_WRONLY);
    if (!log) return log.error();
    auto null = base::open_file("/dev/null", O_RDWR);
    if (!null) return null.error();
    struct stat facts {};
    const std::size_t log_size = ::fstat(log->get(), &facts) == 0 ? static_cast<std::size_t>(facts.st_size) : 0;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return base::os_failure("pipe", errno);
    base::UniqueFd ready(ends[0]), tell(ends[1]);

    std::vector<std::string> words = {program->native(), "--data-dir", options.data_directory, "--port",
                                      std::to_string(options.port)};
    if (options.compat) words.emplace_back("--compat");
    words.insert(words.end(), options.daemon_flags.begin(), options.daemon_flags.end());
    const std::vector<std::string> flags(words.begin() + 1, words.end());
    words.insert(words.end(), {"--ready-fd", std::to_string(ready_fd)});
    std::vector<std::string> variables = inherited_environment(::environ);
    std::vector<char*> argv, environment;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    for (auto& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);

    const pid_t child = ::fork();
    if (child < 0) return base::os_failure("fork", errno);
    if (child == 0)
        become_daemon(tell.get(), null->get(), log->get(), program->c_str(), argv.data(), environment.data());
    tell.reset();
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    pollfd readable{ready.get(), POLLIN, 0};
    int polled = 0;
    while ((polled = ::poll(&readable, 1, ready_timeout_ms)) < 0 && errno == EINTR) {
    }
    char byte = 0;
    const bool is_told = polled > 0 && ::read(ready.get(), &byte, 1) == 1;
    if (is_told && byte == refusal[0]) {
        const std::string why = rest_of(ready.get()).substr(refusal.size() - 1);
        return Error{ErrorCode::unavailable, "the daemon did not start: " + base::escape_line(why)};
    }
    if (is_told && byte != not_executed) return {};
    if (is_told) {
        int why = 0;
        if (::read(ready.get(), &why, sizeof why) != sizeof why) why = ENOEXEC;
        return Error{ErrorCode::unavailable,
                     fmt::format("the daemon did not start: {}: {}", program->native(), std::strerror(why))};
    }
    // It ends without a word for its flags and settings alone, which are as wrong as those of the client.
    const auto fine = polled > 0 ? check_daemon_start(*program, flags) : Result<void>();
    if (!fine && fine.error().code == ErrorCode::invalid) return fine.error();
    const std::string why = last_line(log_path, log_size);
    if (polled == 0)
        return Error{ErrorCode::unavailable, fmt::format("the daemon does not serve after {} s; see {}",
                                                         ready_timeout_ms / 1000, log_path.native())};
    return Error{ErrorCode::unavailable,
                 fmt::format("the daemon did not start: {}",
                             why.empty() ? fmt::format("it left no message in {}", log_path.native()) : why)};
}

/// The port of the daemon that had the data directory last; 0: there was none, or it said none.
static std::uint16_t find_last_port(const fs::path& data) {
    constexpr std::string_view mark = "\nserves ";
    const auto text = base::read_own_file(data / rundir::daemon_lock_name, 4096);
    const std::size_t at = text ? text->find(mark) : std::string::npos;
    return at == std::string::npos ? std::uint16_t{0} : port_of(std::string_view(*text).substr(at + mark.size()));
}

/// That a daemon holds the data directory though none answers; nothing: none does.
static std::optional<Error> find_mute_daemon(const fs::path& data) {
    const pid_t pid = find_lock_holder(data);
    if (pid == 0) return std::nullopt;
    return Error{
        ErrorCode::unavailable,
        fmt::format("the daemon (PID {}) that holds {} takes no connection: it is beginning or leaving, or can "
                    "open no more files; see: persistproc doctor",
                    pid, data.native())};
}

static Error run_on(const fs::path& data, const ProcessCount& there) {
    if (auto mute = find_mute_daemon(data)) return *mute;
    return {ErrorCode::unavailable,
            fmt::format("no daemon serves {}, and {}: {}", data.native(),
                        base::counted(there.live, "program runs on; take it over", "programs run on; take them over"),
                        serve_command(data))};
}

Task<Result<std::unique_ptr<DaemonClient>>> connect_or_start(boost::asio::any_io_executor executor,
                                                             CommonOptions options, bool autostart) {
    const fs::path data = options.data_directory;
    auto client = co_await DaemonClient::connect(executor, options);
    if (client || is_there(client.error())) co_return client;
    if (!autostart || !options.autostart) {
        const auto there = count_processes(data);
        const bool runs_on = client.error().code == ErrorCode::unavailable && there && there->live > 0;
        Error refused = runs_on ? run_on(data, *there) : client.error();
        refused.message += autostart ? " (PERSISTPROC_AUTOSTART is 0)" : " (--no-autostart was given)";
        co_return refused;
    }
    if (auto made = base::make_private_directory(data); !made) co_return made.error();
    auto lock = base::FileLock::take(rundir::autostart_lock_path(data));
    if (!lock) co_return lock.error();
    async::SystemClock clock;
    const MonoTime patience_ends = clock.now() + transition_patience;
    while (true) {
        // Whoever had the lock before us may have started it.
        client = co_await DaemonClient::connect(executor, options);
        if (client || is_there(client.error())) co_return client;
        // One that holds the directory and does not answer is about to serve, or about to leave.
        const auto held = base::is_locked(data / rundir::daemon_lock_name);
        if (!held || !*held || clock.now() >= patience_ends) break;
        const MonoTime next = clock.now() + transition_interval;
        co_await clock.sleep_until(next);
    }
    const std::uint16_t last = find_last_port(data);
    if (auto started = start_daemon(options); !started) co_return started.error();
    client = co_await DaemonClient::connect(executor, data, silence_teller(options));
    if (!client) co_return client;
    (*client)->is_started_here = true;
    // Whoever typed it knows.
    if (last != 0 && last != options.port && !options.port_given)
        Console(options).note(
            fmt::format("the daemon that was started has port {}, the one before had {}: {} --replace "
                        "--port {}",
                        options.port, last, serve_command(data), last));
    co_return client;
}

/// Whether there is neither a daemon, about to serve or to leave, nor a process.
static bool is_nothing_there(const ProcessCount& there, const fs::path& data) {
    if (!there.has_none()) return false;
    // One that holds the directory and does not answer knows more than its files say.
    const auto held = base::is_locked(data / rundir::daemon_lock_name);
    return !held || !*held;
}

Task<Result<std::unique_ptr<DaemonClient>>> connect_to_change(boost::asio::any_io_executor executor,
                                                              CommonOptions options) {
    auto client = co_await DaemonClient::connect(executor, options);
    if (client || is_there(client.error())) co_return client;
    const auto there = count_processes(options.data_directory);
    if (there && is_nothing_there(*there, options.data_directory)) co_return std::unique_ptr<DaemonClient>();
    if (!there || there->live == 0) co_return client;
    co_return run_on(options.data_directory, *there);
}

Task<Result<std::unique_ptr<DaemonClient>>> connect_to_read(boost::asio::any_io_executor executor,
                                                            CommonOptions options, DaemonClient::Greeting greeting) {
    auto client = co_await DaemonClient::connect(executor, options, greeting);
    if (client || is_there(client.error())) co_return client;
    const auto counted = count_processes(options.data_directory);
    if (!counted) co_return counted.error();
    const ProcessCount& there = *counted;
    if (is_nothing_there(there, options.data_directory)) co_return std::unique_ptr<DaemonClient>();
    if (there.has_none()) co_return client;
    client = co_await connect_or_start(executor, options, true);
    if (client)
        Console(options).note(fmt::format(
            "no daemon served {}; it was started{}", options.data_directory,
            there.live == 0 ? "" : fmt::format(", and {} had run on", base::counted(there.live, "program"))));
    co_return client;
}

Task<Result<StartedProcess>> start_process(boost::asio::any_io_executor executor, CommonOptions options, bool autostart,
                                           std::unique_ptr<DaemonClient> client, ops::StartRequest request) {
    StartedProcess out;
    out.client = std::move(client);
    Error failed;
    for (int attempt = 0; attempt < start_attempts; ++attempt) {
        if (!out.client) {
            auto next = co_await connect_or_start(executor, options, autostart);
            if (!next && is_there(next.error())) co_return next.error();
            if (!next) {
                failed = next.error();
                continue;
            }
            out.client = std::move(*next);
        }
        auto started = co_await out.client->start(request);
        if (started) {
            out.response = std::move(*started);
            co_return std::move(out);
        }
        failed = started.error();
        if (!out.client->was_cut_off() || is_silence(failed)) co_return failed;
        out.client.reset();
    }
    co_return failed;
}

}  // namespace persistproc::cli
