#include "common/async/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <list>

#include "common/async/notifier.hpp"
#include "common/base/diagnostics.hpp"

namespace persistproc::async {

namespace asio = boost::asio;

bool is_cancellation(const std::exception_ptr& failed) {
    try {
        std::rethrow_exception(failed);
    } catch (const asio::multiple_exceptions& several) {
        return is_cancellation(several.first_exception());
    } catch (const boost::system::system_error& error) {
        return error.code() == asio::error::operation_aborted;
    } catch (...) {
        return false;
    }
}

struct TaskGroup::State {
    explicit State(asio::any_io_executor e) : executor(e), changed(std::move(e)) {}
    asio::any_io_executor executor;
    std::list<asio::cancellation_signal> signals;
    Notifier changed;
};

TaskGroup::TaskGroup(asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

TaskGroup::~TaskGroup() { cancel(); }

void TaskGroup::spawn(std::string name, Task<> task) {
    auto state = state_;
    auto signal = state->signals.emplace(state->signals.end());
    asio::co_spawn(state->executor, std::move(task),
                   asio::bind_cancellation_slot(
                       signal->slot(), [state, signal, name = std::move(name)](std::exception_ptr failed) {
                           if (failed && !is_cancellation(failed)) {
                               try {
                                   std::rethrow_exception(failed);
                               } catch (const std::exception& error) {
                                   base::report(base::Severity::error, "{} ended: {}", name, error.what());
                               }
                           }
                           // The slot is in use until this handler has returned.
                           asio::post(state->executor, [state, signal] {
                               state->signals.erase(signal);
                               state->changed.notify_all();
                           });
                       }));
}

std::size_t TaskGroup::size() const noexcept { return state_->signals.size(); }

void TaskGroup::cancel() {
    // On the executor: elsewhere Asio would put the emission off beyond the life of the task it is for.
    asio::dispatch(state_->executor, [state = state_] {
        // A handler may remove itself later, never during emit.
        for (auto& signal : state->signals) signal.emit(asio::cancellation_type::terminal);
    });
}

Task<> TaskGroup::close() {
    auto state = state_;
    // Again after each that left: it may have spawned another on its way out.
    for (cancel(); !state->signals.empty(); cancel()) co_await state->changed.wait();
}

}  // namespace persistproc::async
