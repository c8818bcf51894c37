#pragma once
/// Owner of coroutines. Every task has a name; one that ends by an exception is reported and ends alone. `close`
/// cancels all and completes when the last one has left.
#include <boost/asio/any_io_executor.hpp>
#include <exception>
#include <memory>
#include <string>

#include "common/async/clock.hpp"

namespace persistproc::async {

/// Whether a coroutine ended because it was asked to. Of `a || b`, both say so: Asio then throws the two as one.
bool is_cancellation(const std::exception_ptr& failed);

class TaskGroup {
public:
    explicit TaskGroup(boost::asio::any_io_executor executor);
    /// Cancels what still runs, without waiting for it.
    ~TaskGroup();
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    /// Starts `task` on the group's executor. `name` appears in the report of a failure.
    void spawn(std::string name, Task<> task);
    std::size_t size() const noexcept;
    /// Asks every task to stop (terminal cancellation).
    void cancel();
    /// Cancels all and completes when none is left.
    Task<> close();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace persistproc::async
