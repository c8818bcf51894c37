#pragma once
/// What the keeper's system calls go through in persistproc-shim-faulty, and what a test learns of them. The layer is
/// put in by the linker (--wrap): the objects are those of the product.
///
/// PERSISTPROC_FAULT, one of
///   <call>@<N>=<errno>    the N-th use of that call fails; with "*" behind it, all from the N-th on
///   <call>@<N>=short      the N-th use writes or reads half of what was asked for
///   kill@<N>              SIGKILL before the N-th call of all
///   torn@<N>              the same, but a write is done by half first
/// It concerns the keeper alone, not the program it forks. PERSISTPROC_FAULT_LOG names a file that holds a `FaultLog`.
/// PERSISTPROC_FAULT_JOURNAL names a file of `journal_bytes` into which everything is written that changes files, is
/// synced or is told to the daemon, as entries one after the other.
#include <atomic>
#include <cstdint>

namespace persistproc::tests {

// In the order of `call_names`.
#define PERSISTPROC_CALLS(each)                                                                                   \
    each(open) each(openat) each(read) each(pread) each(write) each(pwrite) each(ftruncate) each(fstat)           \
        each(fdatasync) each(fsync) each(sync_file_range) each(mkdirat) each(unlinkat) each(pipe2) each(fork)     \
            each(socket) each(bind) each(listen) each(accept4) each(send) each(recv) each(sendmsg) each(recvmsg)  \
                each(waitid) each(kill) each(fcntl) each(flock) each(mmap) each(ppoll) each(signalfd) each(prctl) \
                    each(chdir) each(getsockopt) each(syscall)

#define PERSISTPROC_CALL_ENUM(name) call_##name,
enum Call : std::uint8_t { PERSISTPROC_CALLS(PERSISTPROC_CALL_ENUM) call_count };
#undef PERSISTPROC_CALL_ENUM

#define PERSISTPROC_CALL_NAME(name) #name,
inline constexpr const char* call_names[] = {PERSISTPROC_CALLS(PERSISTPROC_CALL_NAME)};
#undef PERSISTPROC_CALL_NAME

struct FaultLog {
    std::atomic<std::uint32_t> total;
    std::atomic<std::uint32_t> injected;  // how often a fault was dealt
    std::atomic<std::uint32_t> each[call_count];
    std::atomic<std::uint32_t> waits;    // uses of ppoll that may take time
    std::atomic<bool> tells_no_ends;     // written by the test: this kernel knows no PIDFD_GET_INFO
    std::atomic<std::int64_t> ahead_ns;  // written by the test: so far its clock (CLOCK_MONOTONIC) is ahead
    std::uint8_t order[1 << 16];         // which call was the N-th, from 0
};

enum class Entry : std::uint32_t {
    none = 0,   // the end
    opened,     // `file`; the payload is the name. `value`: flags
    wrote,      // `file`, at `value`, the payload
    cut,        // `file`, to `value` bytes
    synced,     // `file`: all written before it is durable
    syncing,    // `file`: a sync in the background has begun
    collected,  // all those have ended
    unlinked,   // the payload is the name, `file` its directory
    told,       // the payload is the packet
};

/// One thing that happened, followed by its payload, filled up to 8 bytes.
struct JournalEntry {
    Entry what;
    std::uint32_t size;  // of the payload
    std::uint64_t file;  // inode
    std::uint64_t value;
};
static_assert(sizeof(JournalEntry) == 24);

inline constexpr std::uint64_t journal_bytes = 64ull << 20;

}  // namespace persistproc::tests
