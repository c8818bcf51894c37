#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "cli/commands/arguments.hpp"
#include "cli/daemon_end.hpp"
#include "cli/daemon_start.hpp"
#include "cli/event_loop.hpp"
#include "cli/format/json_text.hpp"
#include "cli/probes.hpp"
#include "common/base/exit_status.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/proc.hpp"
#include "common/base/text.hpp"
#include "common/ops/agent_setup.hpp"
#include "common/ops/client_operations.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "common/rundir/port_holder.hpp"

namespace persistproc::cli::commands {

namespace {

Task<Result<ops::DaemonInfo>> find_daemon(boost::asio::any_io_executor executor, CommonOptions common) {
    const std::filesystem::path data = common.data_directory;
    auto client = co_await DaemonClient::connect(executor, data, silence_teller(common));
    if (!client) co_return client.error();
    co_return co_await (*client)->info();
}

int tell_served(const Console& console, const CommonOptions& common, const ops::DaemonInfo& running) {
    console.fail(Error{ErrorCode::conflict,
                       fmt::format("a daemon (pid {}) already serves {} at {}; --replace takes over from it",
                                   running.pid, common.data_directory, running.endpoint)});
    return base::directory_held_status;
}

Task<int> detach(boost::asio::any_io_executor executor, CommonOptions common, Console console) {
    const std::filesystem::path data = common.data_directory;
    auto running = co_await find_daemon(executor, common);
    if (running) co_return tell_served(console, common, *running);
    if (running.error().code == ErrorCode::denied || is_silence(running.error()))
        co_return console.fail(running.error());
    if (auto started = start_daemon(common); !started) {
        // Another may have taken the directory meanwhile, and may not serve yet.
        const auto held = base::is_locked(data / rundir::daemon_lock_name);
        if (!held || !*held) co_return console.fail(started.error());
        running = co_await find_daemon(executor, common);
        if (running) co_return tell_served(console, common, *running);
        console.fail(started.error());
        co_return base::directory_held_status;
    }
    auto info = co_await find_daemon(executor, common);
    if (!info) co_return console.fail(info.error());
    // What a daemon in the foreground says of it stands in the log of this one.
    if (const auto other = rundir::find_port_holder(common.port, static_cast<pid_t>(info->pid)))
        console.note(rundir::shared_port_text(common.port, rundir::holder_text(*other)) + "; name 127.0.0.1");
    if (console.json()) {
        console.print(format::daemon_json(*info));
        co_return 0;
    }
    if (!console.quiet())
        console.print(fmt::format(
            "serving at {} (pid {})\n{}", info->endpoint, info->pid,
            ops::agent_setup_text(info->endpoint, info->needs_token ? rundir::token_path(data).native() : "")));
    co_return 0;
}

/// As the daemon's command line has them; --compat stands apart, because a variable may ask for it, too.
std::vector<std::string> as_typed(const config::DaemonSettings& settings) {
    std::vector<std::string> out;
    const auto add = [&out](const char* flag, std::string value) {
        out.insert(out.end(), {std::string("--") + flag, std::move(value)});
    };
    config::DaemonSettings::fields([&](const auto& field) {
        using Value = typename std::decay_t<decltype(field)>::Value;
        const Value& value = field.of(settings);
        if constexpr (std::is_same_v<Value, std::optional<std::string>>) {
            if (value) add(field.flag, *value);
        } else if constexpr (std::is_same_v<Value, std::optional<rundir::Auth>>) {
            if (value) add(field.flag, std::string(schema::enum_name(*value)));
        } else if constexpr (std::is_same_v<Value, std::optional<std::uint64_t>>) {
            if (value) add(field.flag, std::to_string(*value));
        } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
            for (const std::string& each : value) add(field.flag, each);
        }
    });
    return out;
}

/// What a daemon was told on its command line, as that has it, without where it serves and what is typed anew.
std::vector<std::string> settings_of(pid_t daemon, const std::vector<std::string>& typed) {
    std::vector<std::string> out;
    const std::vector<std::string> words = base::command_line(daemon);
    for (std::size_t i = 1; i < words.size(); ++i) {
        const std::size_t equals = words[i].find('=');
        const std::string name = words[i].substr(0, equals);
        config::DaemonSettings::fields([&](const auto& field) {
            using Value = typename std::decay_t<decltype(field)>::Value;
            if (name != std::string("--") + field.flag) return;
            const bool is_typed = std::find(typed.begin(), typed.end(), name) != typed.end();
            if (!is_typed) out.push_back(name);
            if constexpr (!std::is_same_v<Value, bool>) {
                const std::string value = equals != std::string::npos ? words[i].substr(equals + 1)
                                          : i + 1 < words.size()      ? words[++i]
                                                                      : std::string();
                if (!is_typed) out.push_back(value);
            }
        });
    }
    return out;
}

/// Gives the daemon that is to come the port and the settings of the one that runs, where nothing else is asked for,
/// and says so.
void keep_settings(CommonOptions& wanted, const ops::DaemonInfo& running, const Console& console) {
    std::vector<std::string> kept = settings_of(static_cast<pid_t>(running.pid), wanted.daemon_flags);
    if (wanted.compat) std::erase(kept, "--compat");
    wanted.compat = std::erase(kept, "--compat") > 0 || wanted.compat;
    wanted.daemon_flags.insert(wanted.daemon_flags.end(), kept.begin(), kept.end());
    std::string text;
    for (const std::string& each : kept) text += " " + base::escape_line(base::shell_quote(each));
    const std::uint16_t port = port_of(running.endpoint);
    if (port > 0 && wanted.port_chosen && port != wanted.port)
        console.note(fmt::format("the port of the daemon that is replaced was {}, now it is {}", port, wanted.port));
    if (port > 0 && !wanted.port_chosen) {
        if (port != wanted.port) text = fmt::format(" --port {}", port) + text;
        wanted.port = port;
    }
    if (!text.empty()) console.note("as the daemon that is replaced:" + text);
}

/// Where one runs, and can be asked; else whoever ends it says why. Returns 0, or the exit status of one that is
/// silent.
Task<int> keep_running_settings(boost::asio::any_io_executor executor, CommonOptions& wanted, Console console) {
    auto running = co_await find_daemon(executor, wanted);
    if (running) keep_settings(wanted, *running, console);
    // It would be as silent when it is asked again.
    co_return !running && is_silence(running.error()) ? console.fail(running.error()) : 0;
}

/// Ends the daemon that runs, if there is one, and its port is another's, or ours to be had. Returns 0, or the exit
/// status.
Task<int> end_running_daemon(boost::asio::any_io_executor executor, CommonOptions common, Console console) {
    // The next one may have another port.
    common.port_given = false;
    auto running = co_await find_daemon(executor, common);
    if (!running && running.error().code == ErrorCode::unavailable && !is_silence(running.error())) co_return 0;
    if (!running) co_return console.fail(running.error());
    // What it keeps is on no disk any more: the next one would know nothing of it.
    if (const auto present = rundir::check_present(common.data_directory, rundir::daemon_lock_name); !present)
        co_return console.fail(present.error());
    const bool has_port = port_of(running->endpoint) == common.port;
    if (common.port != 0 && !has_port && is_port_taken(common.port)) {
        Error taken{ErrorCode::conflict, rundir::taken_port_text(common.port, static_cast<pid_t>(running->pid))};
        taken.message += fmt::format("; the daemon (pid {}) goes on", running->pid);
        co_return console.fail(taken);
    }
    auto ended = co_await end_daemon(executor, common, true);
    if (!ended && (ended.error().code != ErrorCode::unavailable || is_silence(ended.error())))
        co_return console.fail(ended.error());
    co_return 0;
}

}  // namespace

static int serve(const CommonOptions& common, const Console& console, ServeArguments options) {
    if (options.detach && options.flags.ready_fd)
        return console.fail(
            Error{ErrorCode::invalid,
                  "serve: --ready-fd is of a daemon in the foreground; with --detach the command itself "
                  "ends once the daemon serves"});
    if (auto open = config::check_ready_fd(options.flags.ready_fd); !open) return console.fail(open.error());
    CommonOptions wanted = common;
    wanted.compat = wanted.compat || options.settings.compat;
    wanted.daemon_flags = as_typed(options.settings);
    if (options.replace) {
        const auto keep = [&](boost::asio::any_io_executor executor) {
            return keep_running_settings(executor, wanted, console);
        };
        if (const int status = run_task(keep); status != 0) return status;
    }
    auto program = find_daemon_program();
    if (!program) return console.fail(program.error());
    std::vector<std::string> words = {program->native(), "--data-dir", common.data_directory, "--port",
                                      std::to_string(wanted.port)};
    if (wanted.compat) words.emplace_back("--compat");
    words.insert(words.end(), wanted.daemon_flags.begin(), wanted.daemon_flags.end());
    if (common.quiet) words.emplace_back("-q");
    if (options.flags.verbose) words.emplace_back("-v");
    // What cannot begin takes nothing from anybody; and is a mistake of who typed it, in the background, too.
    if (options.replace || (options.detach && !wanted.daemon_flags.empty())) {
        if (const auto fine = check_daemon_start(*program, {words.begin() + 1, words.end()}); !fine)
            return console.fail(fine.error());
    }
    if (options.replace) {
        const auto end = [&](boost::asio::any_io_executor executor) {
            return end_running_daemon(executor, wanted, console);
        };
        if (const int status = run_task(end); status != 0) return status;
    }
    if (options.detach)
        return run_task([&](boost::asio::any_io_executor executor) { return detach(executor, wanted, console); });
    if (options.flags.ready_fd) {
        words.insert(words.end(), {"--ready-fd", std::to_string(*options.flags.ready_fd)});
        // Whoever gave it may have marked it close-on-exec for us alone.
        if (const int flags = ::fcntl(*options.flags.ready_fd, F_GETFD); flags >= 0)
            ::fcntl(*options.flags.ready_fd, F_SETFD, flags & ~FD_CLOEXEC);
    }
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(program->c_str(), argv.data());
    return console.fail(Error{ErrorCode::unavailable, fmt::format("{}: {}", program->native(), std::strerror(errno))});
}

extern const Subcommand serve_subcommand = make_subcommand<serve>({
    .name = "serve",
    .words = "",
    .summary = "run the daemon; it is also started when needed",
    .text = "Runs the daemon in the foreground, or with --detach in the background. Prints its endpoint and how to add "
            "it to agents.",
    .examples = {"persistproc serve --detach", "persistproc serve --port 9000", "persistproc serve --detach --replace"},
    .statuses = {{base::directory_held_status, "another daemon serves this data directory"}},
});

}  // namespace persistproc::cli::commands
