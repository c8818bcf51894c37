#pragma once
/// What the supervisor holds of one process; private to the supervisor's sources.
#include <map>

#include "common/async/mutex.hpp"
#include "common/logstore/reader.hpp"
#include "daemon/core/probes.hpp"
#include "daemon/core/supervisor.hpp"

namespace persistproc::core {

struct Supervisor::Process {
    Process(boost::asio::any_io_executor executor, ProcessRecord initial)
        : record(std::move(initial)), operation(executor), changed(executor) {}

    ProcessRecord record;
    Lifecycle life;
    async::Mutex operation;   // held by a start, restart or removal; a stop never waits for it
    async::Notifier changed;  // after every change of `life` or of the newest run
    bool removed = false;
    bool fresh = false;        // made by a start that has not been confirmed: forgotten when that fails
    bool unsupported = false;  // its newest run was written by another major version
    std::string actor;         // who asked for the change on its way
    std::string request_key;   // of the start that its newest run, or an ancestor of it by policy, came from

    // What a run needs and the store must not hold; read back from the last run's `spec` after an adoption.
    bool has_environment = false;
    std::vector<std::string> environment;
    mode_t umask = 022;
    std::vector<rundir::ResourceLimit> limits;

    // The newest run.
    rundir::RunState run_state;
    rundir::Nonce nonce{};
    std::shared_ptr<ShimLink> link;                   // open while its shim lives and answers
    Spares spares;                                    // held for a successor of that shim
    bool replacing_shim = false;                      // its shim was killed, and another is being brought in
    bool child_watched = false;                       // this daemon looks how the program ends, for a successor
    std::optional<rundir::ControlMessage> child_end;  // what a successor is told of that, once it is known
    bool shim_ready = false;
    bool committed = false;  // its shim was told to go on: from then on only the shim knows what became of it
    bool start_confirmed = false;
    bool end_heard = false;
    bool reconnecting = false;
    std::uint32_t ended_run = 0;           // the one `life.outcome()` is about
    std::optional<Error> start_error;      // why the newest start failed
    std::optional<double> grace_once;      // for the stop on its way
    std::map<std::uint64_t, int> replies;  // `done` and `refused`, by request
    std::uint64_t backoff_armed = 0;       // generation: an older timer means nothing

    // What was last read from the kernel and the log.
    TreeSample sample;
    std::optional<double> cpu_percent;
    logstore::LogEnd log_end;
    logstore::Losses losses;  // of the newest run
    std::uint64_t probed_boot_ns = 0;
    bool log_is_final = false;

    RunId newest_run() const { return RunId{record.id, life.last_run()}; }
    std::string name() const { return to_string(record.id); }
    void drop_link() {
        if (link) link->close();
        link.reset();
    }
    void begin_run() {
        run_state = {};
        spares = {};
        child_watched = false;
        child_end.reset();
        shim_ready = committed = start_confirmed = end_heard = log_is_final = false;
        start_error.reset();
        replies.clear();
        sample = {};
        cpu_percent.reset();
        losses = {};
        probed_boot_ns = 0;
    }
};

/// Why an outcome is unknown that no daemon saw, nor the successor of a killed shim.
inline constexpr const char* unseen_end = "its shim was killed, and nobody was left to see how it ended";

/// How a run ended, from its shim's record. Precondition: phase is exited or exec_failed. Pure.
Outcome outcome_of(const rundir::RunState& state);
/// The failure a caller of start is told, from the record of a run that never executed.
Error start_error_of(const std::vector<std::string>& command, const rundir::RunState& state);
Outcome lost_outcome(std::string why, WallTime now);
/// Symbolic links resolved. Blocks on the disk. Errors: invalid (not absolute, missing, no directory, not to be
/// entered).
Result<std::string> canonical_directory(const std::string& path);

}  // namespace persistproc::core
