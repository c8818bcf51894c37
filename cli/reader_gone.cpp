#include "cli/reader_gone.hpp"

#include <poll.h>

#include <cerrno>

namespace persistproc::cli {

bool has_lost_reader(int fd) noexcept {
    pollfd one{fd, 0, 0};
    return ::poll(&one, 1, 0) == 1 && (one.revents & (POLLERR | POLLHUP)) != 0;
}

bool is_reader_gone(int fd, int error) noexcept {
    // EIO is a terminal that was hung up, and a broken disk.
    return error == EPIPE || error == ECONNRESET || (error == EIO && has_lost_reader(fd));
}

}  // namespace persistproc::cli
