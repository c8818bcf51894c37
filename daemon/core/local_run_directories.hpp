#pragma once
/// The real RunDirectories: a data directory and the /proc of this machine, on a pool of file threads, and files of
/// users on others.
#include <boost/asio/thread_pool.hpp>
#include <memory>

#include "daemon/core/run_directories.hpp"
#include "daemon/core/user_files.hpp"
#include "daemon/core/writeback.hpp"

namespace persistproc::core {

class LocalRunDirectories final : public RunDirectories {
public:
    /// `files` and `clock` outlive it; `data` is the data directory. `user_threads`: at most, for files of users.
    LocalRunDirectories(boost::asio::thread_pool& files, async::Clock& clock, std::filesystem::path data,
                        std::size_t user_threads = UserFiles::usual_threads);

    Task<Result<ProcessDirectories>> list() override;
    Task<std::vector<FoundProcess>> find_processes(std::vector<ProcessQuestion> questions) override;
    Task<Result<FoundRun>> find_run(RunId id) override;
    Task<Result<rundir::RunSpec>> load_spec(RunId id) override;
    Task<Result<void>> prepare(rundir::RunSpec spec) override;
    Task<Result<void>> remove_run(RunId id) override;
    Task<Result<void>> remove_process(ProcessId id) override;
    Task<Result<void>> begin_removal(ProcessId id) override;
    Task<> end_removal(ProcessId id) override;
    Task<> collect_garbage(std::size_t keep_runs, std::uint64_t bound_bytes, Starters starters) override;
    Task<bool> kill_strays(StrayRoots roots) override;
    Task<bool> has_strays(StrayRoots roots) override;
    bool is_suspended(PidIdentity process) const override;
    bool is_zombie(PidIdentity process) const override;
    base::BootId boot_id() const override { return boot_id_; }
    Task<Result<void>> clear_output(ProcessId id) override;
    Task<Result<void>> check_program(std::string program, std::string path, std::string directory,
                                     bool was_refused) override;
    Task<Result<std::string>> canonical_directory(std::string path) override;
    Task<LaunchLook> look_before_launch(std::string program, std::string path, std::string directory) override;
    Task<std::vector<Sample>> sample(std::vector<SampleRequest> requests) override;

private:
    struct Samples;

    boost::asio::thread_pool& files_;
    std::shared_ptr<Samples> samples_;
    // To look at live trees never waits for the disk behind what starts.
    boost::asio::thread_pool sampling_{1};
    async::Clock& clock_;
    async::SystemClock system_clock_;  // file systems of users answer by no other
    UserFiles user_files_;
    std::filesystem::path data_;
    base::BootId boot_id_;
    std::shared_ptr<Writeback> writeback_;
};

}  // namespace persistproc::core
