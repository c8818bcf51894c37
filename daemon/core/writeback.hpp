#pragma once
/// Makes durable, soon after, what others have written and do not wait for. SIGKILL loses nothing that was written; a
/// power cut loses what no pass has covered yet.
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace persistproc::core {

/// What has been written and not synced: files first, then the directories that name them.
struct Unsynced {
    std::vector<std::filesystem::path> files;
    std::vector<std::filesystem::path> directories;
    /// Called on the Writeback's thread once a pass has covered it; whether all is durable or was removed meanwhile.
    std::function<void(bool)> told = {};
};

class Writeback {
public:
    /// From the first `add` to the pass that covers it. With what a pass takes it is within the second that is
    /// promised.
    static constexpr std::chrono::milliseconds usual_delay{700};

    /// Throws std::system_error where there can be no thread: a daemon that has begun is to need no more of them.
    explicit Writeback(std::chrono::milliseconds delay = usual_delay);
    /// Makes durable what is left. Blocks on the disk.
    ~Writeback();
    Writeback(const Writeback&) = delete;
    Writeback& operator=(const Writeback&) = delete;

    /// Returns the number of the pass that will cover it. What is gone by then is not missed; what cannot be synced is
    /// reported, once. Any thread; does not touch the disk.
    std::uint64_t add(Unsynced what);
    bool is_over(std::uint64_t pass) const;
    /// True: that pass is over, and all of it is durable or was removed meanwhile. A later failure makes it false
    /// again: what failed once is not told apart. Any thread, as `is_over`.
    bool is_durable(std::uint64_t pass) const;

private:
    void work();
    static bool sync(Unsynced what);

    const std::chrono::milliseconds delay_;
    mutable std::mutex mutex_;  // guards all below
    std::condition_variable changed_;
    Unsynced waiting_;
    std::vector<std::function<void(bool)>> to_tell_;
    std::chrono::steady_clock::time_point due_{};  // of what waits
    std::uint64_t next_pass_ = 1;
    std::uint64_t last_over_ = 0, last_failed_ = 0;  // passes
    bool is_leaving_ = false;
    std::thread thread_;  // last: it uses the others
};

}  // namespace persistproc::core
