#pragma once
/// Errors in the log of one process: read once one is known or suspected. Reads off the io thread.
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/async/clock.hpp"
#include "common/logstore/error_block.hpp"

namespace persistproc::core {

/// The error whose head is the line `head`, with what stands above and below it. `from`: nothing before it is looked
/// at. Should the log not hold it any more, the line alone.
Task<logstore::ErrorBlock> read_error(boost::asio::thread_pool& threads, std::filesystem::path log,
                                      std::string working_directory, logstore::Line head, std::uint64_t from);

/// The last error in the newest output of a run; nothing: there is none, or the log cannot be read.
Task<std::optional<logstore::ErrorBlock>> read_last_error(boost::asio::thread_pool& threads, std::filesystem::path log,
                                                          std::string working_directory, std::uint32_t run);

}  // namespace persistproc::core
