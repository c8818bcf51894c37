#pragma once
/// Appends the output of a run to the log of its process. The shim's side: no heap, no exceptions, one thread, errno
/// as the result. The caller holds the run's shim.lock and is the only writer.
///
/// What stands in a piece (whole lines, separators between streams) is the caller's choice; where it stands (segments,
/// bound, sequence numbers, positions) is the writer's. Nothing that fails here ever blocks the caller:
///
///     no room                  own oldest segments go; then what comes is counted, and a gap record tells of it
///
///     write or sync refused    the segment is never synced again; the next one's header names it as suspect
///
///     segments removed         by somebody: goes on in a new one; an event tells how much was in the newest of them
///
/// A few records' room in the index is reserved ahead, so that the count of what was dropped, and the end of the run,
/// are told on a full disk too.
#include <cstddef>
#include <cstdint>

#include "common/logstore/background_sync.hpp"
#include "common/logstore/format.hpp"

namespace persistproc::logstore {

struct WriterOptions {
    std::uint32_t run = 0;
    std::uint64_t segment_bytes = 8u << 20;
    std::uint64_t bound_bytes = 64u << 20;  // of data and index together
    /// Whose bytes a tail of data without a record is, where that is known from elsewhere.
    Stream recovered_stream = Stream::none;
};

/// What keeps a writer from recording everything.
enum class Trouble : std::uint8_t {
    none,
    no_room,       // of the disk, a quota or a limit: what comes is dropped. Ends by itself once there is room
    device_error,  // something else was refused since the log was opened. Stays
};
struct Condition {
    Trouble trouble = Trouble::none;
    int error = 0;  // errno that says why
    friend bool operator==(const Condition&, const Condition&) = default;
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
    /// Goes on in a new segment of another directory, the one before being gone. Returns 0 or errno; nothing has
    /// changed then.
    int move_to(int directory_fd) noexcept;
    /// Removes everything recorded so far; positions go on. Returns 0, also where a full device has no room for what
    /// comes; or errno: the newest segment has stayed then.
    int clear() noexcept;
    /// Closes without syncing.
    void close() noexcept;

    /// Appends a piece of output; see RecordFlags. What cannot be recorded is counted as lost and told of as soon as
    /// something can be: the caller is never blocked by it.
    void append(Stream stream, const char* bytes, std::size_t size, std::uint8_t flags) noexcept;
    void append_event(Event event, std::int64_t value) noexcept;

    /// Makes everything appended durable before it returns. Returns 0 or errno. After an error of the device a new
    /// segment is begun: what the kernel failed to write once it may silently have dropped.
    int sync() noexcept;
    /// The same in the background, where the kernel has a place for it; the caller calls again while `dirty()` or
    /// `is_syncing()`. Segments that the bound removes before their turn are never written to the device. Also looks
    /// whether what failed before can be done now.
    int begin_sync() noexcept;
    /// Whether results of that are still to come.
    bool is_syncing() const noexcept { return background_.under_way() > 0; }
    /// Writes nothing any more: the log may be another's from now on. What is not durable yet is for `sync_released`.
    void release() noexcept;
    /// Waits until everything appended is durable, of a log that was released. Returns 0 or errno, of which the log
    /// cannot tell any more.
    int sync_released() noexcept;
    /// Gives back what syncs in the background need, unless one is under way. May take tens of milliseconds.
    void rest() noexcept;

    /// Whether there is something to be synced, or to be tried again.
    bool dirty() const noexcept { return dirty_bytes_ > 0 || needs_care(); }
    /// Whether finished segments wait for a sync: better soon.
    bool is_behind() const noexcept;
    std::uint64_t position() const noexcept { return position_; }
    /// Whether the newest byte is not a newline: the next piece would land inside a line.
    bool inside_line() const noexcept { return inside_line_; }
    /// Bytes lost that no record tells of yet.
    std::uint64_t lost() const noexcept { return lost_; }
    /// Bytes of output that were dropped, or removed by somebody, since the log was opened.
    std::uint64_t lost_in_all() const noexcept { return lost_in_all_; }
    Condition condition() const noexcept;
    /// Looks whether somebody has removed or cut off what is being written, as each append does.
    void check_files() noexcept;
    /// Somebody removed the directory: what comes is dropped until `move_to`.
    bool has_lost_directory() const noexcept;

private:
    /// Records that a full disk must still take: a removal, a gap that may grow, and at the end of the run another gap,
    /// the end itself, one more gap and the end of its pipes. Pieces leave room for all of them, what is told meanwhile
    /// for those of the end.
    static constexpr std::uint64_t spare_behind_pieces = 6, spare_behind_events = 4;

    /// A finished segment that may not be durable yet.
    struct Retired {
        std::uint32_t number = 0;
        int data = -1, index = -1;
    };

    // writer_open.cpp
    int reopen(std::uint32_t number) noexcept;
    int repair(std::uint64_t data_size) noexcept;
    int recover_piece(std::uint64_t end, std::uint32_t run) noexcept;
    int header_behind(std::uint32_t number, const SegmentHeader& header, SegmentHeader& out) noexcept;
    int derive_header(std::uint32_t number, SegmentHeader& out) noexcept;

    // writer.cpp
    /// `clears`: what the present one holds makes room for the new one where there is none.
    int begin_segment(std::uint32_t number, bool clears = false) noexcept;
    void rotate() noexcept;
    void keep_bound() noexcept;
    std::uint64_t most_index_bytes() const noexcept;
    bool remove_oldest() noexcept;
    int write_with_room(int fd, const void* bytes, std::uint64_t size, std::uint64_t offset) noexcept;
    int reserve_index(std::uint64_t records) noexcept;
    /// `spare`: records for which the index must keep room behind this one.
    int add_record(IndexRecord record, std::uint64_t spare) noexcept;
    int add_piece(Stream stream, const char* bytes, std::size_t size, std::uint8_t flags) noexcept;
    IndexRecord make_record(std::uint8_t flags) const noexcept;
    void give_back_room() noexcept;
    void retire(int data, int index) noexcept;
    void forget_retired(std::uint32_t number) noexcept;
    void start_writing() noexcept;
    int sync_retired(bool in_background) noexcept;
    int sync_written() noexcept;

    // writer_faults.cpp
    bool needs_care() const noexcept;
    bool has_room() noexcept;
    void try_again() noexcept;
    void drop(std::uint64_t size, int err) noexcept;
    int tell_losses(std::uint64_t spare) noexcept;
    int tell_gap(std::uint64_t spare) noexcept;
    bool is_cut() noexcept;
    /// Whether what failed with `err` may succeed now, in a new segment.
    bool go_elsewhere(int err) noexcept;
    /// The segments from `first` on may not be whole on the device: never synced again, and gone on without.
    bool give_up(std::uint32_t first, int err) noexcept;
    void note_suspect(std::uint32_t first, int err) noexcept;
    bool leave_segment() noexcept;

    int directory_ = -1, data_ = -1, index_ = -1;
    WriterOptions options_;
    std::uint32_t segment_ = 0, oldest_ = 0;
    std::uint64_t oldest_position_ = 0, oldest_sequence_ = 0;  // of the oldest segment's first byte and record
    std::uint64_t data_size_ = 0, index_size_ = 0, position_ = 0;
    std::uint64_t index_room_ = 0;  // the index file has blocks up to here
    std::uint64_t sequence_ = 1;    // of the next record
    std::uint64_t line_ = 0, dirty_bytes_ = 0;
    bool inside_line_ = false, names_dirty_ = false;
    /// Half a GiB of segments of the usual size. Beyond that the present one grows.
    Retired retired_[64];
    BackgroundSync background_;
    std::uint32_t unsynced_from_ = 0, syncing_ = 0;  // oldest segment not known to be durable; newest being synced

    std::uint64_t lost_ = 0, lost_in_all_ = 0;
    std::uint64_t removed_ = 0;       // bytes that others removed and no event tells of yet
    IndexRecord open_gap_;            // the newest record, when it is a gap: may grow
    std::uint64_t open_gap_at_ = 0;   // where it stands in the index; 0: there is none
    int room_errno_ = 0;              // why there is no room
    int device_errno_ = 0;            // first other error
    bool is_given_up_ = false;        // the present segment is suspect, and no new one could be begun yet
    bool is_cut_ = false;             // the same of one that somebody removed or cut off, or that was cleared
    std::uint32_t suspect_from_ = 0;  // for the next header
    int suspect_errno_ = 0;
    std::uint64_t dropped_at_ = 0, leave_at_ = 0, leave_pause_ = 0;  // CLOCK_BOOTTIME
};

}  // namespace persistproc::logstore
