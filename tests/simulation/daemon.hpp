#pragma once
/// One life of the core, in an io_context of its own, behind seams that lead into the simulated world.
///
/// A death is asked for by a number of effects: the core may have that many more of them on the world; what it does
/// after that has never happened. Then the life is destroyed with everything that was suspended in it.
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "daemon/core/run_directories.hpp"
#include "daemon/core/shim_host.hpp"
#include "daemon/core/store.hpp"
#include "daemon/core/supervisor.hpp"
#include "tests/simulation/shims.hpp"

namespace persistproc::simulation {

/// Retention that histories reach.
inline constexpr std::size_t kept_ended = 3;
inline constexpr std::size_t kept_runs = 2;

class Daemon {
public:
    Daemon(World& world, int incarnation);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    int incarnation() const noexcept { return incarnation_; }
    /// Runs what is ready, to the last handler.
    void run();

    void adopt();
    /// The core may have `effects` more.
    void doom(std::uint64_t effects) { effects_left_ = effects; }
    /// Unless it is dead already, it lives on.
    void spare() {
        if (!is_doomed()) effects_left_.reset();
    }
    bool is_doomed() const noexcept { return effects_left_ && *effects_left_ == 0; }
    /// Asks the core to end its own tasks, and then runs them out. For the end of a history.
    void close();
    bool is_closed() const noexcept { return is_closed_; }

    /// The kernel tells of a death.
    void somebody_ended() { deaths_.notify_all(); }

    core::Supervisor& core() noexcept { return *core_; }
    boost::asio::io_context& io() noexcept { return io_; }
    async::TaskGroup& tasks() noexcept { return *tasks_; }
    /// Coroutines that wait for a time; what was asked of disk and database and has not been answered.
    std::size_t sleepers() const noexcept { return sleepers_; }
    std::size_t operations() const noexcept { return operations_.size(); }
    std::size_t links() const noexcept { return links_; }

private:
    class SimulatedClock;
    class SimulatedStore;
    class SimulatedDirectories;
    class SimulatedHost;
    class SimulatedProbes;
    class SimulatedProjects;
    class Link;
    class Hold;

    void die();
    /// An effect is about to happen. False: this daemon is dead already.
    bool has_effect();
    struct Operation;
    using OperationPtr = std::shared_ptr<Operation>;
    /// What `work` does happens at some moment of `delay`, and is answered after it.
    OperationPtr begin(std::string name, std::function<void()> work, std::chrono::nanoseconds delay, bool in_order);
    Task<> finish(OperationPtr operation);
    template <class T>
    Task<T> perform(std::string name, std::function<T()> work, std::chrono::nanoseconds delay, bool in_order);
    template <class T>
    Task<Result<T>> on_disk(std::string name, std::function<Result<T>()> work);

    World& world_;
    int incarnation_;
    std::optional<std::uint64_t> effects_left_;
    bool is_closed_ = false;
    std::size_t sleepers_ = 0, links_ = 0;
    MonoTime committed_at_{};
    boost::asio::io_context io_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    std::list<OperationPtr> operations_;
    async::Notifier deaths_, never_;
    std::unique_ptr<SimulatedClock> clock_;
    std::unique_ptr<SimulatedStore> store_;
    std::unique_ptr<SimulatedDirectories> directories_;
    std::unique_ptr<SimulatedHost> host_;
    std::unique_ptr<SimulatedProbes> probes_;
    std::unique_ptr<SimulatedProjects> projects_;
    std::unique_ptr<core::Supervisor> core_;
    std::unique_ptr<async::TaskGroup> tasks_;
};

}  // namespace persistproc::simulation
