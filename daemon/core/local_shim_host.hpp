#pragma once
/// The real ShimHost: `persistproc-shim` processes of this machine.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/async/task_group.hpp"
#include "daemon/core/shim_host.hpp"

namespace persistproc::core {

class LocalShimHost final : public ShimHost {
public:
    /// `places`: absolute paths, at least one, of which the first that is there is the program; `data` the data
    /// directory. That very file is executed from then on, even if another stands in its place: what an upgrade brings
    /// may write formats that this daemon does not know. Where it is in no place it is looked for at each start.
    /// `files` outlives this; its threads make the shims that nobody waits for.
    LocalShimHost(boost::asio::any_io_executor executor, boost::asio::thread_pool& files,
                  std::vector<std::filesystem::path> places, std::filesystem::path data);
    ~LocalShimHost() override;

    /// Makes this process the parent of whatever a killed shim leaves (PR_SET_CHILD_SUBREAPER, prctl(2)) and takes its
    /// zombies, except programs of runs that somebody holds. A successor is told what its run has left.
    void reap_orphans();

    bool executes_here() const override { return true; }
    Task<Result<std::unique_ptr<ShimLink>>> spawn(RunId run) override;
    Task<Result<void>> reserve() override;
    Task<Result<std::unique_ptr<ShimLink>>> take_over(RunId run) override;
    Task<Result<std::unique_ptr<ShimLink>>> connect(RunId run) override;
    Task<Result<CommandEnd>> run_command(CommandOrder order) override;
    /// Stops waiting for shims, which live on.
    Task<> close();

private:
    class Orphanage;
    class HeldChild;
    class SocketLink;
    static Task<> reap(boost::asio::any_io_executor executor, std::shared_ptr<Orphanage> orphanage, pid_t pid,
                       base::UniqueFd pidfd);
    static Task<> sweep_orphans(boost::asio::any_io_executor executor, std::shared_ptr<Orphanage> orphanage);
    /// A shim that has been started and knows no run yet. It leaves when its channel is closed.
    struct Idle {
        pid_t pid;
        base::UniqueFd channel;
    };

    /// What is executed; its functions may be called by any thread.
    class Program;
    struct Started;

    Task<Result<std::unique_ptr<ShimLink>>> launch_shim(RunId run, bool takes_over);
    /// Of one that was started a moment ago, whoever has reaped it since.
    Idle take_in(Started started);
    /// Whether one lives.
    bool has_idle() const;
    Task<> keep_one_idle();
    Task<Result<void>> make_idle();

    boost::asio::any_io_executor executor_;
    boost::asio::thread_pool& files_;
    std::shared_ptr<const Program> program_;
    std::filesystem::path data_;
    std::shared_ptr<Orphanage> orphanage_;
    std::optional<Idle> idle_;  // for the next run, from the first one on
    bool is_making_idle_ = false;
    async::TaskGroup reapers_;
};

}  // namespace persistproc::core
