#include "daemon/base_environment.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>

#include "common/async/offload.hpp"
#include "common/base/file.hpp"
#include "daemon/core/launcher.hpp"

namespace persistproc::daemon {

namespace {

constexpr auto longest_look = std::chrono::seconds(2);
constexpr auto longest_end = std::chrono::seconds(5);          // of what was told to end
constexpr auto longest_wait = std::chrono::milliseconds(300);  // for that, by a daemon that leaves
constexpr auto look_pause = std::chrono::milliseconds(10);
constexpr auto good_for = std::chrono::minutes(10);
constexpr std::size_t most_path_bytes = 64u << 10;
constexpr std::string_view path_name = "PATH=";

constexpr std::array<std::string_view, 11> kept = {"HOME=",
                                                   "USER=",
                                                   "LOGNAME=",
                                                   "SHELL=",
                                                   "PATH=",
                                                   "LANG=",
                                                   "TZ=",
                                                   "SSH_AUTH_SOCK=",
                                                   "DISPLAY=",
                                                   "WAYLAND_DISPLAY=",
                                                   "DBUS_SESSION_BUS_ADDRESS="};

// What the daemon, its libraries and its sanitizers read once it runs; the loader and the allocator have read theirs.
constexpr std::array<std::string_view, 8> own_names = {
    "NOTIFY_SOCKET=", "TMPDIR=",       "SQLITE_TMPDIR=", "ASAN_OPTIONS=",
    "LSAN_OPTIONS=",  "MSAN_OPTIONS=", "TSAN_OPTIONS=",  "UBSAN_OPTIONS="};
constexpr std::string_view own_prefix = "PERSISTPROC_";

bool is_kept(std::string_view entry) {
    if (entry.starts_with("LC_") || entry.starts_with("XDG_")) return entry.find('=') != std::string_view::npos;
    return std::any_of(kept.begin(), kept.end(), [entry](std::string_view name) { return entry.starts_with(name); });
}

bool is_own(std::string_view entry) {
    return entry.starts_with(own_prefix) ||
           std::any_of(own_names.begin(), own_names.end(),
                       [entry](std::string_view each) { return entry.starts_with(each); });
}

/// What comes until the end, until `stop`, or until the time is over.
std::string read_for_a_while(int fd, const std::stop_token& stop) {
    std::string out;
    const base::UniqueFd stopped(::eventfd(0, EFD_CLOEXEC));
    const std::stop_callback on_stop(stop, [&stopped] { ::eventfd_write(stopped.get(), 1); });
    const auto until = std::chrono::steady_clock::now() + longest_look;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        pollfd entries[] = {{fd, POLLIN, 0}, {stopped.get(), POLLIN, 0}};
        if (left.count() <= 0 || ::poll(entries, 2, static_cast<int>(left.count())) <= 0) return out;
        if (entries[1].revents != 0) return out;
        char bytes[4096];
        const ssize_t got = ::read(fd, bytes, sizeof bytes);
        if (got <= 0) return out;
        // A profile may print as much as it likes.
        if (out.size() > 2 * most_path_bytes) out.erase(0, out.size() - most_path_bytes);
        out.append(bytes, static_cast<std::size_t>(got));
    }
}

/// Ends a shell and what its profile runs in its session, which may hold the pipe. Blocks. By SIGTERM first: what a
/// profile has locked for everybody it can give back then (pyenv's rehash makes each later shell wait for a minute
/// where it could not).
void end_session(pid_t leader, const std::stop_token& stop) {
    const auto is_there = [leader] {
        siginfo_t ignored{};
        ::waitid(P_PID, static_cast<id_t>(leader), &ignored, WEXITED | WNOHANG);  // or the daemon's reaper was faster
        return ::kill(-leader, 0) == 0;
    };
    ::kill(-leader, SIGTERM);
    const auto began = std::chrono::steady_clock::now();
    while (is_there()) {
        const auto waited = std::chrono::steady_clock::now() - began;
        if (stop.stop_requested() && waited >= longest_wait) return;
        if (waited >= longest_end) break;
        std::this_thread::sleep_for(look_pause);
    }
    ::kill(-leader, SIGKILL);
    siginfo_t ignored{};
    ::waitid(P_PID, static_cast<id_t>(leader), &ignored, WEXITED);
}

}  // namespace

std::vector<std::string> clean_environment(const char* const* variables) {
    std::vector<std::string> out;
    for (; *variables != nullptr; ++variables)
        if (is_kept(*variables)) out.emplace_back(*variables);
    return out;
}

void forget_foreign_environment(char** variables) noexcept {
    char** kept_end = variables;
    for (; *variables != nullptr; ++variables) {
        if (is_kept(*variables) || is_own(*variables))
            *kept_end++ = *variables;
        else
            ::explicit_bzero(*variables, std::strlen(*variables));
    }
    *kept_end = nullptr;
}

std::string login_shell(const std::vector<std::string>& environment) {
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> room(16384);
    if (::getpwuid_r(::geteuid(), &entry, room.data(), room.size(), &found) == 0 && found != nullptr &&
        found->pw_shell != nullptr && found->pw_shell[0] == '/')
        return found->pw_shell;
    for (const std::string& each : environment)
        if (each.starts_with("SHELL=/")) return each.substr(6);
    return "/bin/sh";
}

std::string read_login_path(const std::string& shell, const std::vector<std::string>& environment,
                            const std::stop_token& stop) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return {};
    const base::UniqueFd ours(ends[0]);
    base::UniqueFd theirs(ends[1]);
    const base::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    core::Launch what;
    what.executable = shell;
    // Between NULs, because a profile may print, too. fish joins "$PATH" with colons, as all others have it.
    what.arguments = {shell, "-l", "-c", R"(printf '\0%s\0' "$PATH")"};
    what.environment = environment;
    what.stdio[0] = null.get();
    what.stdio[1] = theirs.get();
    what.stdio[2] = what.channel = null.get();
    auto launched = core::launch(what);
    if (!launched) return {};
    theirs.reset();
    const std::string text = read_for_a_while(ours.get(), stop);
    end_session(launched->pid, stop);
    const std::size_t end = text.rfind('\0');
    const std::size_t begin = end == std::string::npos || end == 0 ? end : text.rfind('\0', end - 1);
    if (end == std::string::npos || begin == std::string::npos) return {};
    std::string path = text.substr(begin + 1, end - begin - 1);
    const bool is_usable = path.find('/') != std::string::npos && path.size() <= most_path_bytes;
    return is_usable ? path : std::string();
}

BaseEnvironment::BaseEnvironment(boost::asio::any_io_executor executor, async::Clock& clock,
                                 boost::asio::thread_pool& threads, const char* const* own)
    : clock_(clock), threads_(threads), variables_(clean_environment(own)), tasks_(std::move(executor)) {}

std::vector<std::string> BaseEnvironment::current() {
    if (clock_.now() - looked_ > good_for) refresh();
    return variables_;
}

void BaseEnvironment::refresh() {
    if (is_looking_) return;
    is_looking_ = true;
    tasks_.spawn("login shell", look());
}

Task<> BaseEnvironment::close() { co_await tasks_.close(); }

Task<> BaseEnvironment::look() {
    const std::string shell = login_shell(variables_);
    auto read = [shell, environment = variables_](std::stop_token stop) {
        return read_login_path(shell, environment, stop);
    };
    std::string path = co_await async::offload_stoppable(threads_, std::move(read));
    looked_ = clock_.now();
    is_looking_ = false;
    silent_shell_ = path.empty() ? shell : "";
    if (path.empty()) co_return;
    std::erase_if(variables_, [](const std::string& each) { return each.starts_with(path_name); });
    variables_.push_back(std::string(path_name) + path);
}

}  // namespace persistproc::daemon
