#pragma once
/// The thread that reads a log while the loop does everything else. It owns its reader; what it reads reaches the loop
/// through one bounded channel, so a slow terminal holds back the reading and nothing else.
#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "common/async/clock.hpp"
#include "common/base/result.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::cli::session {

struct TailBatch {
    std::vector<logstore::Follower::Item> items;  // in recorded order
    std::optional<unsigned> drained;              // all that was there at this mark has been given
    std::optional<Error> failed;                  // the log cannot be read; the last batch
};

class LogTail {
public:
    /// Starts the thread. Completions come on `executor`, which must run on one thread and outlive this.
    LogTail(boost::asio::any_io_executor executor, std::filesystem::path log_directory, std::uint64_t from);
    /// Ends the thread and waits for it; it never waits for anything else meanwhile.
    ~LogTail();
    LogTail(const LogTail&) = delete;
    LogTail& operator=(const LogTail&) = delete;

    /// The next batch; waits for one. One caller. Cancelling loses nothing.
    Task<TailBatch> next();
    /// Asks for a batch with `drained` = `mark` once everything recorded by now has been given.
    void request_drain(unsigned mark) noexcept;

private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
    std::thread thread_;
};

}  // namespace persistproc::cli::session
