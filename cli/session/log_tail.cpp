#include "cli/session/log_tail.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "common/async/notifier.hpp"
#include "common/base/unique_fd.hpp"
#include "common/logstore/log_watch.hpp"

namespace persistproc::cli::session {

namespace {

constexpr std::size_t batch_bytes = 256u << 10;
constexpr std::size_t channel_batches = 8;
/// Where the kernel has no watch left for us, the log is looked at this often.
constexpr int poll_without_watch_ms = 50;

}  // namespace

/// Both ends of the channel. The thread touches what the mutex guards, `wake`, and `notify`.
struct LogTail::Shared : std::enable_shared_from_this<LogTail::Shared> {
    explicit Shared(boost::asio::any_io_executor loop)
        : executor(loop), arrived(loop), wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

    boost::asio::any_io_executor executor;
    async::Notifier arrived;  // the loop's
    base::UniqueFd wake;

    std::mutex mutex;
    std::condition_variable has_room;
    std::deque<TailBatch> batches;
    std::optional<unsigned> drain;
    bool closed = false;

    /// False: the other end has gone. Waits for room.
    bool push(TailBatch batch) {
        {
            std::unique_lock lock(mutex);
            has_room.wait(lock, [&] { return closed || batches.size() < channel_batches; });
            if (closed) return false;
            batches.push_back(std::move(batch));
        }
        boost::asio::post(executor, [self = shared_from_this()] { self->arrived.notify_all(); });
        return true;
    }

    bool is_closed() {
        const std::lock_guard lock(mutex);
        return closed;
    }

    std::optional<unsigned> take_drain() {
        const std::lock_guard lock(mutex);
        return std::exchange(drain, std::nullopt);
    }

    void ring() noexcept {
        const std::uint64_t one = 1;
        // Full means that it rings already.
        [[maybe_unused]] const auto written = ::write(wake.get(), &one, sizeof one);
    }

    /// The thread. What it throws is the last thing said, as a failure of the log.
    void run(std::filesystem::path directory, std::uint64_t from) {
        // They are the loop's, which may hold them back.
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
        TailBatch last;
        try {
            read_log(std::move(directory), from);
            return;
        } catch (const std::exception& bug) {
            last.failed = Error{ErrorCode::io, std::string("reading the output: ") + bug.what()};
        }
        push(std::move(last));
    }

    void read_log(std::filesystem::path directory, std::uint64_t from) {
        logstore::Follower follower(directory, from);
        auto watch = logstore::LogWatch::open(directory);
        while (!is_closed()) {
            // Before the reading: what was there when the mark was set is then read.
            const auto mark = take_drain();
            std::uint64_t count = 0;
            [[maybe_unused]] const auto rung = ::read(wake.get(), &count, sizeof count);
            if (!watch || !watch->drain()) watch = logstore::LogWatch::open(directory);
            while (true) {
                auto items = follower.read_more(batch_bytes);
                if (!items) {
                    TailBatch last;
                    last.failed = items.error();
                    push(std::move(last));
                    return;
                }
                if (items->empty()) break;
                TailBatch batch;
                batch.items = std::move(*items);
                if (!push(std::move(batch))) return;
            }
            if (mark) {
                TailBatch batch;
                batch.drained = mark;
                if (!push(std::move(batch))) return;
            }
            pollfd waits[2] = {{wake.get(), POLLIN, 0}, {watch ? watch->fd() : -1, POLLIN, 0}};
            ::poll(waits, 2, watch ? watch->patience_ms() : poll_without_watch_ms);
        }
    }
};

LogTail::LogTail(boost::asio::any_io_executor executor, std::filesystem::path log_directory, std::uint64_t from)
    : shared_(std::make_shared<Shared>(executor)),
      thread_([shared = shared_, directory = std::move(log_directory), from] { shared->run(directory, from); }) {}

LogTail::~LogTail() {
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->closed = true;
    }
    shared_->has_room.notify_all();
    shared_->ring();
    thread_.join();
}

Task<TailBatch> LogTail::next() {
    const auto shared = shared_;
    while (true) {
        {
            std::unique_lock lock(shared->mutex);
            if (!shared->batches.empty()) {
                TailBatch batch = std::move(shared->batches.front());
                shared->batches.pop_front();
                lock.unlock();
                shared->has_room.notify_one();
                co_return batch;
            }
        }
        co_await shared->arrived.wait();
    }
}

void LogTail::request_drain(unsigned mark) noexcept {
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->drain = mark;
    }
    shared_->ring();
}

}  // namespace persistproc::cli::session
