#pragma once
/// The terminal of a run. The keeper has its master, and a slave of its own as long as the program lives: so a program
/// that closes its standard descriptors causes neither an end of its output nor a keeper that is woken without end.
namespace persistproc::shim {

struct Terminal {
    int master = -1;  // non-blocking
    int slave = -1;   // nobody's controlling terminal by having been opened

    /// Makes one of that size, as the kernel sets it up, but for UTF-8. Returns 0 or errno; nothing is open then.
    int open(int columns, int rows) noexcept;
    void close() noexcept;

    static bool is_master(int fd) noexcept;
    /// A slave of a terminal that is there already, or -1.
    static int open_slave(int master) noexcept;
};

}  // namespace persistproc::shim
