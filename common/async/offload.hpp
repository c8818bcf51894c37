#pragma once
/// Runs a blocking function on another thread and resumes on the caller's executor with its value.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include "common/async/clock.hpp"

namespace persistproc::async {

namespace detail {

template <class F, class Handler>
void post_work(boost::asio::thread_pool& pool, F work, Handler handler) {
    using T = std::invoke_result_t<F>;
    auto executor = boost::asio::get_associated_executor(handler);
    boost::asio::post(pool, [handler = std::move(handler), work = std::move(work), executor]() mutable {
        std::optional<T> value;
        std::exception_ptr failed;
        try {
            value.emplace(work());
        } catch (...) {
            failed = std::current_exception();
        }
        // Keeps the loop alive through the associated work of the executor's own queue.
        boost::asio::post(executor, [handler = std::move(handler), value = std::move(value), failed]() mutable {
            if (auto slot = boost::asio::get_associated_cancellation_slot(handler); slot.is_connected()) slot.clear();
            std::move(handler)(failed, std::move(value));
        });
    });
}

}  // namespace detail

/// `work` runs to its end even if the caller is cancelled meanwhile; it must own all it touches. Exceptions of
/// `work` are rethrown to the caller. T must not be void.
template <class F>
Task<std::invoke_result_t<F>> offload(boost::asio::thread_pool& pool, F work) {
    using T = std::invoke_result_t<F>;
    auto initiate = [&pool, &work](auto handler) { detail::post_work(pool, std::move(work), std::move(handler)); };
    auto value = co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>,
                                                      void(std::exception_ptr, std::optional<T>)>(
        std::move(initiate), boost::asio::use_awaitable);
    co_return std::move(*value);
}

/// As `offload`, of work that takes long: its token is told when the caller is cancelled, and the caller goes on when
/// the work has ended for it.
template <class F>
Task<std::invoke_result_t<F, std::stop_token>> offload_stoppable(boost::asio::thread_pool& pool, F work) {
    using T = std::invoke_result_t<F, std::stop_token>;
    std::stop_source source;
    auto bound = [work = std::move(work), token = source.get_token()]() mutable { return work(token); };
    auto initiate = [&pool, &bound, &source](auto handler) {
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected())
            slot.assign([source](boost::asio::cancellation_type) mutable { source.request_stop(); });
        detail::post_work(pool, std::move(bound), std::move(handler));
    };
    auto value = co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>,
                                                      void(std::exception_ptr, std::optional<T>)>(
        std::move(initiate), boost::asio::use_awaitable);
    co_return std::move(*value);
}

}  // namespace persistproc::async
