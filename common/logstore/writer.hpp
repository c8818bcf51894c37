#pragma once
/// Appends the output of a run to the log of its process. The shim's side: no heap, no exceptions, one thread, errno
/// as the result. The caller holds the run's shim.lock and is the only writer.
///
/// What stands in a piece (whole lines, separators between streams) is the caller's choice; where it stands (segments,
/// bound, sequence numbers, positions) is the writer's.
#include <cstddef>
#include <cstdint>

#include "common/logstore/background_sync.hpp"
#include "common/logstore/format.hpp"

namespace persistproc::logstore {

struct WriterOptions {
    std::uint32_t run = 0;
    std::uint64_t segment_bytes = 8u << 20;
    std::uint64_t bound_bytes = 64u << 20;
    /// Whose bytes a tail of data without a record is, where that is known from elsewhere.
    Stream recovered_stream = Stream::none;
};

class Writer {
public:
    Writer() noexcept = default;
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    /// Opens the newest segment in the directory `directory_fd` (which stays the caller's), repairs its tail after a
    /// crash, or makes segment 1. Returns 0 or errno (EPROTONOSUPPORT: newer major; EBADMSG: damaged beyond repair,
    /// nothing was changed).
    int open(int directory_fd, const WriterOptions& options) noexcept;
    /// Closes without syncing.
    void close() noexcept;

    /// Appends a piece of output; see RecordFlags. On a full disk the piece is counted as lost, the oldest segments
    /// of this process go first, and a gap record follows once there is room: the caller is never blocked by it.
    void append(Stream stream, const char* bytes, std::size_t size, std::uint8_t flags) noexcept;
    void append_event(Event event, std::int64_t value) noexcept;

    /// Makes everything appended durable before it returns. Returns 0 or errno. After an error of the device a new
    /// segment is begun: what the kernel failed to write once it may silently have dropped.
    int sync() noexcept;
    /// The same without waiting where there is much to write; then the caller calls again while `dirty()`. Segments
    /// that the bound removes before their turn are never written to the device.
    int begin_sync() noexcept;
    /// Gives back what only a busy log needs.
    void cool_down() noexcept;

    bool dirty() const noexcept { return dirty_bytes_ > 0; }
    std::uint64_t position() const noexcept { return position_; }
    /// Whether the newest byte is not a newline: the next piece would land inside a line.
    bool inside_line() const noexcept { return inside_line_; }
    /// Bytes lost that no gap record tells of yet.
    std::uint64_t lost() const noexcept { return lost_; }

private:
    /// A finished segment that may not be durable yet.
    struct Retired {
        std::uint32_t number = 0;
        int data = -1, index = -1;
    };

    int reopen(std::uint32_t number) noexcept;
    int repair(std::uint64_t data_size) noexcept;
    int recover_piece(std::uint64_t end, std::uint32_t run) noexcept;
    int derive_header(std::uint32_t number, SegmentHeader& out) noexcept;
    int begin_segment(std::uint32_t number) noexcept;
    void rotate() noexcept;
    /// Goes on in a new segment and never syncs the present one again.
    void leave_segment() noexcept;
    bool remove_oldest() noexcept;
    int write_with_room(int fd, const void* bytes, std::uint64_t size, std::uint64_t offset) noexcept;
    int add_record(IndexRecord record) noexcept;
    int add_gap() noexcept;
    void retire(int data, int index) noexcept;
    void forget_retired(std::uint32_t number) noexcept;
    void start_writing() noexcept;
    int sync_retired(bool in_background) noexcept;

    int directory_ = -1, data_ = -1, index_ = -1;
    WriterOptions options_;
    std::uint32_t segment_ = 0, oldest_ = 0;
    std::uint64_t oldest_position_ = 0;  // of the oldest segment's first byte
    std::uint64_t data_size_ = 0, index_size_ = 0, position_ = 0;
    std::uint64_t sequence_ = 1;  // of the next record
    std::uint64_t line_ = 0, lost_ = 0, dirty_bytes_ = 0;
    bool inside_line_ = false, names_dirty_ = false;
    Retired retired_[8];
    BackgroundSync background_;
};

}  // namespace persistproc::logstore
