#pragma once
/// Lets one coroutine at a time through, in no promised order. One executor, one thread.
#include <boost/asio/any_io_executor.hpp>

#include "common/async/notifier.hpp"

namespace persistproc::async {

class Mutex {
public:
    explicit Mutex(boost::asio::any_io_executor executor) : released_(std::move(executor)) {}

    class Guard {
    public:
        explicit Guard(Mutex* owner) noexcept : owner_(owner) {}
        Guard(Guard&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
        Guard& operator=(Guard&&) = delete;
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;
        ~Guard() {
            if (owner_ != nullptr) owner_->release();
        }

    private:
        Mutex* owner_;
    };

    /// Completes when the caller holds the mutex; the guard gives it back. The mutex outlives its guards.
    /// Cancelling ends the wait with operation_aborted.
    Task<Guard> lock() {
        while (held_) co_await released_.wait();
        held_ = true;
        co_return Guard(this);
    }
    bool is_held() const noexcept { return held_; }

private:
    void release() noexcept {
        held_ = false;
        released_.notify_all();
    }
    bool held_ = false;
    Notifier released_;
};

}  // namespace persistproc::async
