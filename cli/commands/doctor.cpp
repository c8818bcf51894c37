#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/quota.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/agents/config_file.hpp"
#include "cli/agents/entry_check.hpp"
#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/daemon_start.hpp"
#include "cli/find_command.hpp"
#include "cli/format/cells.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/help.hpp"
#include "cli/format/json_text.hpp"
#include "cli/probes.hpp"
#include "cli/run_survey.hpp"
#include "common/base/file.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/proc.hpp"
#include "common/base/text.hpp"
#include "common/base/version.hpp"
#include "common/config/config_file.hpp"
#include "common/logstore/log_watch.hpp"
#include "common/mcp/client/client.hpp"
#include "common/ops/client_operations.hpp"
#include "common/ops/list_processes.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::commands {

namespace {

namespace fs = std::filesystem;
using boost::asio::experimental::awaitable_operators::operator||;
using agents::Verdict;

constexpr int problem_status = 1;
/// A daemon that answers at all answers these questions at once.
constexpr auto answer_bound = std::chrono::seconds(10);
/// One that has not run at all for so long, while it was asked, hangs.
constexpr auto stuck_bound = std::chrono::milliseconds(600);
constexpr auto progress_interval = std::chrono::milliseconds(50);

/// What several checks look at, found out once.
struct Examined {
    CommonOptions common;
    fs::path data;
    std::optional<ops::DaemonInfo> daemon;
    Error daemon_failure;  // without a daemon: why
    pid_t holder = 0;      // who has the data directory, by its own word; 0: nobody
    std::optional<std::vector<ProcessView>> processes;
    std::string endpoint;                        // the daemon's, or where one would be
    Result<std::string> server = std::string();  // the name of who answers at the daemon's
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

bool can_start(const std::string& command) { return find_command(command).has_value(); }

/// What the advice of every answer says to type must start this program.
void check_path(const Examined&, Findings& out) {
    const char* name = "PATH";
    const fs::path self = base::own_program();
    std::error_code failed;
    const auto found = find_command("persistproc");
    const std::string own = self.parent_path().native();
    const std::string advice =
        fmt::format("export PATH={}:\"$PATH\" in your shell's startup file", base::shell_quote(own));
    if (!found)
        out.note(name, fmt::format("{} is not on it: no shell and no agent finds persistproc", own), advice);
    else if (fs::weakly_canonical(*found, failed) != fs::weakly_canonical(self, failed))
        out.note(name, fmt::format("persistproc on it is {}, not this one, {}", found->native(), self.native()),
                 advice + ", or remove the other");
    else
        out.ok(name, fmt::format("{} is on it", own));
}

void check_programs(const Examined&, Findings& out) {
    const fs::path self = base::own_program();
    std::error_code failed;
    const std::string own = base::version_text(base::version(), base::commit());
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

/// What is the client's was read when it began; of what is the daemon's the daemon's program says what is wrong.
void check_settings(const Examined& examined, Findings& out) {
    const char* name = "settings";
    const char* advice = "correct it: until then nothing else works";
    if (const std::string& fault = examined.common.settings_fault; !fault.empty())
        return out.problem(name, fault, advice);
    const auto program = find_daemon_program();
    if (const auto fine = program ? check_daemon_settings(*program) : Result<void>(); !fine)
        return out.problem(name, fine.error().message, "correct it: until then no daemon begins");
    const fs::path path = config::find_config_path();
    std::error_code failed;
    out.ok(name, path.empty()               ? "neither XDG_CONFIG_HOME nor HOME says where they would be"
                 : fs::exists(path, failed) ? path.native()
                                            : fmt::format("none in {}", path.native()));
}

void check_data_directory(const Examined& examined, Findings& out) {
    const char* name = "data directory";
    const std::string data = examined.data.native();
    const std::string quoted = base::shell_quote(data);
    struct stat facts {};
    const bool is_there = ::lstat(data.c_str(), &facts) == 0;
    const bool is_missing = !is_there && errno == ENOENT;
    const auto held = base::is_locked(examined.data / "daemon.lock");
    // The daemon that answers keeps its lock for as long as it lives, in the directory that it was started with.
    if (examined.daemon && (is_missing || (is_there && (held ? !*held : held.error().code == ErrorCode::not_found)))) {
        out.problem(name, fmt::format("{} was removed while the daemon ran; nothing can be recorded", data),
                    "persistproc shutdown ends what still runs; then the next start begins anew");
        return;
    }
    if (!is_there) {
        if (is_missing)
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

/// What the user's quota leaves on the file system of `place`, in bytes; nothing: there is none, or the kernel does not
/// say. Source: quotactl_fd(2), Linux 5.14.
std::optional<std::uint64_t> quota_left(const fs::path& place) {
    const base::UniqueFd fd(::open(place.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    dqblk quota{};
    constexpr long quotactl_fd = 443;
    const int command = QCMD(Q_GETQUOTA, USRQUOTA);
    if (!fd || ::syscall(quotactl_fd, fd.get(), command, ::geteuid(), &quota) != 0) return std::nullopt;
    if (quota.dqb_bhardlimit == 0) return std::nullopt;
    constexpr std::uint64_t block = 1024;
    const std::uint64_t most = quota.dqb_bhardlimit * block;
    return most > quota.dqb_curspace ? most - quota.dqb_curspace : 0;
}

void check_disk_space(const Examined& examined, Findings& out) {
    constexpr std::uint64_t mebibyte = 1u << 20, scarce = 64, little = 1024, few_files = 1000;
    fs::path place = examined.data;
    std::error_code failed;
    while (!fs::exists(place, failed) && place.has_parent_path() && place != place.parent_path())
        place = place.parent_path();
    struct statvfs facts {};
    if (::statvfs(place.c_str(), &facts) != 0) {
        out.note("disk space", fmt::format("{}: {}", place.native(), std::strerror(errno)), "");
        return;
    }
    std::uint64_t free = std::uint64_t{facts.f_bavail} * facts.f_frsize / mebibyte;
    std::string detail = fmt::format("{} MiB are free at {}", free, place.native());
    if (const auto left = quota_left(place); left && *left / mebibyte < free) {
        free = *left / mebibyte;
        detail = fmt::format("{} MiB are left of your quota at {}", free, place.native());
    }
    const bool counts_files = facts.f_files > 0;
    if (counts_files && facts.f_favail < few_files)
        out.problem("disk space", fmt::format("{} files can still be made at {}", facts.f_favail, place.native()),
                    "remove files: each run of a program needs a few");
    else if (free < scarce)
        out.problem("disk space", detail, "make room: without it output is lost, and nothing can be started");
    else if (free < little)
        out.note("disk space", detail, "output takes up to 2 GiB");
    else
        out.ok("disk space", detail);
}

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
        return;
    }
    const fs::path lock = examined.data / "daemon.lock";
    const auto held = base::is_locked(lock);
    if (held && *held) {
        const auto holder = base::read_file(lock, 4096);
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
        else if (holder->pid && *holder->pid == examined.holder)
            out.note(name, fmt::format("port {} is held by the daemon that does not answer", examined.port), "");
        else
            out.problem(name,
                        holder->pid ? fmt::format("port {} is held by {} (pid {})", examined.port, holder->command,
                                                  *holder->pid)
                                    : fmt::format("port {} is held by another user's program", examined.port),
                        "end it, or give the daemon and `persistproc setup` another --port");
        return;
    }
    const auto& server = examined.server;
    const bool asks_for_token = examined.daemon->needs_token && !server && server.error().code == ErrorCode::denied;
    if (asks_for_token)
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
    if (const auto other = find_port_holder(examined.port, static_cast<pid_t>(examined.daemon->pid)))
        out.note(name,
                 fmt::format("[::1]:{} is held by {}: who takes localhost for that reaches it", examined.port,
                             other->pid ? fmt::format("{} (pid {})", other->command, *other->pid)
                                        : std::string("another user's program")),
                 "name 127.0.0.1 in agents' entries, as `persistproc setup` does, or end it");
    if (examined.common.port != 0 && examined.port != examined.common.port)
        out.note(
            "port",
            fmt::format("the daemon serves at port {}, the settings here say {}", examined.port, examined.common.port),
            "--port and PERSISTPROC_PORT count when a daemon starts");
}

void check_linger(const Examined&, Findings& out) {
    std::error_code failed;
    // What ends programs at a logout is systemd-logind; without it nothing does.
    if (!fs::exists("/run/systemd/system", failed) || !fs::exists("/run/systemd/users", failed)) {
        out.ok("logout", "no systemd-logind runs here: processes outlive the session");
        return;
    }
    const passwd* user = ::getpwuid(::geteuid());
    const std::string name = user == nullptr ? std::string() : user->pw_name;
    if (name == "root" || (!name.empty() && fs::exists(fs::path("/var/lib/systemd/linger") / name, failed)))
        out.ok("logout", "systemd lets processes outlive the session");
    else
        out.note("logout", "systemd may end the processes when you log out", "loginctl enable-linger");
}

/// The daemon raises its own limit as far as it may, so the hard one counts.
void check_descriptors(const Examined& examined, Findings& out) {
    const char* name = "open files";
    constexpr std::uint64_t own = 256, each_run = 5, usual = 4096;
    std::uint64_t most = 0;
    rlimit ours{};
    if (examined.daemon) {
        rlimit theirs{};
        if (::prlimit(static_cast<pid_t>(examined.daemon->pid), RLIMIT_NOFILE, nullptr, &theirs) != 0) return;
        most = theirs.rlim_cur;
    } else if (::getrlimit(RLIMIT_NOFILE, &ours) == 0) {
        most = ours.rlim_max;
    }
    std::uint64_t live = 0;
    if (examined.processes)
        for (const ProcessView& view : *examined.processes) live += domain::is_live(view) ? 1 : 0;
    const std::string detail = fmt::format("the daemon {} hold {} at once", examined.daemon ? "may" : "would", most);
    const char* advice = "raise the hard limit (ulimit -Hn, LimitNOFILE= of a service), then start the daemon again";
    if (most < own + each_run * live)
        out.problem(name, fmt::format("{}, and {} processes run", detail, live), advice);
    else if (most < usual)
        out.note(name, detail, advice);
    else
        out.ok(name, detail);
}

/// What the daemon and the programs that agents start have of whoever started it, for as long as it runs: neither a
/// nice value nor a hard limit can be raised back (setpriority(2), setrlimit(2)).
void check_inherited(const Examined& examined, Findings& out) {
    if (!examined.daemon) return;
    const auto pid = static_cast<pid_t>(examined.daemon->pid);
    std::vector<std::string> worse;
    const int theirs = ::getpriority(PRIO_PROCESS, static_cast<id_t>(pid)), ours = ::getpriority(PRIO_PROCESS, 0);
    if (theirs > ours) worse.push_back(fmt::format("its nice value is {}, here it is {}", theirs, ours));
    constexpr std::pair<__rlimit_resource, std::string_view> limits[] = {{RLIMIT_AS, "address space"},
                                                                         {RLIMIT_CPU, "processor time"},
                                                                         {RLIMIT_DATA, "data"},
                                                                         {RLIMIT_FSIZE, "size of files"},
                                                                         {RLIMIT_MEMLOCK, "locked memory"},
                                                                         {RLIMIT_NOFILE, "open files"},
                                                                         {RLIMIT_NPROC, "processes"},
                                                                         {RLIMIT_STACK, "stack"}};
    for (const auto& [resource, what] : limits) {
        rlimit here{}, there{};
        if (::getrlimit(resource, &here) != 0 || ::prlimit(pid, resource, nullptr, &there) != 0) continue;
        if (there.rlim_max < here.rlim_max)
            worse.push_back(fmt::format("its hard limit of {} is {}, here it is {}", what, there.rlim_max,
                                        here.rlim_max == RLIM_INFINITY ? "unlimited" : std::to_string(here.rlim_max)));
    }
    const char* name = "inherited limits";
    if (worse.empty()) return out.ok(name, "the daemon has no lower ones than this terminal");
    out.note(name, fmt::format("the daemon has them of whoever started it: {}", fmt::join(worse, "; ")),
             fmt::format("they cannot be raised back; let a new daemon take over: {} --replace",
                         serve_command(examined.data)));
}

/// The kernel counts instances and watches by user: what it gives here it gives the daemon.
void check_log_watches(const Examined&, Findings& out) {
    const char* name = "log watches";
    const auto note = [&](const char* what, const Error& failed, const char* limit) {
        out.note(name,
                 fmt::format("the kernel gives no inotify {} ({}); logs are looked at ten times a second instead", what,
                             std::strerror(failed.os_error)),
                 fmt::format("raise {}, or end what uses them up", limit));
    };
    auto watches = logstore::LogWatches::open();
    if (!watches) return note("instance", watches.error(), "fs.inotify.max_user_instances");
    const auto added = watches->add("/");
    if (!added) return note("watch", added.error(), "fs.inotify.max_user_watches");
    out.ok(name, "the kernel tells when a log grows");
}

/// Shims, asked past the daemon.
void check_runs(const Examined& examined, Findings& out) {
    const char* name = "shims";
    const auto odd = find_odd_runs(examined.data);
    if (!odd) {
        out.problem(name, odd.error().message, "");
        return;
    }
    for (const OddRun& each : *odd) {
        const std::string run = to_string(each.id), process = to_string(each.id.process);
        switch (each.kind) {
            case OddRun::Kind::silent:
                if (each.is_stopped)
                    out.problem(name, fmt::format("{}: its shim (PID {}) was stopped", run, each.shim),
                                fmt::format("kill -CONT {}: it records nothing meanwhile", each.shim));
                else
                    out.problem(
                        name, fmt::format("{}: its shim (PID {}) does not answer", run, each.shim),
                        fmt::format("if that lasts: kill -KILL {}; the daemon has another shim take over", each.shim));
                break;
            case OddRun::Kind::abandoned:
                out.problem(name, fmt::format("{}: its shim is dead, its program (PID {}) lives", run, each.program),
                            fmt::format("persistproc stop {0}, then start {0}: nothing records its output", process));
                break;
            case OddRun::Kind::unsupported:
                out.note(name, fmt::format("{}: {}", run, each.detail), "use the version that wrote it");
                break;
            case OddRun::Kind::damaged:
                out.problem(name, fmt::format("{}: {}", run, each.detail),
                            fmt::format("persistproc rm {} when you no longer need its output", process));
                break;
        }
    }
    const std::size_t live = examined.daemon || examined.holder != 0 ? 0 : count_processes(examined.data).live;
    if (live > 0)
        out.note(name,
                 live == 1 ? "one program runs on without a daemon"
                           : fmt::format("{} programs run on without a daemon", live),
                 fmt::format("{} takes up what runs", serve_command(examined.data)));
    else if (odd->empty())
        out.ok(name, "each answers that should");
}

bool has_left(const ProcessView& view) {
    return std::any_of(view.causes.begin(), view.causes.end(),
                       [](const domain::Cause& each) { return each.code == domain::CauseCode::left_running; });
}

void check_processes(const Examined& examined, Findings& out) {
    if (!examined.daemon) return;
    if (!examined.processes) {
        out.problem("processes", "the daemon does not list them", "read its log, daemon.log in the data directory");
        return;
    }
    bool is_fine = true;
    std::vector<std::string> broken, their_ids;
    for (const ProcessView& view : *examined.processes) {
        const bool is_broken = view.state == ProcessState::gave_up || view.state == ProcessState::failed;
        if (is_broken && their_ids.size() < 5) {
            broken.push_back(fmt::format("{} ({})", view.id, base::escape_line(view.label)));
            their_ids.push_back(view.id);
        } else if (is_broken) {
            broken.push_back("");
        }
        const std::string shown = fmt::format("{} ({})", view.id, base::escape_line(view.label));
        if (view.state == ProcessState::unreachable)
            out.problem("processes", fmt::format("{}: its shim lives and does not answer", shown),
                        fmt::format("look at pid {}; persistproc stop --force {}",
                                    view.pid ? std::to_string(*view.pid) : "?", view.id));
        else if (view.state == ProcessState::unsupported)
            out.note("processes", fmt::format("{} was written by another version", shown), "use that version");
        else if (view.state == ProcessState::lost)
            out.note("processes", fmt::format("{}: how it ended cannot be known", shown),
                     has_left(view)
                         ? fmt::format("persistproc stop {0} ends what it left, then persistproc rm {0}", view.id)
                         : fmt::format("persistproc start {0}, or persistproc rm {0}", view.id));
        else if (domain::is_live(view) && !view.causes.empty())
            out.note("processes", fmt::format("{}: {}", shown, base::escape_line(format::told_causes(view))),
                     fmt::format("persistproc status {}", view.id));
        else
            continue;
        is_fine = false;
    }
    if (!broken.empty()) {
        const std::size_t count = broken.size();
        broken.resize(their_ids.size());
        out.note("processes",
                 fmt::format("{} of {} gave up or failed: {}{}", count, examined.processes->size(),
                             fmt::join(broken, ", "), count > broken.size() ? ", …" : ""),
                 fmt::format("persistproc status {}", fmt::join(their_ids, " ")));
    } else if (is_fine) {
        out.ok("processes", fmt::format("{} known, none needs attention", examined.processes->size()));
    }
}

/// One table of servers that an agent reads.
struct AgentPlace {
    fs::path file;
    std::vector<std::string> table;
    std::string scope_flag;  // of the command that repairs it
};

std::vector<AgentPlace> places_of(const ops::Agent& agent, const agents::Folders& folders) {
    std::vector<AgentPlace> out;
    const std::string table(agent.table);
    const auto user = agents::config_path(agent, ops::AgentScope::user, folders);
    if (user) out.push_back({*user, {table}, ""});
    const auto project = agents::config_path(agent, ops::AgentScope::project, folders);
    if (project && project != user) out.push_back({*project, {table}, " --scope project"});
    // What `claude mcp add` writes when no scope is given: a project's servers within the user's file.
    if (agent.name == "claude-code" && user) out.push_back({*user, {"projects", folders.project.native(), table}, ""});
    return out;
}

/// Whether the agent reaches the daemon by a URL.
bool check_agent(const ops::Agent& agent, const agents::Folders& folders, const agents::Expected& expected,
                 Findings& out) {
    const std::string name(agent.name);
    bool is_silent = true, by_url = false;
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
            by_url = by_url || agents::names_url(entry);
        }
    }
    if (!is_silent) return by_url;
    std::string files;
    for (const std::string& file : looked_at) files += (files.empty() ? "" : " and ") + file;
    out.note(name, fmt::format("no entry in {}", files), fmt::format("persistproc setup {}", agent.name));
    return false;
}

/// Whether systemd starts the daemon with the user's session.
bool is_enabled_unit() {
    const char* config = std::getenv("XDG_CONFIG_HOME");
    const char* home = std::getenv("HOME");
    const fs::path own =
        config != nullptr && *config != '\0' ? fs::path(config) : fs::path(home == nullptr ? "" : home) / ".config";
    std::error_code failed;
    for (const fs::path& folder : {own / "systemd/user", fs::path("/etc/systemd/user")})
        if (fs::is_symlink(folder / "default.target.wants" / "persistprocd.service", failed)) return true;
    return false;
}

/// An entry with a URL starts nothing: it works while something else keeps a daemon running.
void check_reboot(const std::vector<std::string>& by_url, Findings& out) {
    const char* name = "reboot";
    if (by_url.empty())
        out.ok(name, "no agent has an entry that needs a running daemon");
    else if (is_enabled_unit())
        out.ok(name, "systemd starts the daemon when you log in");
    else
        out.note(name,
                 fmt::format("{} {} the daemon by its URL, and nothing starts it after a reboot",
                             fmt::join(by_url, ", "), by_url.size() == 1 ? "reaches" : "reach"),
                 fmt::format("persistproc setup {} --stdio lets the agent start it; or systemctl --user enable "
                             "persistprocd",
                             by_url.size() == 1 ? by_url.front() : "CLIENT"));
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
    expected.needs_token = examined.daemon && examined.daemon->needs_token;
    if (const auto token = rundir::read_token(examined.data); expected.needs_token && token) expected.token = *token;
    std::vector<std::string> by_url;
    for (const ops::Agent& agent : ops::known_agents())
        if (check_agent(agent, *folders, expected, out)) by_url.emplace_back(agent.name);
    check_reboot(by_url, out);
}

/// In the order of the answer. A check looks, never changes anything, and ends within a bound.
using Check = void (*)(const Examined&, Findings&);
constexpr Check checks[] = {check_programs,    check_path,     check_settings,  check_data_directory, check_disk_space,
                            check_daemon,      check_endpoint, check_linger,    check_descriptors,    check_inherited,
                            check_log_watches, check_runs,     check_processes, check_agents};

/// Completes when a process has not run for `stuck_bound`, or the time is over.
Task<> until_stuck(pid_t pid) {
    async::SystemClock clock;
    const MonoTime until = clock.now() + answer_bound;
    std::uint64_t seen = base::switches_of(pid);
    MonoTime since = clock.now();
    while (clock.now() < until && (pid == 0 || clock.now() - since < stuck_bound)) {
        const MonoTime next = clock.now() + progress_interval;
        co_await clock.sleep_until(next);
        const std::uint64_t now = base::switches_of(pid);
        if (now != seen) since = clock.now();
        seen = now;
    }
}

/// The task's answer, or that the time is over. `holder` is who should give it.
template <class T>
Task<Result<T>> bounded(Task<Result<T>> task, pid_t holder) {
    auto limit = until_stuck(holder);
    auto first = co_await (std::move(task) || std::move(limit));
    if (first.index() != 0) {
        Error late;
        late.code = ErrorCode::timeout;
        late.message = "it was asked and has not moved";
        co_return late;
    }
    co_return std::move(std::get<0>(first));
}

/// The PID in the lock file, of a lock that is held; 0: none.
pid_t holder_of(const fs::path& data) {
    const fs::path file = data / "daemon.lock";
    const auto held = base::is_locked(file);
    const auto text = base::read_file(file, 4096);
    constexpr std::string_view mark = "(PID ";
    const std::size_t at = held && *held && text ? text->find(mark) : std::string::npos;
    return at == std::string::npos ? 0 : std::atoi(text->c_str() + at + mark.size());
}

/// The name of the MCP server at `url`. The session is left to its own end, because ending it is what the daemon would
/// write down.
Task<Result<std::string>> greet_server(boost::asio::any_io_executor executor, std::string url) {
    auto endpoint = mcp::client::parse_endpoint(url);
    if (!endpoint) co_return endpoint.error();
    mcp::client::Options options;
    options.name = "persistproc-doctor";
    options.version = std::string(base::version());
    options.quick = true;
    auto client = co_await mcp::client::Client::connect(executor, std::move(*endpoint), std::move(options));
    if (!client) co_return client.error();
    co_return base::escape_line((*client)->server().name);
}

Task<Examined> examine(Context context) {
    Examined out;
    out.common = context.common;
    out.data = context.common.data_directory;
    out.port = context.common.port;
    out.endpoint = fmt::format("http://127.0.0.1:{}/mcp", out.port);
    out.holder = holder_of(out.data);
    auto connecting = DaemonClient::connect(context.executor, out.data);
    auto client = co_await bounded(std::move(connecting), out.holder);
    if (!client) {
        out.daemon_failure = client.error();
        co_return out;
    }
    auto asked = (*client)->info();
    auto info = co_await bounded(std::move(asked), out.holder);
    if (!info) {
        out.daemon_failure = info.error();
        co_return out;
    }
    out.daemon = std::move(*info);
    out.endpoint = out.daemon->endpoint;
    out.port = port_of(out.endpoint);
    auto listed = (*client)->list_all();
    auto views = co_await bounded(std::move(listed), out.holder);
    if (views) out.processes = std::move(*views);
    auto greeting = greet_server(context.executor, out.endpoint);
    out.server = co_await bounded(std::move(greeting), 0);
    co_return out;
}

/// In a terminal what takes more than one line goes on indented, its advice in a line of its own.
std::string text_of(const std::vector<format::CheckLine>& lines, const format::TextStyle& style) {
    constexpr std::size_t status_width = 8, indent = status_width + 1;
    const std::string_view arrow = style.ascii ? "->" : "→";
    const auto columns = static_cast<std::size_t>(style.width);
    std::string out;
    for (const format::CheckLine& line : lines) {
        const std::string detail = fmt::format("{}: {}", line.name, base::escape_line(line.detail));
        const std::string advice =
            line.advice.empty() ? std::string() : fmt::format("{} {}", arrow, base::escape_line(line.advice));
        out += fmt::format("{:<{}} ", line.status, status_width);
        std::string text = advice.empty() ? detail : fmt::format("{} {}", detail, advice);
        if (columns > 0 && indent + format::cells_of(text) > columns) {
            text = format::wrap_behind(detail, columns, indent);
            if (!advice.empty()) text += "\n" + std::string(indent, ' ') + format::wrap_behind(advice, columns, indent);
        }
        out += text + "\n";
    }
    return out;
}

}  // namespace

static Task<int> doctor(Context context, NoArguments) {
    const Examined examined = co_await examine(context);
    Findings findings;
    for (const Check check : checks) check(examined, findings);
    context.console.print(context.console.json() ? format::checks_json(findings.lines())
                                                 : text_of(findings.lines(), context.console.style()));
    co_return findings.has_problem() ? problem_status : 0;
}

extern const Subcommand doctor_subcommand = without_settings(make_subcommand<doctor>({
    .name = "doctor",
    .words = "",
    .summary = "examine the installation",
    .text = "Examines the installation, the daemon and the clients' files, and says what to do. Changes nothing.",
    .examples = {"persistproc doctor"},
    .statuses = {{0, "no problem"}, {1, "problems"}},
}));

}  // namespace persistproc::cli::commands
