#pragma once
/// Looking at a log, off the io thread and no longer than one call may.
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>

#include "common/async/clock.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::core {

struct ReadBounds {
    std::uint64_t bytes = 0;
    std::chrono::nanoseconds time{};  // counted from when a thread begins: to wait for one is no looking
};

/// As logstore::read_lines within `bounds`, on one of `threads`. Cancelled, it stops looking.
Task<Result<logstore::LinePage>> read_bounded(boost::asio::thread_pool& threads, ReadBounds bounds,
                                              std::filesystem::path log, logstore::LineQuery query);

}  // namespace persistproc::core
