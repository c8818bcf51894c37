#pragma once
/// Keeps what the daemon's heap holds close to what it uses. Left alone, glibc raises its thresholds with each large
/// block that is freed, and what one greedy client needed for a moment stays for days.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include "common/async/task_group.hpp"

namespace persistproc::daemon {

/// Large blocks go back to the system as soon as they are freed, and no two threads share an arena. Once, at the
/// beginning, before there are threads. Source: mallopt(3).
void bound_heap();

/// Gives back what is free some seconds after something has ended, and again for some minutes, ever less often, as long
/// as more than a little is in use. One executor, one thread.
class HeapTrimmer {
public:
    /// `threads` and `clock` outlive it.
    HeapTrimmer(boost::asio::any_io_executor executor, async::Clock& clock, boost::asio::thread_pool& threads);

    /// Something has ended that may have needed much.
    void notice();
    Task<> close();

private:
    Task<> trim();

    async::Clock& clock_;
    boost::asio::thread_pool& threads_;
    bool is_trimming_ = false;
    int looks_ = 0;  // since something has ended
    async::TaskGroup tasks_;
};

}  // namespace persistproc::daemon
