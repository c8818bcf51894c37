#include <fcntl.h>
#include <fmt/format.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "cli/daemon_start.hpp"
#include "cli/doctor/checks.hpp"
#include "cli/probes.hpp"
#include "common/base/file.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/text.hpp"
#include "common/base/unique_fd.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::doctor {

namespace fs = std::filesystem;

namespace {

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

/// Whether others may write it; what is not there is not.
bool is_open(const fs::path& directory) {
    struct stat facts {};
    return ::lstat(directory.c_str(), &facts) == 0 && (facts.st_mode & 022u) != 0;
}

/// What the next daemon would refuse the directory for, in its own words; its settings are another check's.
Result<void> ask_next_daemon(const fs::path& data) {
    const auto program = find_daemon_program();
    if (!program || !check_daemon_settings(*program)) return {};
    const auto able = check_daemon_start(*program, {"--data-dir", data.native()});
    const bool is_refused = !able && able.error().code == ErrorCode::io;
    return is_refused ? Result<void>(able.error()) : Result<void>();
}

}  // namespace

void check_data_directory(const Examined& examined, Findings& out) {
    const char* name = "data directory";
    const std::string data = examined.data.native();
    const std::string quoted = base::shell_quote(data);
    struct stat facts {};
    const bool is_there = ::lstat(data.c_str(), &facts) == 0;
    const bool is_missing = !is_there && errno == ENOENT;
    const auto held = base::is_locked(examined.data / rundir::daemon_lock_name);
    // The daemon that answers keeps its lock for as long as it lives, in the directory that it was started with.
    if (examined.daemon && (is_missing || (is_there && (held ? !*held : held.error().code == ErrorCode::not_found)))) {
        out.problem(name, rundir::removed_text(examined.data), std::string(rundir::removed_advice));
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
    else if (const auto own = base::check_own_entries(examined.data); !own)
        out.problem(name, own.error().message, "no daemon starts before that");
    else if (is_open(examined.data / "procs"))
        out.problem(name, fmt::format("{}/procs may be written by others", data),
                    fmt::format("look at what is there, then chmod 700 {}/procs", quoted));
    else if (const auto able = examined.daemon ? Result<void>() : ask_next_daemon(examined.data); !able)
        out.problem(name, able.error().message, "no daemon starts before that");
    else if (const std::string open = base::open_parent_text(examined.data); !open.empty())
        out.note(name, open, "or give a --data-dir below your home");
    else
        out.ok(name, data);
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

}  // namespace persistproc::cli::doctor
