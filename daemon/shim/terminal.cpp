#include "daemon/shim/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

namespace persistproc::shim {

// Not posix_openpt and its like: ptsname would look for a name that another mount of devpts may not have.
int Terminal::open(int columns, int rows) noexcept {
    master = ::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (master < 0) return errno;
    int lock = 0;
    termios modes{};
    winsize size{};
    size.ws_col = static_cast<unsigned short>(columns);
    size.ws_row = static_cast<unsigned short>(rows);
    if (::ioctl(master, TIOCSPTLCK, &lock) == 0) slave = open_slave(master);
    bool is_made = slave >= 0 && ::ioctl(master, TIOCSWINSZ, &size) == 0 && ::tcgetattr(slave, &modes) == 0;
    modes.c_iflag |= IUTF8;
    is_made = is_made && ::tcsetattr(slave, TCSANOW, &modes) == 0;
    if (is_made) return 0;
    const int error = errno;
    close();
    return error;
}

void Terminal::close() noexcept {
    for (int* const fd : {&master, &slave}) {
        if (*fd >= 0) ::close(*fd);
        *fd = -1;
    }
}

bool Terminal::is_master(int fd) noexcept {
    unsigned number = 0;
    return fd >= 0 && ::ioctl(fd, TIOCGPTN, &number) == 0;
}

int Terminal::open_slave(int master) noexcept { return ::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC); }

}  // namespace persistproc::shim
