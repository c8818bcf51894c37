#include "cli/run_survey.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include "common/base/file.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/process_identity.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "common/rundir/paths.hpp"
#include "common/rundir/shim_presence.hpp"
#include "common/rundir/spec_scanner.hpp"
#include "common/rundir/state.hpp"

namespace persistproc::cli {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto answer_patience = std::chrono::milliseconds(300), ask_interval = std::chrono::milliseconds(50);

std::optional<std::uint32_t> newest_run(const fs::path& runs) {
    std::optional<std::uint32_t> newest;
    std::error_code failed;
    for (fs::directory_iterator each(runs, failed), end; !failed && each != end; each.increment(failed)) {
        const std::string name = each->path().filename().native();
        std::uint32_t number = 0;
        const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
        if (parsed.ec == std::errc() && parsed.ptr == name.data() + name.size())
            newest = std::max(newest.value_or(0), number);
    }
    return newest;
}

/// A connection on which one byte was sent, that is no frame: a shim that lives says so by refusing it.
base::UniqueFd ask(const fs::path& run) {
    const base::UniqueFd directory(::open(run.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!directory || !fd) return {};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // Through the descriptor: the directory's own path may be longer than a socket address holds.
    const std::string path = base::socket_path_through(directory.get(), rundir::control_name);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
    if (::send(fd.get(), "?", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) return {};
    return fd;
}

struct Asked {
    OddRun run;
    fs::path directory;
    base::UniqueFd connection;  // none yet: nobody listens
};

/// Leaves those that do not answer before the deadline.
std::vector<OddRun> without_answer(std::vector<Asked> asked) {
    const auto deadline = Clock::now() + answer_patience;
    while (true) {
        std::vector<pollfd> waits;
        for (Asked& each : asked) {
            // One that has just been started listens in a moment.
            if (!each.connection) each.connection = ask(each.directory);
            if (each.connection) waits.push_back({each.connection.get(), POLLIN, 0});
        }
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        if (asked.empty() || left.count() <= 0) break;
        ::poll(waits.data(), waits.size(), static_cast<int>(std::min(left, ask_interval).count()));
        std::erase_if(asked, [&](const Asked& each) {
            return std::any_of(waits.begin(), waits.end(), [&](const pollfd& wait) {
                return wait.revents != 0 && wait.fd == each.connection.get();
            });
        });
    }
    std::vector<OddRun> out;
    for (Asked& each : asked) out.push_back(std::move(each.run));
    return out;
}

/// Oldest first.
Result<std::vector<ProcessId>> find_processes(const fs::path& data) {
    std::vector<ProcessId> ids;
    std::error_code failed;
    for (fs::directory_iterator each(data / "procs", failed), end; !failed && each != end; each.increment(failed))
        if (const auto id = domain::find_process_id(each->path().filename().native())) ids.push_back(*id);
    if (failed && failed != std::errc::no_such_file_or_directory)
        return base::os_failure((data / "procs").native(), failed.value());
    std::sort(ids.begin(), ids.end());
    return ids;
}

/// What the daemon takes nothing over from.
std::optional<std::string> find_foreign(const rundir::ProcessPaths& paths, const fs::path& spec) {
    for (const fs::path& each : {paths.root, paths.runs, paths.log})
        if (const auto own = base::check_own_directory(each); !own && own.error().code == ErrorCode::denied)
            return own.error().message;
    if (const auto own = base::check_own_entries(paths.log); !own && own.error().code == ErrorCode::denied)
        return own.error().message;
    const auto file = base::open_own_file(spec, O_RDONLY);
    if (!file && file.error().code == ErrorCode::denied) return file.error().message;
    return std::nullopt;
}

/// That of a spec which this version does not know; whatever else is wrong with it is no matter of its format.
std::optional<std::string> find_other_format(const fs::path& spec) {
    constexpr std::size_t header_bytes = 64;
    const auto file = base::open_own_file(spec, O_RDONLY);
    char head[header_bytes];
    const ssize_t got = file ? ::pread(file->get(), head, sizeof head, 0) : 0;
    if (got <= 0) return std::nullopt;
    rundir::SpecScanner scanner({head, static_cast<std::size_t>(got)});
    if (scanner.check() != EPROTONOSUPPORT) return std::nullopt;
    return rundir::other_version({static_cast<unsigned>(scanner.major()), static_cast<unsigned>(scanner.minor())});
}

bool is_shim_there(const rundir::RunPaths& paths) {
    const auto held = base::is_locked(paths.shim_lock);
    if (held && *held) return true;
    const auto state = rundir::read_state(paths.state);
    return state && rundir::is_shim_there(*state, base::current_boot_id());
}

}  // namespace

Result<ProcessCount> count_processes(const fs::path& data) {
    ProcessCount out;
    const auto ids = find_processes(data);
    if (!ids) return ids.error();
    out.processes = ids->size();
    std::error_code failed;
    // A daemon makes the directory before its database.
    out.is_lost = !fs::exists(data / "procs", failed) && fs::exists(data / rundir::database_name, failed);
    for (const ProcessId id : *ids) {
        const auto number = newest_run(rundir::process_paths(data, id).runs);
        if (!number) continue;
        if (is_shim_there(rundir::run_paths(data, RunId{id, *number}))) ++out.live;
    }
    return out;
}

Result<std::vector<OddRun>> find_odd_runs(const fs::path& data) {
    const auto ids = find_processes(data);
    if (!ids) return ids.error();

    std::vector<OddRun> out;
    std::vector<Asked> asked;
    for (const ProcessId id : *ids) {
        const auto whole = rundir::process_paths(data, id);
        const auto number = newest_run(whole.runs);
        if (!number) continue;
        OddRun run{.id = RunId{id, *number}};
        if (auto foreign = find_foreign(whole, rundir::run_paths(data, run.id).spec)) {
            run.kind = OddRun::Kind::foreign;
            run.detail = std::move(*foreign);
            out.push_back(std::move(run));
            continue;
        }
        const auto paths = rundir::run_paths(data, run.id);
        // As the daemon asks: the lock first, so that a shim that ends in between has written its last state.
        const auto locked = base::is_locked(paths.shim_lock);
        const auto state = rundir::read_state(paths.state);
        if (!locked && locked.error().code == ErrorCode::denied) {
            run.kind = OddRun::Kind::foreign;
            run.detail = locked.error().message;
            out.push_back(std::move(run));
            continue;
        }
        if (!state) {
            if (state.error().code == ErrorCode::not_found) continue;  // just removed
            run.kind = state.error().code == ErrorCode::unsupported ? OddRun::Kind::unsupported : OddRun::Kind::damaged;
            run.detail = state.error().message;
            out.push_back(std::move(run));
            continue;
        }
        const bool is_over = state->phase == rundir::Phase::exited && state->tree_empty != 0;
        if (auto other = find_other_format(paths.spec); other && !is_over) {
            run.kind = OddRun::Kind::unsupported;
            run.detail = std::move(*other);
            out.push_back(std::move(run));
            continue;
        }
        run.shim = state->shim_pid;
        const bool same_boot = state->boot_id == base::current_boot_id();
        if ((locked && *locked) || rundir::is_shim_there(*state, base::current_boot_id())) {
            run.kind = OddRun::Kind::silent;
            run.is_stopped = is_stopped(run.shim);
            asked.push_back({std::move(run), paths.root, ask(paths.root)});
        } else if (locked && state->phase == rundir::Phase::started && same_boot &&
                   base::find_start_ticks(state->pid) == state->start_ticks && !base::is_exiting(state->pid)) {
            run.kind = OddRun::Kind::abandoned;
            run.program = state->pid;
            out.push_back(std::move(run));
        }
    }
    for (OddRun& each : without_answer(std::move(asked))) {
        // It may have left meanwhile, as it should.
        if (is_shim_there(rundir::run_paths(data, each.id))) out.push_back(std::move(each));
    }
    std::sort(out.begin(), out.end(), [](const OddRun& a, const OddRun& b) { return a.id < b.id; });
    return out;
}

Result<fs::path> find_log(const ProcessView& view) {
    if (!view.log_path) return Error{ErrorCode::corrupt, fmt::format("the daemon names no log of {}", view.id)};
    fs::path directory = fs::path(*view.log_path).parent_path();
    std::error_code failed;
    if (view.started_at && fs::status(directory, failed).type() == fs::file_type::not_found)
        return Error{ErrorCode::not_found,
                     fmt::format("what {} printed is gone: {} was removed", view.id, directory.native())};
    return directory;
}

bool is_stopped(pid_t pid) {
    const auto start = base::find_start_ticks(pid);
    return start && base::is_suspended({pid, *start});
}

}  // namespace persistproc::cli
