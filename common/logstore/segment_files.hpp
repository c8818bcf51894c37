#pragma once
/// Names and extent of the segments in a log directory. The writer's side: no heap, no exceptions.
#include <sys/types.h>

#include <cstdint>

#include "common/logstore/format.hpp"

namespace persistproc::logstore {

/// "00000042.log" or "00000042.idx".
struct SegmentName {
    SegmentName(std::uint32_t number, const char* suffix) noexcept;
    const char* c_str() const noexcept { return text; }
    char text[16];
};

struct SegmentExtent {
    std::uint32_t oldest = 0, newest = 0;  // 0: there is none
};

/// Lists the directory. Returns 0 or errno.
int find_segments(int directory_fd, SegmentExtent& out) noexcept;

/// Reads and judges the header of an index. Returns 0, EBADMSG (short or damaged), EPROTONOSUPPORT or another errno.
int read_header(int index_fd, std::uint32_t number, SegmentHeader& out) noexcept;

/// What a walk over the records of one segment, from its header, comes to. It ends before the first record that is
/// torn, out of order, or ahead of its data.
struct SegmentTail {
    std::uint64_t records = 0;
    std::uint64_t data_bytes = 0;  // covered by these records
    std::uint64_t lines = 0;       // newlines in them
    std::uint32_t last_run = 0;
};
/// Returns 0 or errno.
int walk_records(int index_fd, std::uint64_t data_size, const SegmentHeader& header, SegmentTail& out) noexcept;

/// Nanoseconds of a clock.
std::int64_t clock_ns(clockid_t clock) noexcept;

/// Whether an open file belongs to this user. Another's would be read and written by him, too.
bool is_own_file(int fd) noexcept;

/// Whether the data of a segment was given back to the disk for what follows it (Writer::clear): what its records name
/// was removed, though its size still tells the position.
bool is_cleared(int data_fd) noexcept;

/// Whether an errno says that a disk or a quota is full.
bool is_full(int err) noexcept;

/// Writes all at `offset`. Returns 0 or errno; after an error some of it may be there.
int write_at(int fd, const void* bytes, std::uint64_t size, std::uint64_t offset) noexcept;

/// Newlines among `size` bytes. Runs over every byte that is recorded, so it is made for speed.
std::uint64_t count_newlines(const char* bytes, std::uint64_t size) noexcept;

}  // namespace persistproc::logstore
