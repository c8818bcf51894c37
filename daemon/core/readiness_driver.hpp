#pragma once
/// Asks the checks of runs (readiness.hpp) and carries out what comes of them: whether a process is ready, and the end
/// of a run that is not in time, or no longer healthy. One for all processes. One executor, one thread.
#include "daemon/core/check_probes.hpp"
#include "daemon/core/process_driver.hpp"
#include "daemon/core/readiness.hpp"
#include "daemon/core/sampler.hpp"

namespace persistproc::core {

/// The checks of one run, for as long as it runs.
struct ChecksOfRun {
    ChecksOfRun(boost::asio::any_io_executor executor, std::uint32_t of, const Definition& definition, Readiness rules)
        : run(of),
          ready(definition.ready),
          health(definition.health),
          machine(std::move(rules)),
          moved(executor),
          tasks(executor) {}

    /// How long it has asked to be waited for.
    void hear_extension(const rundir::RunState& state, MonoTime started);

    std::uint32_t run;
    const domain::Checks ready, health;  // whatever the next run is defined with
    Readiness machine;
    std::vector<int> seen_ports;  // at the last look for any port
    bool says_ready = false;      // as the program itself has said (notify)
    std::uint8_t notified = 0;    // all that it has said
    std::uint32_t extended_ms = 0;
    std::string status;  // what it says it does
    async::Notifier moved;
    async::TaskGroup tasks;  // ended with the run
};

class ReadinessDriver {
public:
    /// References outlive it.
    ReadinessDriver(run::RunWorld& world, ProcessTable& table, ProcessDriver& driver, Sampler& sampler,
                    CheckProbes& probes, std::filesystem::path data);

    /// To be told of each change of a process: its checks begin with a run and end with it.
    void follow(const ProcessPtr& process);
    /// Its definition has other checks than when its run began: from now on these are asked.
    void replace_checks(const ProcessPtr& process);
    /// Before a run begins: notes which of the ports that its checks name nobody has.
    Task<> note_free_ports(ProcessPtr process);
    /// Of a process that is ready, by whatever: finds out where it is to be reached, once for each run.
    Task<> find_url(ProcessPtr process);

    /// Completes when a line of the process's present run matches (true), or when none can be looked for. It goes on
    /// waiting for what a run that is over has not printed: whoever asks ends it.
    Task<bool> await_line(ProcessPtr process, std::string pattern);

    /// Ends all checks; completes when none is asked any more.
    Task<> close();

private:
    using ChecksPtr = std::shared_ptr<ChecksOfRun>;
    void begin(const ProcessPtr& process);
    void perform(const ProcessPtr& process, const ChecksPtr& checks, const Readiness::Actions& actions);
    void apply(const ProcessPtr& process, const ChecksPtr& checks, CheckResult result);
    void become(const ProcessPtr& process, bool ready);
    void hear(const ProcessPtr& process);
    Task<> keep_time(ProcessPtr process, ChecksPtr checks);
    Task<> probe(ProcessPtr process, ChecksPtr checks, CheckId id, std::chrono::nanoseconds timeout);
    Task<CheckAnswer> ask(ProcessPtr process, ChecksPtr checks, domain::Check check, std::chrono::nanoseconds timeout);
    static CheckAnswer look_for_any_port(ChecksOfRun& checks, const std::vector<int>& ports);
    Task<CheckAnswer> with_holder(ProcessPtr process, CheckAnswer answer);
    Task<> end_run(ProcessPtr process, std::uint32_t run, EndRun end, std::string detail);

    run::RunWorld& world_;
    ProcessTable& table_;
    ProcessDriver& driver_;
    Sampler& sampler_;
    CheckProbes& probes_;
    const std::filesystem::path data_;
};

/// Without the ports that debuggers and reloaders listen on, beside what their program serves.
std::vector<int> application_ports(std::vector<int> ports);

/// Why the process is not ready: "port 3000: nothing listens". Empty: it is, or no check says.
std::string readiness_detail(const Process& process);

}  // namespace persistproc::core
