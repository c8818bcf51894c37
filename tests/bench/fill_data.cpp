/// fill_data DATA-DIRECTORY COUNT: makes a data directory in which COUNT processes have run and ended, p1 to pCOUNT, as
/// a daemon and its shims would have left it: rows, run directories and logs, written with the project's own writers.
/// For tests and measurements of a start; nothing is synced.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "common/base/file.hpp"
#include "common/base/random.hpp"
#include "common/logstore/writer.hpp"
#include "common/rundir/paths.hpp"
#include "common/rundir/spec.hpp"
#include "common/rundir/state_slots.hpp"
#include "daemon/registry/registry.hpp"

namespace {

using namespace persistproc;
namespace fs = std::filesystem;

template <class T>
T checked(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
}

void check(int failed, const fs::path& where) {
    if (failed != 0) throw std::runtime_error(base::os_failure(where.string(), failed).message);
}

void make_directory(const fs::path& path) { check(::mkdir(path.c_str(), 0700) == 0 ? 0 : errno, path); }

void write_file(const fs::path& path, std::string_view bytes) {
    auto file = checked(base::open_file(path, O_WRONLY | O_CREAT | O_EXCL));
    check(base::write_all(file.get(), bytes), path);
}

/// Every third was stopped, every fifth failed, the others ended well.
void make_ended(const fs::path& data, ProcessId id, core::StoreChange& change) {
    const WallTime started = base::wall_now() - std::chrono::hours(24) + std::chrono::seconds(id.number);
    const WallTime ended = started + std::chrono::minutes(10);

    rundir::RunSpec spec;
    spec.id = RunId{id, 1};
    base::fill_random(spec.nonce);
    spec.argv = {"node", "server.js", "--port", std::to_string(3000 + id.number % 1000)};
    spec.working_directory = "/";
    for (int i = 0; i < 30; ++i) spec.environment.push_back(fmt::format("VARIABLE_{}=of ordinary length", i));
    Definition& definition = spec.definition;
    definition.label_given = true;
    definition.label = fmt::format("ended{}", id.number);
    definition.command = spec.argv;
    definition.working_directory = spec.working_directory;
    definition.started_by = "claude-code";

    rundir::RunState state;
    state.phase = rundir::Phase::exited;
    state.nonce = spec.nonce;
    state.boot_id = base::current_boot_id();
    state.epoch = 1;
    state.shim_pid = 2;
    state.pid = 3;
    state.started_wall_ns = base::to_ns(started);
    state.ended_wall_ns = base::to_ns(ended);
    state.exec_confirmed = state.tree_empty = 1;
    state.stop_requested = state.killed = id.number % 3 == 0 ? 1 : 0;
    state.exit_value = state.killed != 0 ? 15 : id.number % 5 == 0 ? 1 : 0;

    const auto process = rundir::process_paths(data, id);
    const auto run = rundir::run_paths(data, spec.id);
    for (const fs::path& each : {process.root, process.log, process.runs, run.root}) make_directory(each);
    {
        auto directory = checked(base::open_file(process.log, O_RDONLY | O_DIRECTORY));
        logstore::Writer log;
        logstore::WriterOptions options;
        options.run = 1;
        check(log.open(directory.get(), options), process.log);
        log.append_event(logstore::Event::started, state.pid);
        const std::string line = "listening on " + spec.argv.back() + "\n";
        log.append(logstore::Stream::out, line.data(), line.size(), logstore::line_complete);
        log.append_event(logstore::Event::exited, state.exit_value);
        state.log_end = log.position();
        log.close();
    }
    write_file(run.spec, rundir::encode_spec(spec));
    write_file(run.shim_lock, "");
    write_file(run.state, std::string(rundir::state_file_bytes, '\0'));
    auto file = checked(base::open_file(run.state, O_RDWR));
    rundir::StateWriter writer(file.get(), rundir::RunState{});
    writer.state() = state;
    check(writer.write(), run.state);

    core::ProcessRecord record;
    record.id = id;
    record.definition = definition;
    record.last_run = 1;
    record.created_at = started;
    change.processes.push_back(std::move(record));
    core::RunRecord row;
    row.id = spec.id;
    row.pid = state.pid;
    row.started_at = started;
    Outcome outcome;
    outcome.ended_at = ended;
    (state.killed != 0 ? outcome.signal : outcome.exit_code) = state.exit_value;
    outcome.reason = state.killed != 0 ? OutcomeReason::stopped : OutcomeReason::self;
    row.outcome = std::move(outcome);
    change.runs.push_back(std::move(row));
    core::AuditEntry entry;
    entry.at = started;
    entry.actor = definition.started_by;
    entry.action = "start";
    entry.process = to_string(id);
    entry.detail = "node server.js";
    change.audit.push_back(std::move(entry));
}

}  // namespace

int main(int count, char** words) {
    const int processes = count == 3 ? std::atoi(words[2]) : 0;
    if (processes <= 0) {
        fmt::print(stderr, "usage: fill_data DATA-DIRECTORY COUNT\n");
        return 2;
    }
    try {
        const fs::path data = words[1];
        make_directory(data);
        make_directory(data / "procs");
        auto registry = checked(registry::Registry::open(data));
        core::StoreChange change;
        for (int number = 1; number <= processes; ++number)
            make_ended(data, ProcessId{static_cast<std::uint32_t>(number)}, change);
        if (auto committed = registry.commit({std::move(change)}); !committed)
            throw std::runtime_error(committed.error().message);
    } catch (const std::exception& failed) {
        fmt::print(stderr, "fill_data: {}\n", failed.what());
        return 1;
    }
    return 0;
}
