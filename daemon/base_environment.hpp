#pragma once
/// What programs inherit that agents start over HTTP. Whoever happened to start the daemon may have had anything in the
/// environment, a secret of another project among it: only what makes a person's session is kept, with the PATH of
/// their login shell.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <stop_token>
#include <string>
#include <vector>

#include "common/async/task_group.hpp"

namespace persistproc::daemon {

/// Of "NAME=value" entries those that belong to a session of the user: HOME, USER, LOGNAME, SHELL, PATH, LANG, LC_*,
/// TZ, XDG_*, SSH_AUTH_SOCK, DISPLAY, WAYLAND_DISPLAY, DBUS_SESSION_BUS_ADDRESS. Pure.
std::vector<std::string> clean_environment(const char* const* variables);

/// Takes out of `variables` (this process's `environ`) what neither `clean_environment` keeps nor the daemon itself
/// reads, and overwrites it: /proc/PID/environ would show it to every program of this user for as long as the daemon
/// lives. Before there are threads. Source: proc_pid_environ(5).
void forget_foreign_environment(char** variables) noexcept;

/// The PATH that `shell` has when it is started as a login shell with that environment; empty: it tells none within
/// 2 s, or until `stop`. Blocks. What the shell started in its session is told to end, and killed 5 s later; with
/// `stop` nothing is killed.
std::string read_login_path(const std::string& shell, const std::vector<std::string>& environment,
                            const std::stop_token& stop);

/// The user's shell by the user database, else by `environment`, else /bin/sh.
std::string login_shell(const std::vector<std::string>& environment);

class BaseEnvironment {
public:
    /// `own`: of this process. `threads` and `clock` outlive it.
    BaseEnvironment(boost::asio::any_io_executor executor, async::Clock& clock, boost::asio::thread_pool& threads,
                    const char* const* own);

    /// As known now. Looks anew in the background when that is older than 10 minutes. One executor, one thread.
    std::vector<std::string> current();
    /// The login shell that told no PATH in time when it was last looked at; empty: it did, or is not known yet.
    const std::string& silent_shell() const noexcept { return silent_shell_; }
    /// Looks in the background.
    void refresh();
    /// Ends a look that is under way. Completes when nothing of it is left.
    Task<> close();

private:
    Task<> look();

    async::Clock& clock_;
    boost::asio::thread_pool& threads_;
    std::vector<std::string> variables_;
    std::string silent_shell_;
    MonoTime looked_{};
    bool is_looking_ = false;
    async::TaskGroup tasks_;
};

}  // namespace persistproc::daemon
