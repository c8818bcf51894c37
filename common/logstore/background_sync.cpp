#include "common/logstore/background_sync.hpp"

#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace persistproc::logstore {

int BackgroundSync::begin(int fd) noexcept {
    if (under_way_ >= slots) return EAGAIN;
    if (context_ == 0 && ::syscall(SYS_io_setup, slots, &context_) != 0) {
        context_ = 0;
        return errno;
    }
    iocb request{};
    request.aio_lio_opcode = IOCB_CMD_FDSYNC;
    request.aio_fildes = static_cast<std::uint32_t>(fd);
    iocb* list[] = {&request};
    if (::syscall(SYS_io_submit, context_, 1, list) != 1) return errno;
    ++under_way_;
    return 0;
}

int BackgroundSync::collect(bool wait_for_all) noexcept {
    int first = 0;
    while (under_way_ > 0) {
        io_event events[slots];
        timespec none{};
        const long got =
            ::syscall(SYS_io_getevents, context_, wait_for_all ? 1 : 0, slots, events, wait_for_all ? nullptr : &none);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        for (long i = 0; i < got; ++i)
            // EINVAL: a file system that cannot sync this kind of file (directories, mostly) has nothing to fail at.
            if (events[i].res < 0 && events[i].res != -EINVAL && first == 0) first = static_cast<int>(-events[i].res);
        under_way_ -= static_cast<unsigned>(got);
    }
    return first;
}

void BackgroundSync::close() noexcept {
    if (context_ == 0) return;
    collect(true);
    ::syscall(SYS_io_destroy, context_);
    context_ = 0;
    under_way_ = 0;
}

}  // namespace persistproc::logstore
