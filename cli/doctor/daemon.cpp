#include <fmt/format.h>

#include <filesystem>

#include "cli/doctor/checks.hpp"
#include "cli/probes.hpp"
#include "cli/run_survey.hpp"
#include "common/base/file.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/text.hpp"
#include "common/base/version.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "common/rundir/port_holder.hpp"

namespace persistproc::cli::doctor {

namespace fs = std::filesystem;

void check_daemon(const Examined& examined, Findings& out) {
    const std::string own(base::version());
    if (examined.daemon) {
        const ops::DaemonInfo& daemon = *examined.daemon;
        const std::string detail =
            fmt::format("pid {} serves {}, version {}", daemon.pid, daemon.endpoint, daemon.version);
        if (daemon.version == own)
            out.ok("daemon", detail);
        else
            out.note("daemon", fmt::format("{}; the client is {}", detail, own),
                     serve_command(examined.data) + " --replace");
        if (!daemon.silent_shell.empty())
            out.note("daemon",
                     fmt::format("{} as a login shell tells no PATH within 2 s; agents' programs have the daemon's",
                                 base::escape_line(daemon.silent_shell)),
                     fmt::format("see what takes so long: time {} -l -c true", base::shell_quote(daemon.silent_shell)));
        return;
    }
    const fs::path lock = examined.data / rundir::daemon_lock_name;
    const auto held = base::is_locked(lock);
    if (held && *held) {
        const auto holder = base::read_own_file(lock, 4096);
        if (is_stopped(examined.holder)) {
            out.problem("daemon",
                        fmt::format("PID {} holds {} and was stopped", examined.holder, examined.data.native()),
                        fmt::format("kill -CONT {}", examined.holder));
            return;
        }
        out.problem("daemon",
                    fmt::format("{} holds {} and does not answer: {}",
                                holder ? base::escape_line(holder->substr(0, holder->find('\n'))) : "somebody",
                                examined.data.native(), examined.daemon_failure.message),
                    fmt::format("kill it (the processes go on), then {}", serve_command(examined.data)));
    } else if (is_anothers(examined.data)) {
        out.note("daemon", "not asked: the data directory is another user's", "");
    } else if (examined.daemon_failure.code != ErrorCode::unavailable) {
        out.problem("daemon", examined.daemon_failure.message, "");
    } else {
        out.note("daemon", fmt::format("none serves {}", examined.data.native()),
                 fmt::format("run and start begin one; or: {}", serve_command(examined.data)));
    }
}

void check_endpoint(const Examined& examined, Findings& out) {
    const char* name = "endpoint";
    if (!examined.daemon) {
        const auto holder = examined.port == 0 ? std::nullopt : rundir::find_port_holder(examined.port);
        if (!holder)
            out.ok(name, fmt::format("port {} is free", examined.port));
        else if (holder->pid != 0 && holder->pid == examined.holder)
            out.note(name, fmt::format("port {} is held by the daemon that does not answer", examined.port), "");
        else
            out.problem(name, fmt::format("port {} is held by {}", examined.port, rundir::holder_text(*holder)),
                        "end it, or give the daemon and `persistproc setup` another --port");
        return;
    }
    const auto& server = examined.server;
    const bool asks_for_token = examined.daemon->needs_token && !server && server.error().code == ErrorCode::denied;
    const auto token = rundir::read_token(examined.data);
    if (examined.daemon->needs_token && !token && token.error().code != ErrorCode::not_found)
        out.problem(name, "token: " + token.error().message, "until then no other daemon begins here");
    else if (asks_for_token)
        out.ok(name, fmt::format("{} answers, and asks for the token", examined.endpoint));
    else if (!server)
        out.problem(name, fmt::format("{}: {}", examined.endpoint, server.error().message),
                    "persistproc shutdown --keep, then start it again; agents cannot reach it so");
    else if (*server != "persistproc")
        out.problem(name, fmt::format("{} is answered by \"{}\"", examined.endpoint, *server),
                    "end that server, or give the daemon another --port");
    else
        out.ok(name, fmt::format("{} answers", examined.endpoint));
    // The daemon holds 127.0.0.1; [::1] only where that was free.
    if (const auto other = rundir::find_port_holder(examined.port, static_cast<pid_t>(examined.daemon->pid)))
        out.note(name, rundir::shared_port_text(examined.port, rundir::holder_text(*other)),
                 "name 127.0.0.1 in agents' entries, as `persistproc setup` does, or end it");
    if (examined.common.port != 0 && examined.port != examined.common.port)
        out.note(
            "port",
            fmt::format("the daemon serves at port {}, the settings here say {}", examined.port, examined.common.port),
            "--port and PERSISTPROC_PORT count when a daemon starts");
}

}  // namespace persistproc::cli::doctor
