#include <fmt/format.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "cli/doctor/checks.hpp"
#include "common/base/text.hpp"
#include "common/logstore/log_watch.hpp"
#include "common/rundir/descriptor_shares.hpp"

namespace persistproc::cli::doctor {

namespace fs = std::filesystem;

namespace {

/// The user's name; empty: unknown. Not by getpwuid(3), which loads plugins: this program is one file.
std::string find_own_name() {
    const auto close = [](std::FILE* file) { std::fclose(file); };
    const std::unique_ptr<std::FILE, decltype(close)> users(std::fopen("/etc/passwd", "re"), close);
    while (const passwd* user = users ? ::fgetpwent(users.get()) : nullptr)
        if (user->pw_uid == ::geteuid()) return user->pw_name;
    const char* const said = std::getenv("LOGNAME");
    return said == nullptr ? std::string() : said;
}

}  // namespace

void check_linger(const Examined&, Findings& out) {
    std::error_code failed;
    // What ends programs at a logout is systemd-logind; without it nothing does.
    if (!fs::exists("/run/systemd/system", failed) || !fs::exists("/run/systemd/users", failed)) {
        out.ok("logout", "no systemd-logind runs here: processes outlive the session");
        return;
    }
    const std::string name = find_own_name();
    if (name == "root" || (!name.empty() && fs::exists(fs::path("/var/lib/systemd/linger") / name, failed)))
        out.ok("logout", "systemd lets processes outlive the session");
    else
        out.note("logout", "systemd may end the processes when you log out", "loginctl enable-linger");
}

/// The daemon raises its own limit as far as it may, so the hard one counts.
void check_descriptors(const Examined& examined, Findings& out) {
    const char* name = "open files";
    constexpr std::uint64_t usual = 4096;
    rlimit theirs{}, ours{};
    if (::getrlimit(RLIMIT_NOFILE, &ours) != 0) return;
    const std::string serve = serve_command(examined.data);
    std::uint64_t most = ours.rlim_max;
    std::string advice = "raise the hard limit: nofile in /etc/security/limits.conf (limits.conf(5)), or LimitNOFILE= ";
    advice += "of a service; log in anew, then " + serve;
    if (examined.daemon) {
        if (::prlimit(static_cast<pid_t>(examined.daemon->pid), RLIMIT_NOFILE, nullptr, &theirs) != 0) return;
        most = theirs.rlim_cur;
        advice += " --replace";
        if (ours.rlim_max > most)
            advice = fmt::format("a daemon that is started here may hold {}: {} --replace", ours.rlim_max, serve);
    }
    std::uint64_t live = 0;
    if (examined.processes)
        for (const ProcessView& view : *examined.processes) live += domain::has_tree(view) ? 1 : 0;
    const std::uint64_t room = rundir::descriptor_shares(most).runs;
    std::string detail = fmt::format("the daemon {} hold {} at once", examined.daemon ? "may" : "would", most);
    if (most >= usual && live < room) return out.ok(name, detail);
    detail += fmt::format(", room for {}", base::counted(room, "program", "programs"));
    if (live < room) return out.note(name, detail, advice);
    out.problem(name, fmt::format("{}, and {}: no other is started", detail, base::counted(live, "runs", "run")),
                advice);
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

}  // namespace persistproc::cli::doctor
