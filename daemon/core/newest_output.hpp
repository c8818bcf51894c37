#pragma once
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>

#include "common/async/clock.hpp"
#include "common/base/result.hpp"
#include "common/logstore/show.hpp"

namespace persistproc::core {

/// The last lines recorded in a log directory, as a clean view of at most `lines` and `bytes`. Read on `readers`.
/// Errors: as logstore::read_lines.
Task<Result<logstore::Shown>> newest_output(boost::asio::thread_pool& readers, std::filesystem::path log,
                                            std::uint64_t lines, std::size_t bytes);

}  // namespace persistproc::core
