#pragma once
/// Whether anybody reads what the client writes.
#include <boost/asio/any_io_executor.hpp>

#include "common/async/clock.hpp"

namespace persistproc::cli {

/// Whether nobody can read any more what is written to `fd`: the pipe or connection was closed at its other end, or the
/// terminal was hung up. Never true of a regular file or a device.
bool has_lost_reader(int fd) noexcept;

/// Whether a write to `fd` that failed with `error` (an errno) failed because its reader has gone, and for no other
/// reason such as a full disk.
bool is_reader_gone(int fd, int error) noexcept;

/// Completes when nobody can read stdout any more, also while nothing is written; never where that cannot be known (a
/// regular file).
Task<> until_reader_gone(boost::asio::any_io_executor executor);

}  // namespace persistproc::cli
