#pragma once
/// fdatasync(2) that does not stop the caller: the kernel's asynchronous I/O does it on a worker of its own. The
/// context is made at the first use and kept until `close`. No heap, no threads of ours; one thread.
#include <cstdint>

namespace persistproc::logstore {

class BackgroundSync {
public:
    BackgroundSync() noexcept = default;
    BackgroundSync(const BackgroundSync&) = delete;
    BackgroundSync& operator=(const BackgroundSync&) = delete;

    /// Begins a sync of what `fd` holds now. `fd` may be closed right after. Returns 0, or errno when it has to be done
    /// in the foreground (no context to be had, too many under way).
    int begin(int fd) noexcept;
    /// Takes the results that have come, or waits for all of them. Returns the first errno among them, else 0.
    int collect(bool wait_for_all) noexcept;
    unsigned under_way() const noexcept { return under_way_; }
    /// How many more may be begun.
    unsigned room() const noexcept { return slots - under_way_; }
    /// Waits for all and gives the context back: tens of milliseconds, as a grace period of the kernel takes.
    void close() noexcept;

private:
    /// Contexts are counted against fs.aio-max-nr, which all programs of the machine share: few slots, given back.
    static constexpr unsigned slots = 32;

    std::uint64_t context_ = 0;
    unsigned under_way_ = 0;
};

}  // namespace persistproc::logstore
