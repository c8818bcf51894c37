// What the writer does when the world refuses: counting what is dropped, and going on where it can.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <ctime>

#include "common/base/checksum.hpp"
#include "common/logstore/segment_files.hpp"
#include "common/logstore/writer.hpp"

namespace persistproc::logstore {
namespace {

constexpr std::uint64_t millisecond = 1'000'000, second = 1000 * millisecond;
/// Room for less than this is none; and it has come back only when nothing was dropped for a while. Else every short
/// line that still fits would be news.
constexpr std::uint64_t worthwhile_bytes = 64u << 10;
constexpr std::uint64_t calm = 300 * millisecond;
/// Each new segment costs two files: a device that fails again and again gets them ever more rarely.
constexpr std::uint64_t longest_leave_pause = 64 * second;

std::uint64_t now_ns() noexcept { return static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME)); }

bool is_room(int err) noexcept { return is_full(err) || err == EFBIG; }

}  // namespace

Condition Writer::condition() const noexcept {
    if (room_errno_ != 0) return {Trouble::no_room, room_errno_};
    if (device_errno_ != 0) return {Trouble::device_error, device_errno_};
    return {};
}

bool Writer::has_lost_directory() const noexcept {
    struct stat facts {};
    return is_cut_ && ::fstat(directory_, &facts) == 0 && facts.st_nlink == 0;
}

int Writer::move_to(int directory_fd) noexcept {
    const int before = directory_;
    directory_ = directory_fd;
    const int err = begin_segment(segment_ + 1);
    if (err != 0) directory_ = before;
    return err;
}

bool Writer::needs_care() const noexcept {
    return lost_ > 0 || removed_ > 0 || room_errno_ != 0 || is_given_up_ || is_cut_;
}

bool Writer::has_room() noexcept {
    if (reserve_index(1 + spare_behind_events) != 0) return false;
    // Blocks for the next pieces, if the file system can promise them.
    const int got = ::fallocate(data_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(data_size_), worthwhile_bytes);
    return got == 0 || !is_room(errno);
}

void Writer::try_again() noexcept {
    if (!needs_care()) return;
    if (is_cut_ || (is_given_up_ && now_ns() >= leave_at_)) leave_segment();
    if (is_cut_) return;
    tell_losses(spare_behind_events);
    if (room_errno_ != 0 && now_ns() - dropped_at_ >= calm && has_room()) room_errno_ = 0;
}

void Writer::drop(std::uint64_t size, int err) noexcept {
    lost_ += size;
    lost_in_all_ += size;
    dropped_at_ = now_ns();
    if (is_room(err)) room_errno_ = err;
}

int Writer::tell_losses(std::uint64_t spare) noexcept {
    if (removed_ > 0) {
        IndexRecord record = make_record(RecordFlags::event);
        record.event = Event::removed;
        record.value = static_cast<std::int64_t>(removed_);
        if (const int err = add_record(record, spare)) return err;
        removed_ = 0;
    }
    return lost_ > 0 ? tell_gap(spare) : 0;
}

// One record for one gap, however long it lasts: it is there when the writer is killed, and takes no more room.
int Writer::tell_gap(std::uint64_t spare) noexcept {
    if (open_gap_at_ != 0) {
        IndexRecord grown = open_gap_;
        grown.value += static_cast<std::int64_t>(lost_);
        grown.crc = base::crc32c(&grown, offsetof(IndexRecord, crc));
        if (const int err = write_at(index_, &grown, sizeof grown, open_gap_at_)) return err;
        open_gap_ = grown;
    } else {
        IndexRecord record = make_record(gap);
        record.value = static_cast<std::int64_t>(lost_);
        const std::uint64_t at = index_size_;
        record.sequence = sequence_;
        if (const int err = add_record(record, spare)) return err;
        open_gap_ = record;
        open_gap_at_ = at;
    }
    dirty_bytes_ += sizeof(IndexRecord);
    lost_ = 0;
    return 0;
}

/// Whether the present segment is not what was written: a name is gone, or one of the files is shorter.
bool Writer::is_cut() noexcept {
    struct stat data {
    }, index{};
    if (::fstat(data_, &data) != 0 || ::fstat(index_, &index) != 0) return false;
    const bool is_short = static_cast<std::uint64_t>(data.st_size) < data_size_ ||
                          static_cast<std::uint64_t>(index.st_size) < index_size_;
    if (data.st_nlink > 0 && index.st_nlink > 0 && !is_short) return false;
    std::uint64_t left = 0;
    SegmentHeader header;
    SegmentTail tail;
    if (data.st_nlink > 0 && index.st_nlink > 0 && read_header(index_, segment_, header) == 0 &&
        walk_records(index_, static_cast<std::uint64_t>(data.st_size), header, tail) == 0)
        left = std::min(tail.data_bytes, data_size_);
    removed_ += data_size_ - left;
    lost_in_all_ += data_size_ - left;
    return true;
}

// Before each write: behind it the file would be as long as it should be, with a hole.
void Writer::check_files() noexcept {
    if (is_cut_ || !is_cut()) return;
    is_cut_ = true;
    open_gap_at_ = 0;
    leave_segment();
}

bool Writer::go_elsewhere(int err) noexcept {
    if (is_cut_) return leave_segment();
    if (is_full(err)) return false;
    // A file that may not become larger; an empty one would be no better.
    if (err == EFBIG) return data_size_ > 0 && begin_segment(segment_ + 1) == 0;
    return give_up(segment_, err);
}

bool Writer::give_up(std::uint32_t first, int err) noexcept {
    note_suspect(first, err);
    is_given_up_ = true;
    return now_ns() >= leave_at_ && leave_segment();
}

void Writer::note_suspect(std::uint32_t first, int err) noexcept {
    if (device_errno_ == 0) device_errno_ = err;
    if (suspect_from_ == 0 || first < suspect_from_) suspect_from_ = first;
    suspect_errno_ = err;
}

bool Writer::leave_segment() noexcept {
    const bool was_given_up = is_given_up_;
    if (begin_segment(segment_ + 1) != 0) return false;
    unsynced_from_ = segment_;
    if (was_given_up) {
        leave_pause_ = leave_pause_ == 0 ? second : std::min(2 * leave_pause_, longest_leave_pause);
        leave_at_ = now_ns() + leave_pause_;
    }
    return true;
}

}  // namespace persistproc::logstore
