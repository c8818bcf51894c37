#pragma once
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <chrono>
#include <utility>

#include "common/async/clock.hpp"
#include "common/base/result.hpp"

namespace persistproc::cli {

/// The daemon's answer, awaited for 5 s at most, for what follows processes and goes on without it. Errors: those of
/// `answer`; unavailable: none came in time, and it is given up.
template <class T>
Task<Result<T>> within_limit(async::Clock& clock, Task<Result<T>> answer) {
    using namespace boost::asio::experimental::awaitable_operators;
    const MonoTime until = clock.now() + std::chrono::seconds(5);
    auto limit = clock.sleep_until(until);
    auto first = co_await (std::move(answer) || std::move(limit));
    if (first.index() == 0) co_return std::move(std::get<0>(first));
    Error late;
    late.code = ErrorCode::unavailable;
    late.message = "the daemon does not answer";
    co_return late;
}

}  // namespace persistproc::cli
