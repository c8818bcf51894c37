#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/agents/config_file.hpp"
#include "cli/agents/entry_check.hpp"
#include "cli/client.hpp"
#include "cli/commands/commands.hpp"
#include "cli/daemon_start.hpp"
#include "cli/format/json_text.hpp"
#include "cli/probes.hpp"
#include "common/api/client_operations.hpp"
#include "common/api/list_processes.hpp"
#include "common/base/file.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/text.hpp"
#include "common/base/version.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::commands {

namespace {

namespace fs = std::filesystem;
using boost::asio::experimental::awaitable_operators::operator||;
using agents::Verdict;

constexpr int problem_status = 1;
/// A daemon that answers at all answers these questions at once.
constexpr auto answer_bound = std::chrono::seconds(10);

/// What several checks look at, found out once.
struct Examined {
    CommonOptions common;
    fs::path data;
    std::optional<api::DaemonInfo> daemon;
    Error daemon_failure;  // without a daemon: why
    std::optional<std::vector<ProcessView>> processes;
    std::string endpoint;  // the daemon's, or where one would be
    std::uint16_t port = 0;
};

class Findings {
public:
    void add(Verdict verdict, std::string name, std::string detail, std::string advice = {}) {
        constexpr std::string_view names[] = {"ok", "note", "problem"};
        lines_.push_back(
            {std::move(name), names[static_cast<std::size_t>(verdict)], std::move(detail), std::move(advice)});
        has_problem_ = has_problem_ || verdict == Verdict::problem;
    }
    void ok(std::string name, std::string detail) { add(Verdict::ok, std::move(name), std::move(detail)); }
    void note(std::string name, std::string detail, std::string advice) {
        add(Verdict::note, std::move(name), std::move(detail), std::move(advice));
    }
    void problem(std::string name, std::string detail, std::string advice) {
        add(Verdict::problem, std::move(name), std::move(detail), std::move(advice));
    }

    const std::vector<format::CheckLine>& lines() const noexcept { return lines_; }
    bool has_problem() const noexcept { return has_problem_; }

private:
    std::vector<format::CheckLine> lines_;
    bool has_problem_ = false;
};

std::uint16_t port_of(std::string_view endpoint) {
    const std::size_t colon = endpoint.rfind(':');
    const auto port = rundir::parse_port(endpoint.substr(colon + 1, endpoint.find('/', colon) - colon - 1), "endpoint");
    return port ? *port : std::uint16_t{0};
}

void check_programs(const Examined&, Findings& out) {
    std::error_code failed;
    const fs::path self = fs::read_symlink("/proc/self/exe", failed);
    const std::string own(base::version());
    out.ok("client", fmt::format("{} {}", self.native(), own));

    const char* reinstall = "install the programs of one version together";
    const auto daemon = find_daemon_program();
    if (!daemon) {
        out.problem("daemon program", daemon.error().message, reinstall);
        return;
    }
    const auto version = ask_version(*daemon);
    if (!version)
        out.problem("daemon program", version.error().message, reinstall);
    else if (*version != own)
        out.problem("daemon program",
                    fmt::format("{} is version {}, the client is {}", daemon->native(), *version, own), reinstall);
    else
        out.ok("daemon program", fmt::format("{} {}", daemon->native(), *version));

    // As the daemon looks for it, from where it really is.
    const fs::path folder = fs::weakly_canonical(*daemon, failed).parent_path();
    for (const fs::path& place :
         {folder / "persistproc-shim", folder.parent_path() / "libexec" / "persistproc" / "persistproc-shim"}) {
        if (::access(place.c_str(), X_OK) != 0) continue;
        out.ok("shim", place.native());
        return;
    }
    out.problem("shim", fmt::format("persistproc-shim is not beside {}", daemon->native()), reinstall);
}

void check_data_directory(const Examined& examined, Findings& out) {
    const char* name = "data directory";
    const std::string data = examined.data.native();
    const std::string quoted = base::shell_quote(data);
    struct stat facts {};
    if (::lstat(data.c_str(), &facts) != 0) {
        if (errno == ENOENT)
            out.ok(name, fmt::format("{} is made when the daemon first starts", data));
        else
            out.problem(name, fmt::format("{}: {}", data, std::strerror(errno)), "give another --data-dir");
        return;
    }
    if (!S_ISDIR(facts.st_mode))
        out.problem(name, fmt::format("{} is no directory", data), "give another --data-dir");
    else if (facts.st_uid != ::geteuid())
        out.problem(name, fmt::format("{} belongs to another user (uid {})", data, facts.st_uid),
                    "give another --data-dir");
    else if (::access(data.c_str(), R_OK | W_OK | X_OK) != 0)
        out.problem(name, fmt::format("{} cannot be written: {}", data, std::strerror(errno)),
                    fmt::format("chmod 700 {}, or make its disk writable", quoted));
    else if ((facts.st_mode & 077u) != 0)
        out.problem(name, fmt::format("{} is open to other users (mode {:04o})", data, facts.st_mode & 07777u),
                    fmt::format("chmod 700 {}", quoted));
    else
        out.ok(name, data);
}

void check_disk_space(const Examined& examined, Findings& out) {
    constexpr std::uint64_t mebibyte = 1u << 20, scarce = 64, little = 1024;
    fs::path place = examined.data;
    std::error_code failed;
    while (!fs::exists(place, failed) && place.has_parent_path() && place != place.parent_path())
        place = place.parent_path();
    struct statvfs facts {};
    if (::statvfs(place.c_str(), &facts) != 0) {
        out.note("disk space", fmt::format("{}: {}", place.native(), std::strerror(errno)), "");
        return;
    }
    const std::uint64_t free = std::uint64_t{facts.f_bavail} * facts.f_frsize / mebibyte;
    const std::string detail = fmt::format("{} MiB are free at {}", free, place.native());
    if (free < scarce || (facts.f_files > 0 && facts.f_favail == 0))
        out.problem("disk space", detail, "make room: without it output is lost");
    else if (free < little)
        out.note("disk space", detail, "output takes up to 2 GiB");
    else
        out.ok("disk space", detail);
}

void check_daemon(const Examined& examined, Findings& out) {
    const std::string own(base::version());
    if (examined.daemon) {
        const api::DaemonInfo& daemon = *examined.daemon;
        const std::string detail =
            fmt::format("pid {} serves {}, version {}", daemon.pid, daemon.endpoint, daemon.version);
        if (daemon.version == own)
            out.ok("daemon", detail);
        else
            out.note("daemon", fmt::format("{}; the client is {}", detail, own),
                     fmt::format("persistproc shutdown --keep, then {}", serve_command(examined.data)));
        return;
    }
    const fs::path lock = examined.data / "daemon.lock";
    const auto held = base::is_locked(lock);
    if (held && *held) {
        const auto holder = base::read_file(lock, 4096);
        out.problem("daemon",
                    fmt::format("{} holds {} and does not answer: {}",
                                holder ? base::escape_line(holder->substr(0, holder->find('\n'))) : "somebody",
                                examined.data.native(), examined.daemon_failure.message),
                    fmt::format("kill it (the processes go on), then {}", serve_command(examined.data)));
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
        const auto holder = examined.port == 0 ? std::nullopt : find_port_holder(examined.port);
        if (!holder)
            out.ok(name, fmt::format("port {} is free", examined.port));
        else
            out.problem(name,
                        holder->pid ? fmt::format("port {} is held by {} (pid {})", examined.port, holder->command,
                                                  *holder->pid)
                                    : fmt::format("port {} is held by another user's program", examined.port),
                        "end it, or give the daemon and `persistproc setup` another --port");
        return;
    }
    const auto server = greet_server(examined.port);
    if (!server)
        out.problem(name, fmt::format("{}: {}", examined.endpoint, server.error().message),
                    "persistproc shutdown --keep, then start it again; agents cannot reach it so");
    else if (server->name != "persistproc")
        out.problem(name, fmt::format("{} is answered by \"{}\"", examined.endpoint, server->name),
                    "end that server, or give the daemon another --port");
    else
        out.ok(name, fmt::format("{} answers", examined.endpoint));
    if (examined.common.port != 0 && examined.port != examined.common.port)
        out.note(
            "port",
            fmt::format("the daemon serves at port {}, the settings here say {}", examined.port, examined.common.port),
            "--port and PERSISTPROC_PORT count when a daemon starts");
}

void check_linger(const Examined&, Findings& out) {
    std::error_code failed;
    if (!fs::exists("/run/systemd/system", failed)) {
        out.ok("logout", "no systemd runs here: processes outlive the session");
        return;
    }
    const passwd* user = ::getpwuid(::geteuid());
    const std::string name = user == nullptr ? std::string() : user->pw_name;
    if (name == "root" || (!name.empty() && fs::exists(fs::path("/var/lib/systemd/linger") / name, failed)))
        out.ok("logout", "systemd lets processes outlive the session");
    else
        out.note("logout", "systemd may end the processes when you log out", "loginctl enable-linger");
}

void check_processes(const Examined& examined, Findings& out) {
    if (!examined.daemon) return;
    if (!examined.processes) {
        out.problem("processes", "the daemon does not list them", "read its log, daemon.log in the data directory");
        return;
    }
    bool is_fine = true;
    for (const ProcessView& view : *examined.processes) {
        const std::string shown = fmt::format("{} ({})", view.id, base::escape_line(view.label));
        if (view.state == ProcessState::unreachable)
            out.problem("processes", fmt::format("{}: its shim lives and does not answer", shown),
                        fmt::format("look at pid {}; persistproc stop --force {}",
                                    view.pid ? std::to_string(*view.pid) : "?", view.id));
        else if (view.state == ProcessState::unsupported)
            out.note("processes", fmt::format("{} was written by a newer version", shown), "use that version");
        else if (view.state == ProcessState::lost)
            out.note("processes", fmt::format("{}: how it ended cannot be known", shown),
                     fmt::format("persistproc start {0}, or persistproc rm {0}", view.id));
        else
            continue;
        is_fine = false;
    }
    if (is_fine) out.ok("processes", fmt::format("{} known, none needs attention", examined.processes->size()));
}

/// As an agent finds a command: a path, or a name in PATH.
bool can_start(const std::string& command) {
    if (command.find('/') != std::string::npos) return ::access(command.c_str(), X_OK) == 0;
    const char* path = std::getenv("PATH");
    std::string_view rest = path == nullptr ? "" : path;
    while (!rest.empty()) {
        const std::size_t colon = rest.find(':');
        const fs::path place = fs::path(rest.substr(0, colon)) / command;
        if (::access(place.c_str(), X_OK) == 0) return true;
        rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
    }
    return false;
}

/// One table of servers that an agent reads.
struct AgentPlace {
    fs::path file;
    std::vector<std::string> table;
    std::string scope_flag;  // of the command that repairs it
};

std::vector<AgentPlace> places_of(const api::Agent& agent, const agents::Folders& folders) {
    std::vector<AgentPlace> out;
    const std::string table(agent.table);
    const auto user = agents::config_path(agent, api::AgentScope::user, folders);
    if (user) out.push_back({*user, {table}, ""});
    const auto project = agents::config_path(agent, api::AgentScope::project, folders);
    if (project && project != user) out.push_back({*project, {table}, " --scope project"});
    // What `claude mcp add` writes when no scope is given: a project's servers within the user's file.
    if (agent.name == "claude-code" && user) out.push_back({*user, {"projects", folders.project.native(), table}, ""});
    return out;
}

void check_agent(const api::Agent& agent, const agents::Folders& folders, const agents::Expected& expected,
                 Findings& out) {
    const std::string name(agent.name);
    bool is_silent = true;
    std::vector<std::string> looked_at;
    for (const AgentPlace& place : places_of(agent, folders)) {
        const std::string file = base::escape_line(place.file.native());
        const bool is_new = std::find(looked_at.begin(), looked_at.end(), file) == looked_at.end();
        if (is_new) looked_at.push_back(file);
        const auto config = agents::load_config(place.file);
        auto entries = config ? agents::find_entries(config->text, agent.syntax, place.table)
                              : Result<std::vector<agents::FoundEntry>>(config.error());
        if (!entries) {
            const std::string why = config ? fmt::format("{}: {}", file, entries.error().message)
                                           : base::escape_line(entries.error().message);
            if (is_new) out.problem(name, why, "repair the file; the agent may not read it either");
            is_silent = false;
            continue;
        }
        for (const agents::FoundEntry& entry : *entries) {
            if (!agents::is_ours(entry, expected)) continue;
            std::string repair = fmt::format("persistproc setup {}{}", agent.name, place.scope_flag);
            if (entry.name != "persistproc")
                repair += fmt::format(" --name {}", base::shell_quote(base::escape_line(entry.name)));
            if (place.table.size() > 1) repair = fmt::format("claude mcp remove --scope local {}", entry.name);
            const agents::Finding finding = agents::check_entry(agent, entry, expected, repair);
            out.add(
                finding.verdict, name,
                fmt::format("{}: {}{}", file,
                            entry.name == "persistproc" ? "" : fmt::format("\"{}\": ", base::escape_line(entry.name)),
                            finding.detail),
                finding.advice);
            is_silent = false;
        }
    }
    if (!is_silent) return;
    std::string files;
    for (const std::string& file : looked_at) files += (files.empty() ? "" : " and ") + file;
    out.note(name, fmt::format("no entry in {}", files), fmt::format("persistproc setup {}", agent.name));
}

void check_agents(const Examined& examined, Findings& out) {
    const auto folders = agents::find_folders();
    if (!folders) {
        out.problem("agents", folders.error().message, "");
        return;
    }
    agents::Expected expected;
    expected.endpoint = examined.endpoint;
    expected.daemon_answers = examined.daemon.has_value();
    expected.can_start = can_start;
    for (const api::Agent& agent : api::known_agents()) check_agent(agent, *folders, expected, out);
}

/// In the order of the answer. A check looks, never changes anything, and ends within a bound.
using Check = void (*)(const Examined&, Findings&);
constexpr Check checks[] = {check_programs, check_data_directory, check_disk_space, check_daemon,
                            check_endpoint, check_linger,         check_processes,  check_agents};

/// The task's answer, or that the time is over.
template <class T>
Task<Result<T>> bounded(Task<Result<T>> task) {
    async::SystemClock clock;
    const MonoTime until = clock.now() + answer_bound;
    auto limit = clock.sleep_until(until);
    auto first = co_await (std::move(task) || std::move(limit));
    if (first.index() != 0) {
        Error late;
        late.code = ErrorCode::timeout;
        late.message = fmt::format("the daemon does not answer within {} s", answer_bound.count());
        co_return late;
    }
    co_return std::move(std::get<0>(first));
}

Task<Examined> examine(Context context) {
    Examined out;
    out.common = context.common;
    out.data = context.common.data_directory;
    out.port = context.common.port;
    out.endpoint = fmt::format("http://127.0.0.1:{}/mcp", out.port);
    auto client = co_await DaemonClient::connect(context.executor, out.data);
    if (!client) {
        out.daemon_failure = client.error();
        co_return out;
    }
    auto asked = (*client)->info();
    auto info = co_await bounded(std::move(asked));
    if (!info) {
        out.daemon_failure = info.error();
        co_return out;
    }
    out.daemon = std::move(*info);
    out.endpoint = out.daemon->endpoint;
    out.port = port_of(out.endpoint);
    auto listed = (*client)->list_all();
    auto views = co_await bounded(std::move(listed));
    if (views) out.processes = std::move(*views);
    co_return out;
}

std::string text_of(const std::vector<format::CheckLine>& lines) {
    constexpr std::size_t status_width = 8;
    std::string out;
    for (const format::CheckLine& line : lines)
        out += fmt::format("{:<{}} {}: {}{}\n", line.status, status_width, line.name, base::escape_line(line.detail),
                           line.advice.empty() ? "" : " → " + base::escape_line(line.advice));
    return out;
}

}  // namespace

Task<int> doctor(Context context, DoctorOptions) {
    const Examined examined = co_await examine(context);
    Findings findings;
    for (const Check check : checks) check(examined, findings);
    context.console.print(context.console.json() ? format::checks_json(findings.lines()) : text_of(findings.lines()));
    co_return findings.has_problem() ? problem_status : 0;
}

}  // namespace persistproc::cli::commands
