#include "cli/silent_daemon.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <utility>

#include "cli/client.hpp"
#include "cli/console.hpp"
#include "cli/run_survey.hpp"
#include "common/base/file.hpp"
#include "common/base/file_lock.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::nanoseconds look_interval = silence_bound;
constexpr std::chrono::seconds longest_probe_pause{16};

}  // namespace

pid_t find_lock_holder(const fs::path& data) {
    const fs::path file = data / rundir::daemon_lock_name;
    const auto held = base::is_locked(file);
    const auto text = base::read_own_file(file, 4096);
    constexpr std::string_view mark = "(PID ";
    const std::size_t at = held && *held && text ? text->find(mark) : std::string::npos;
    return at == std::string::npos ? 0 : std::atoi(text->c_str() + at + mark.size());
}

Error silent_daemon(const fs::path& data) {
    const pid_t pid = find_lock_holder(data);
    Error out;
    out.code = ErrorCode::unavailable;
    out.os_error = ETIMEDOUT;
    if (is_stopped(pid))
        out.message =
            fmt::format("the daemon (PID {}) was suspended by a signal; to let it go on: kill -CONT {}", pid, pid);
    else
        out.message = fmt::format(
            "the daemon{} that serves {} does not answer; its processes go on. If it hangs, {}, then {} takes them "
            "over",
            pid == 0 ? "" : fmt::format(" (PID {})", pid), data.native(),
            pid == 0 ? "kill it" : fmt::format("kill -KILL {}", pid), serve_command(data));
    return out;
}

bool is_silence(const Error& failed) noexcept {
    return failed.code == ErrorCode::unavailable && failed.os_error == ETIMEDOUT;
}

SilenceTeller silence_teller(const CommonOptions& options) {
    return [options](const Error* silence) {
        static bool is_told = false;  // a client is one process with one stderr
        const bool was_told = std::exchange(is_told, silence != nullptr);
        if (was_told == is_told) return;
        if (silence == nullptr) return Console(options).note("the daemon answers again");
        Console(options).note(fmt::format("{}; waiting up to {} s for it", silence->message, silence_limit.count()));
    };
}

Task<bool> until_silent_too_long(fs::path data, GreetingProbe probe, SilenceTeller teller) {
    async::SystemClock clock;
    const auto executor = co_await boost::asio::this_coro::executor;
    boost::asio::steady_timer look(executor);
    const MonoTime begin = clock.now();
    std::optional<MonoTime> silent_since;
    bool is_asked_in_vain = false, is_told = false;
    std::chrono::nanoseconds pause = look_interval;
    MonoTime next_probe = begin;
    while (true) {
        look.expires_after(look_interval);
        boost::system::error_code cancelled;
        co_await look.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
        if (cancelled) co_return false;
        bool is_silent = !probe || is_stopped(find_lock_holder(data));
        if (!is_silent && clock.now() >= next_probe) {
            auto asking = probe();
            is_asked_in_vain = !co_await std::move(asking);
            pause =
                is_asked_in_vain ? look_interval : std::min<std::chrono::nanoseconds>(2 * pause, longest_probe_pause);
            next_probe = clock.now() + pause;
        }
        is_silent = is_silent || is_asked_in_vain;
        if (!is_silent) {
            silent_since.reset();
            if (std::exchange(is_told, false) && teller) teller(nullptr);
            continue;
        }
        next_probe = std::min(next_probe, clock.now());
        if (!silent_since) silent_since = probe ? clock.now() : begin;
        const bool is_over = clock.now() >= *silent_since + silence_limit;
        if (teller && !is_over && !std::exchange(is_told, true)) {
            const Error silence = silent_daemon(data);
            teller(&silence);
        }
        if (is_over) co_return true;
    }
}

}  // namespace persistproc::cli
