#pragma once
/// Reads CPU, memory, ports and ends of logs, for whoever wants to show them. One flight is in the air at a time and
/// takes along all that are wanted when it leaves: however many ask at once, /proc is walked once or twice. One
/// executor, one thread.
#include <map>
#include <memory>
#include <optional>

#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "daemon/core/run_directories.hpp"

namespace persistproc::core {

struct Process;
using ProcessPtr = std::shared_ptr<Process>;

/// What was last read of a process. Belongs to run `run` alone: of another it says nothing.
struct Reading {
    std::uint32_t run = 0;
    /// When the flight left that brought it, and its number.
    struct Stamp {
        std::optional<MonoTime> taken;
        std::uint64_t flight = 0;
    };
    Stamp of_tree, of_log;
    bool is_final = false;  // nobody writes any more: what was read stays true
    TreeSample tree;
    std::optional<double> cpu_percent;
    logstore::LogEnd log_end;
    logstore::Losses losses;
    bool is_data_removed = false;

    /// Where the present interval of `cpu_percent` begins.
    struct CpuMark {
        std::uint64_t boot_ns = 0;
        std::uint64_t ticks = 0;
    };
    std::optional<CpuMark> cpu_mark;

    /// Takes in CPU time so far, of a run that began at `started_boot_ns`. The percentage is that since the mark, over
    /// at least 200 ms, and at first since the run began; never negative. Pure.
    void note_cpu(std::uint64_t ticks, std::uint64_t taken_boot_ns, std::uint64_t started_boot_ns);
};

/// What is looked at: a table of many shows nothing of their logs.
enum class Look { whole, tree };

class Sampler {
public:
    Sampler(boost::asio::any_io_executor executor, async::Clock& clock, RunDirectories& directories,
            async::TaskGroup& tasks)
        : clock_(clock), directories_(directories), tasks_(tasks), landed_(std::move(executor)) {}

    /// Completes when every one of them has a reading that is final, or younger than `max_age` and of a tree that
    /// lives, or of a flight that left after the call.
    Task<> refresh(std::vector<ProcessPtr> processes, std::chrono::nanoseconds max_age, Look look = Look::whole);

    /// Walks so far.
    std::uint64_t flights() const noexcept { return flights_; }

private:
    Task<> fly();
    Task<> take_readings();
    void land();

    async::Clock& clock_;
    RunDirectories& directories_;
    async::TaskGroup& tasks_;
    struct Wanted {
        ProcessPtr process;
        Look look = Look::tree;
    };
    std::map<ProcessId, Wanted> wanted_;  // by the next flight
    bool is_flying_ = false;
    std::uint64_t flights_ = 0;
    async::Notifier landed_;
};

}  // namespace persistproc::core
