#pragma once
/// Runs processes again when files that they watch change (Definition::watch): one inotify instance for all, since a
/// user has few of them, and directories rather than files, since an editor puts a new file in the place of the old
/// one. When it is time is decided by watch/bursts.hpp, what counts by watch/filter.hpp.
///
/// A process is watched while it is wanted, and also when it has ended by itself, failed or given up: what has changed
/// may have mended it. One that was stopped on request stays down. It acts on the definition that the process has,
/// never on a file that defines it. One executor, one thread.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/async/task_group.hpp"
#include "common/watch/bursts.hpp"
#include "common/watch/tree.hpp"
#include "daemon/core/supervisor.hpp"

namespace persistproc::core {

class FileWatches {
public:
    /// References outlive it. `walkers` run the walks of directories; `data` is never looked into.
    FileWatches(boost::asio::any_io_executor executor, async::Clock& clock, Supervisor& supervisor,
                boost::asio::thread_pool& walkers, std::filesystem::path data);
    ~FileWatches();
    FileWatches(const FileWatches&) = delete;
    FileWatches& operator=(const FileWatches&) = delete;

    /// Ends its tasks; completes when they are gone.
    Task<> close() { return tasks_.close(); }

    /// How many directories may be watched in all. Asked by any of the walkers.
    std::function<std::size_t()> find_bound = watch::find_watch_bound;

private:
    struct Watched;
    using WatchedPtr = std::shared_ptr<Watched>;
    struct Walked;

    Task<> follow_processes();
    void look(ProcessId id);
    void begin(ProcessId id, const domain::Watch& watch, const WatchedState& state);
    void end(ProcessId id);
    bool holds(const WatchedPtr& watched) const;

    Task<> act(WatchedPtr watched);
    Task<> run_again(WatchedPtr watched, std::string path);
    Task<> restart(WatchedPtr watched, std::string path);

    /// Takes in the directories below this one. `is_anew`: this is the root, and no other directory counts any more.
    Task<> walk(WatchedPtr watched, std::string directory, bool is_anew);
    void take_in(const WatchedPtr& watched, Walked walked, bool is_anew);
    void forget(const WatchedPtr& watched, int number);
    void collect();

    bool open();
    void listen();
    void hear();
    void hear(const watch::DirectoryWatches::Event& event);
    void hear(const WatchedPtr& watched, const std::string& directory, const watch::DirectoryWatches::Event& event);
    /// Looks whether what was closed is another version.
    Task<> compare(WatchedPtr watched);
    void note_change(const WatchedPtr& watched, std::string path);
    void tell(const WatchedPtr& watched, std::optional<Cause> trouble);

    boost::asio::any_io_executor executor_;
    async::Clock& clock_;
    Supervisor& supervisor_;
    boost::asio::thread_pool& walkers_;
    const std::string data_;
    std::map<ProcessId, WatchedPtr> watched_;

    std::shared_ptr<watch::DirectoryWatches> watches_;
    std::optional<boost::asio::posix::stream_descriptor> descriptor_;  // of `watches_`, which own it
    std::map<int, std::map<ProcessId, std::string>> directories_;      // by the number of the watch
    std::size_t walks_ = 0;                                            // under way
    // While walks are under way: of directories that they have not told of yet.
    std::vector<watch::DirectoryWatches::Event> unclaimed_;
    std::vector<int> unused_;       // watches whose last process is gone; a walk may just have been given one of them
    std::optional<Error> trouble_;  // why there is no instance
    async::TaskGroup tasks_;        // last: ends first
};

}  // namespace persistproc::core
