#pragma once
/// Who waits for a log to grow. All of them share one inotify instance: a user has 128 of them by default, and closing
/// one waits tens of milliseconds for the kernel (fsnotify_destroy_group), which would stop the io thread at every end
/// of a wait. One executor, one thread.
#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <memory>

#include "common/async/clock.hpp"
#include "common/base/result.hpp"

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

        /// Completes when the log has grown since this was made, or since the last time it completed.
        Task<> grown();

    private:
        std::shared_ptr<State> state_;
        std::shared_ptr<Entry> entry_;
        std::uint64_t seen_;
    };

    explicit LogChanges(boost::asio::any_io_executor executor);
    ~LogChanges();
    LogChanges(const LogChanges&) = delete;
    LogChanges& operator=(const LogChanges&) = delete;

    /// Errors: io (no such directory, no more watches).
    Result<std::unique_ptr<Follower>> follow(const std::filesystem::path& log);

private:
    std::shared_ptr<State> state_;
};

}  // namespace persistproc::core
