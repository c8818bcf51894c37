#pragma once
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <string>

#include "common/async/clock.hpp"
#include "common/base/result.hpp"

namespace persistproc::core {

/// The last `lines` recorded in a log directory, at most `bytes` of them, cleaned for a model, each ended by a newline.
/// Read on `readers`. Errors: as logstore::read_lines.
Task<Result<std::string>> newest_output(boost::asio::thread_pool& readers, std::filesystem::path log,
                                        std::uint64_t lines, std::size_t bytes);

}  // namespace persistproc::core
