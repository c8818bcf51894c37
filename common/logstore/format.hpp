#pragma once
/// Output of one process on disk, `<data>/procs/<id>/log/`: numbered segments of plain output bytes
/// (`00000001.log`) beside an index of fixed-size records (`00000001.idx`). Data is appended first, then its record:
/// a tail of data without a record is a crash's leftover, kept as one record of unknown time by the next holder of the
/// log; a torn record is cut off. Data that is all hole was removed to make room for the segment after it, and has kept
/// its size for the position. One writer at a time; readers take no lock. Little-endian.
///
/// A **position** counts bytes of output of the process from its very first one, through all runs and segments. It
/// is what a cursor holds: it stays valid across rotation and restarts.
#include <cstdint>
#include <cstring>

namespace persistproc::logstore {

inline constexpr char index_magic[8] = {'p', 'p', 'l', 'o', 'g', 'i', 'd', 'x'};
inline constexpr std::uint16_t index_major = 1;
/// 1: segments that the device may not have whole, output removed by others. Readers of 1.0 take them for zeros.
inline constexpr std::uint16_t index_minor = 1;

/// First 64 bytes of an .idx file.
struct SegmentHeader {
    char magic[8] = {'p', 'p', 'l', 'o', 'g', 'i', 'd', 'x'};
    std::uint16_t major = index_major;
    std::uint16_t minor = index_minor;
    std::uint32_t segment = 0;         // number in the file's name
    std::uint64_t first_position = 0;  // position of the segment's first byte
    std::uint64_t first_sequence = 0;  // sequence number of its first record
    std::uint64_t first_line = 0;      // newlines of all output before it
    std::int64_t created_wall_ns = 0;
    /// 1.1: of the segments from this number up to the one before this the device refused something, so that what is
    /// read of them today may be gone after a power cut. 0: of none.
    std::uint32_t suspect_from = 0;
    std::uint16_t suspect_errno = 0;
    std::uint8_t reserved[6] = {};
    std::uint32_t crc = 0;  // CRC-32C of the 60 bytes before
};
static_assert(sizeof(SegmentHeader) == 64);

enum class Stream : std::uint8_t { none = 0, out = 1, err = 2 };

enum RecordFlags : std::uint8_t {
    line_complete = 1,   // the piece ends with '\n'
    line_continues = 2,  // the piece goes on in a line that an earlier piece of its stream began
    gap = 4,             // `value` bytes were lost here; no data. As the newest record it may still grow
    event = 8,           // a daemon or shim event, no data: `event` and `value`
    recovered = 16,      // found after a crash without a record: time and stream unknown
    separator = 32,      // one '\n' put in by the shim so that the next piece, of the other stream, starts a line.
                         // Part of the combined view and the file, of no stream's own bytes.
};

enum class Event : std::uint8_t {
    none = 0,
    started = 1,        // `value`: pid
    exited = 2,         // `value`: exit code. Written as the last record before the run's exit record in `state`
    killed = 3,         // `value`: signal
    exec_failed = 4,    // `value`: errno
    signalled = 5,      // `value`: signal sent on request
    stopping = 6,       // a stop was asked for; `value`: first signal
    output_closed = 7,  // after the exit: no descendant holds the pipes any more
    taken_over = 8,     // the shim before was killed; `value`: bytes it may have read and not recorded, at most
    removed = 9         // somebody removed or cut off segments under the writer; `value`: recorded bytes that went with
                        // them, as far as they were in the newest one
};

/// One piece: what one read of a pipe gave, cut to whole lines where they come in time.
struct IndexRecord {
    std::uint64_t sequence = 0;  // dense: 1, 2, 3, … through all segments and runs
    std::uint64_t offset = 0;    // of the piece in this segment's .log
    std::uint32_t length = 0;    // bytes
    std::uint32_t run = 0;       // number of the run it belongs to
    std::int64_t wall_ns = 0;    // 0: unknown
    std::uint64_t boot_ns = 0;   // CLOCK_BOOTTIME
    Stream stream = Stream::none;
    std::uint8_t flags = 0;
    Event event = Event::none;
    std::uint8_t reserved = 0;
    std::uint32_t lines = 0;  // newlines in the piece
    std::int64_t value = 0;
    std::uint32_t reserved2 = 0;
    std::uint32_t crc = 0;  // CRC-32C of the 60 bytes before
};
static_assert(sizeof(IndexRecord) == 64);

}  // namespace persistproc::logstore
