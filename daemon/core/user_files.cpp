#include "daemon/core/user_files.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "common/async/notifier.hpp"

namespace persistproc::core {

namespace asio = boost::asio;

struct UserFiles::Look {
    explicit Look(asio::any_io_executor executor) : moved(std::move(executor)) {}
    bool is_over = false;
    std::exception_ptr failed;
    async::Notifier moved;
};

/// With the threads, of which one that hangs outlives all else.
struct UserFiles::Shared : std::enable_shared_from_this<Shared> {
    explicit Shared(std::size_t most) : most_threads(most) {}

    struct Place {
        std::size_t looks = 0;  // not come back yet
        bool is_silent = false;
    };
    const std::size_t most_threads;
    std::mutex mutex;
    std::condition_variable moved;
    bool is_closed = false;
    std::size_t threads = 0, idle = 0;
    std::deque<std::function<void()>> queue;
    std::map<std::string, Place> places;

    /// With the mutex held. Without a thread of its own it waits for one that comes back.
    void add(std::function<void()> job) {
        queue.push_back(std::move(job));
        if (idle >= queue.size() || threads == most_threads) return moved.notify_one();
        try {
            begin_thread();
        } catch (const std::system_error&) {
        }
    }
    /// With the mutex held. Throws where there may be no further thread.
    void begin_thread() {
        std::thread([self = shared_from_this()] { self->work(); }).detach();
        ++threads;
    }

private:
    void work() {
        std::unique_lock lock(mutex);
        for (;;) {
            ++idle;
            moved.wait(lock, [this] { return is_closed || !queue.empty(); });
            --idle;
            if (is_closed) break;
            const auto job = std::move(queue.front());
            queue.pop_front();
            lock.unlock();
            job();
            lock.lock();
        }
        --threads;
        moved.notify_all();
    }
};

UserFiles::UserFiles(async::Clock& clock, std::size_t most_threads)
    : clock_(clock), shared_(std::make_shared<Shared>(most_threads)) {
    // One at least, also when the user may begin no process any more.
    const std::lock_guard lock(shared_->mutex);
    shared_->begin_thread();
}

UserFiles::~UserFiles() {
    std::unique_lock lock(shared_->mutex);
    shared_->is_closed = true;
    shared_->queue.clear();
    shared_->moved.notify_all();
    const auto is_silent = [](const auto& each) { return each.second.is_silent; };
    const bool hangs = std::any_of(shared_->places.begin(), shared_->places.end(), is_silent);
    if (!hangs) shared_->moved.wait_for(lock, bound, [this] { return shared_->threads == 0; });
}

Task<bool> UserFiles::perform(std::string directory, std::function<void()> job) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto look = std::make_shared<Look>(executor);
    // Who waits belongs to the executor's thread, be it only to be forgotten there.
    auto work = [shared = shared_, weak = std::weak_ptr<Look>(look), directory, executor, job = std::move(job)] {
        std::exception_ptr failed;
        try {
            job();
        } catch (...) {
            failed = std::current_exception();
        }
        const std::lock_guard lock(shared->mutex);
        const auto place = shared->places.find(directory);
        if (--place->second.looks == 0) shared->places.erase(place);
        if (shared->is_closed) return;
        asio::post(executor, [weak, failed] {
            const auto waited_for = weak.lock();
            if (!waited_for) return;
            waited_for->is_over = true;
            waited_for->failed = failed;
            waited_for->moved.notify_all();
        });
    };
    {
        const std::lock_guard lock(shared_->mutex);
        Shared::Place& place = shared_->places[directory];
        if (place.is_silent) co_return false;
        ++place.looks;
        shared_->add(std::move(work));
    }
    const MonoTime until = clock_.now() + bound;
    while (!look->is_over) {
        const bool woken = co_await look->moved.wait_until(until, clock_);
        if (!woken) break;
    }
    if (look->failed) std::rethrow_exception(look->failed);
    if (look->is_over) co_return true;
    const std::lock_guard lock(shared_->mutex);
    if (const auto place = shared_->places.find(directory); place != shared_->places.end())
        place->second.is_silent = true;
    co_return false;
}

}  // namespace persistproc::core
