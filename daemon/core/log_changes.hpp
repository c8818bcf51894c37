#pragma once
/// Who waits for a log to grow. All of them share one inotify instance: a user has 128 of them by default, and closing
/// one waits tens of milliseconds for the kernel (fsnotify_destroy_group), which would stop the io thread at every end
/// of a wait. One executor, one thread.
///
/// Where the kernel gives no instance or no watch (another program of this user has them all), or the directory is not
/// there yet, the log is looked at every `look_interval` instead, until it can be watched.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include "common/async/clock.hpp"
#include "common/logstore/log_watch.hpp"

namespace persistproc::core {

class LogChanges {
    struct State;
    struct Entry;

public:
    /// Follows one log directory for as long as it lives. May outlive the LogChanges; then nothing grows any more.
    class Follower {
    public:
        Follower(std::shared_ptr<State> state, std::shared_ptr<Entry> entry);
        ~Follower();
        Follower(const Follower&) = delete;
        Follower& operator=(const Follower&) = delete;

        /// Completes when the log may have grown since this was made, or since the last time it completed. Cancelling
        /// loses nothing.
        Task<> grown();

    private:
        std::shared_ptr<State> state_;
        std::shared_ptr<Entry> entry_;
        std::uint64_t seen_;
        std::optional<logstore::LogStamp> stamp_;  // of the last look, while it cannot be watched
    };

    static constexpr auto look_interval = std::chrono::milliseconds(100);

    /// `clock` and `readers`, which run the looks, outlive this and its followers. `open` makes the instance; it is
    /// asked again while it fails.
    LogChanges(boost::asio::any_io_executor executor, async::Clock& clock, boost::asio::thread_pool& readers,
               std::function<Result<logstore::LogWatches>()> open = logstore::LogWatches::open);
    ~LogChanges();
    LogChanges(const LogChanges&) = delete;
    LogChanges& operator=(const LogChanges&) = delete;

    std::unique_ptr<Follower> follow(const std::filesystem::path& log);

private:
    std::shared_ptr<State> state_;
};

}  // namespace persistproc::core
