#pragma once
/// Looking at a log, off the io thread and no longer than one call may.
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "common/async/clock.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::core {

struct ReadBounds {
    std::uint64_t bytes = 0;
    /// How long it may take in all; asked again and again, on the thread that looks. Counted from when one begins: to
    /// wait for it is no looking.
    std::function<std::chrono::nanoseconds()> time;
    bool gives_way = true;  // to all others of the machine; so does the thread from then on
};

/// As logstore::read_lines within `bounds`, on one of `threads`. Cancelled, it stops looking.
Task<Result<logstore::LinePage>> read_bounded(boost::asio::thread_pool& threads, ReadBounds bounds,
                                              std::filesystem::path log, logstore::LineQuery query);

}  // namespace persistproc::core
