#include "common/logstore/writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <ctime>
#include <initializer_list>
#include <iterator>

#include "common/base/checksum.hpp"
#include "common/base/kill_point.hpp"
#include "common/logstore/segment_files.hpp"

namespace persistproc::logstore {
namespace {

constexpr std::uint64_t block_bytes = 4096, most_index_room = 64u << 10;
constexpr unsigned present_files = 3;  // that a sync is about besides the retired: data, index, directory

bool ends_run(Event event) noexcept {
    return event == Event::exited || event == Event::killed || event == Event::exec_failed ||
           event == Event::output_closed;
}

}  // namespace

int Writer::begin_segment(std::uint32_t number, bool clears) noexcept {
    const SegmentName data_name(number, ".log"), index_name(number, ".idx");
    const int data = ::openat(directory_, data_name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (data < 0) return errno;
    base::kill_point("log.rotate.data");
    const int index =
        ::openat(directory_, index_name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int err = index < 0 ? errno : 0;
    base::kill_point("log.rotate.index");
    SegmentHeader header;
    header.segment = number;
    header.first_position = position_;
    header.first_sequence = sequence_;
    header.first_line = line_;
    header.created_wall_ns = clock_ns(CLOCK_REALTIME);
    header.suspect_from = suspect_from_;
    header.suspect_errno = static_cast<std::uint16_t>(suspect_errno_);
    header.crc = base::crc32c(&header, offsetof(SegmentHeader, crc));
    if (err == 0) err = write_with_room(index, &header, sizeof header, 0);
    // The segment keeps its size, by which the position is known after a crash.
    if (is_full(err) && clears && index >= 0 &&
        ::fallocate(data_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                    static_cast<off_t>(data_size_ + block_bytes)) == 0 &&
        (err = write_at(index, &header, sizeof header, 0)) != 0) {
        // Somebody else took what that gave back.
        is_cut_ = true;
        open_gap_at_ = 0;
        drop(0, err);
    }
    if (err != 0) {
        if (index >= 0) ::close(index);
        ::close(data);
        ::unlinkat(directory_, index_name.c_str(), 0);
        ::unlinkat(directory_, data_name.c_str(), 0);
        return err;
    }
    base::kill_point("log.rotate.header");
    const bool was_cleared = is_cleared(data_);
    suspect_from_ = 0;
    suspect_errno_ = 0;
    if (is_given_up_ || is_cut_) {
        ::close(data_);
        ::close(index_);
    } else if (data_ >= 0) {
        give_back_room();
        retire(data_, index_);
    }
    data_ = data;
    index_ = index;
    segment_ = number;
    data_size_ = 0;
    index_size_ = index_room_ = sizeof header;
    open_gap_at_ = 0;
    is_given_up_ = is_cut_ = false;
    dirty_bytes_ += sizeof header;
    names_dirty_ = true;
    while (was_cleared && remove_oldest()) {
    }
    reserve_index(1 + spare_behind_pieces);
    return 0;
}

// When no new segment can be made the old one goes on: longer than wished is better than lost, and than to wait for a
// device that is slower than the program. What goes by the bound need not be waited for.
void Writer::rotate() noexcept {
    const auto has_place = [this] {
        return std::any_of(std::begin(retired_), std::end(retired_),
                           [](const Retired& each) { return each.number == 0; });
    };
    if (!has_place()) keep_bound();
    if (!has_place() || begin_segment(segment_ + 1) != 0) return;
    keep_bound();
}

void Writer::keep_bound() noexcept {
    const std::uint64_t newest = options_.segment_bytes + most_index_bytes();
    const auto kept = [this] {
        return position_ - oldest_position_ + (sequence_ - oldest_sequence_) * sizeof(IndexRecord);
    };
    while (kept() + newest > options_.bound_bytes && remove_oldest()) {
    }
}

/// Of one segment. A program that prints a byte at a time, as a terminal echoes, makes 64 bytes of index with each.
std::uint64_t Writer::most_index_bytes() const noexcept { return std::max(options_.segment_bytes / 4, block_bytes); }

int Writer::clear() noexcept {
    // The others first: they may make the room that a new segment needs.
    while (remove_oldest()) {
    }
    if (const int err = begin_segment(segment_ + 1, true); err != 0)
        return is_cleared(data_) || (is_full(err) && data_size_ == 0) ? 0 : err;
    remove_oldest();
    return 0;
}

bool Writer::remove_oldest() noexcept {
    if (oldest_ >= segment_) return false;
    forget_retired(oldest_);
    ::unlinkat(directory_, SegmentName(oldest_, ".log").c_str(), 0);
    ::unlinkat(directory_, SegmentName(oldest_, ".idx").c_str(), 0);
    SegmentHeader header;
    int err = ENOENT;
    while (err != 0 && ++oldest_ < segment_) {
        const int index =
            ::openat(directory_, SegmentName(oldest_, ".idx").c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (index < 0) continue;
        err = read_header(index, oldest_, header);
        ::close(index);
    }
    oldest_position_ = err == 0 ? header.first_position : position_ - data_size_;
    oldest_sequence_ = err == 0 ? header.first_sequence : sequence_;
    return true;
}

int Writer::write_with_room(int fd, const void* bytes, std::uint64_t size, std::uint64_t offset) noexcept {
    int err;
    do err = write_at(fd, bytes, size, offset);
    while (is_full(err) && remove_oldest());
    return err;
}

// Blocks beyond the end of the file: its size says what was written.
int Writer::reserve_index(std::uint64_t records) noexcept {
    const std::uint64_t end = index_size_ + records * sizeof(IndexRecord);
    if (end <= index_room_) return 0;
    // The more there are, the more at once; whole blocks, which cost no more than their parts.
    const std::uint64_t wanted = std::max(end, index_size_ + std::min(index_size_, most_index_room));
    const std::uint64_t room = (wanted + block_bytes - 1) / block_bytes * block_bytes;
    const auto offset = static_cast<off_t>(index_size_), size = static_cast<off_t>(room - index_size_);
    int err;
    do err = ::fallocate(index_, FALLOC_FL_KEEP_SIZE, offset, size) == 0 ? 0 : errno;
    while (err == EINTR || (is_full(err) && remove_oldest()));
    if (err == 0) index_room_ = room;
    if (is_full(err)) return err;
    // Not every file system can. What else is wrong, the writing itself will meet.
    if (err != 0) index_room_ = UINT64_MAX;
    return 0;
}

/// Fills in what every record has, and appends it.
int Writer::add_record(IndexRecord record, std::uint64_t spare) noexcept {
    if (const int err = reserve_index(1 + spare); err != 0 && spare > 0) return err;
    record.sequence = sequence_;
    record.crc = base::crc32c(&record, offsetof(IndexRecord, crc));
    if (const int err = write_with_room(index_, &record, sizeof record, index_size_)) {
        // A torn record would be read as the end; nothing may follow it. Cutting needs no room.
        if (::ftruncate(index_, static_cast<off_t>(index_size_)) != 0) return errno;
        index_room_ = index_size_;
        return err;
    }
    ++sequence_;
    index_size_ += sizeof record;
    dirty_bytes_ += sizeof record;
    open_gap_at_ = 0;
    return 0;
}

IndexRecord Writer::make_record(std::uint8_t flags) const noexcept {
    IndexRecord record;
    record.offset = data_size_;
    record.run = options_.run;
    record.wall_ns = clock_ns(CLOCK_REALTIME);
    record.boot_ns = static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME));
    record.flags = flags;
    return record;
}

int Writer::add_piece(Stream stream, const char* bytes, std::size_t size, std::uint8_t flags) noexcept {
    int err = write_with_room(data_, bytes, size, data_size_);
    base::kill_point("log.data");
    // What is missing is told only when the piece after it has found room, else a full disk would fill the index.
    if (err == 0) err = tell_losses(spare_behind_pieces);
    if (err == 0) {
        IndexRecord record = make_record(flags);
        record.length = static_cast<std::uint32_t>(size);
        record.stream = stream;
        record.lines = static_cast<std::uint32_t>(count_newlines(bytes, size));
        err = add_record(record, spare_behind_pieces);
        if (err == 0) {
            data_size_ += size;
            position_ += size;
            line_ += record.lines;
            dirty_bytes_ += size;
            inside_line_ = bytes[size - 1] != '\n';
            base::kill_point("log.record");
            return 0;
        }
    }
    // Data without its record would be taken for a crash's leftover. If even this fails the next piece overwrites it.
    [[maybe_unused]] const int ignored = ::ftruncate(data_, static_cast<off_t>(data_size_));
    return err;
}

void Writer::append(Stream stream, const char* bytes, std::size_t size, std::uint8_t flags) noexcept {
    if (size == 0) return;
    check_files();
    if (data_size_ > 0 && (data_size_ + size > options_.segment_bytes || index_size_ >= most_index_bytes())) rotate();
    int err = is_cut_ ? ENOENT : add_piece(stream, bytes, size, flags);
    if (err != 0 && go_elsewhere(err)) err = add_piece(stream, bytes, size, flags);
    if (err != 0) drop(size, err);
}

void Writer::append_event(Event event, std::int64_t value) noexcept {
    check_files();
    const std::uint64_t spare = ends_run(event) ? 0 : spare_behind_events;
    for (int attempt = 0; attempt < 2; ++attempt) {
        int err = ENOENT;
        if (!is_cut_) {
            tell_losses(spare + 1);
            IndexRecord record = make_record(RecordFlags::event);
            record.event = event;
            record.value = value;
            err = add_record(record, spare);
        }
        if (err == 0 || !go_elsewhere(err)) return;
    }
}

/// Blocks that were reserved and not needed.
void Writer::give_back_room() noexcept {
    struct stat facts {};
    // One that was cut off by others must not become longer.
    if (index_room_ == index_size_ || ::fstat(index_, &facts) != 0 ||
        static_cast<std::uint64_t>(facts.st_size) != index_size_)
        return;
    [[maybe_unused]] const int ignored = ::ftruncate(index_, static_cast<off_t>(index_size_));
    index_room_ = index_size_;
}

void Writer::retire(int data, int index) noexcept {
    for (auto& each : retired_) {
        if (each.number != 0) continue;
        each = {segment_, data, index};
        return;
    }
    // No place left: its turn is now.
    int err = 0;
    for (const int fd : {data, index}) {
        if (background_.begin(fd) != 0 && ::fdatasync(fd) != 0) err = errno;
        ::close(fd);
    }
    if (err != 0) note_suspect(segment_, err);
}

void Writer::forget_retired(std::uint32_t number) noexcept {
    for (auto& each : retired_) {
        if (each.number != number) continue;
        ::close(each.data);
        ::close(each.index);
        each = {};
    }
}

int Writer::sync_retired(bool in_background) noexcept {
    int first = 0;
    for (auto& each : retired_) {
        if (each.number == 0) continue;
        // The others later.
        if (in_background && background_.room() < 2 + present_files) continue;
        for (const int fd : {each.data, each.index}) {
            if ((!in_background || background_.begin(fd) != 0) && ::fdatasync(fd) != 0 && first == 0) first = errno;
            ::close(fd);
        }
        each = {};
    }
    return first;
}

// Writing is begun for all files before the first is waited for: they then share commits of the file system's journal,
// which cost more than the data.
void Writer::start_writing() noexcept {
    for (const auto& each : retired_) {
        if (each.number == 0) continue;
        ::sync_file_range(each.data, 0, 0, SYNC_FILE_RANGE_WRITE);
        ::sync_file_range(each.index, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    ::sync_file_range(data_, 0, 0, SYNC_FILE_RANGE_WRITE);
    ::sync_file_range(index_, 0, 0, SYNC_FILE_RANGE_WRITE);
}

int Writer::sync() noexcept {
    check_files();
    try_again();
    const int err = sync_written();
    if (err != 0)
        give_up(unsynced_from_, err);
    else if (!is_given_up_)
        unsynced_from_ = segment_;
    return err;
}

int Writer::sync_written() noexcept {
    start_writing();
    int err = background_.collect(true);
    if (const int retired = sync_retired(false); retired != 0 && err == 0) err = retired;
    if (dirty_bytes_ > 0 && !is_given_up_) {
        // A second sync of the same segment could only hide what the first one says.
        int own = ::fdatasync(data_) == 0 ? 0 : errno;
        if (own == 0 && ::fdatasync(index_) != 0) own = errno;
        if (own == 0 && names_dirty_ && ::fsync(directory_) != 0 && errno != EINVAL) own = errno;
        if (err == 0) err = own;
    }
    names_dirty_ = false;
    dirty_bytes_ = 0;
    return err;
}

int Writer::begin_sync() noexcept {
    check_files();
    try_again();
    if (const int err = background_.collect(false)) {
        give_up(unsynced_from_, err);
        return err;
    }
    // A device slower than the program: more requests would only queue up.
    if (background_.under_way() > 0) return 0;
    unsynced_from_ = std::max(unsynced_from_, syncing_);
    if (dirty_bytes_ == 0 && !is_behind()) return 0;
    int err = sync_retired(true);
    if (!is_given_up_ && dirty_bytes_ > 0) {
        for (const int fd : {data_, index_})
            if (background_.begin(fd) != 0 && ::fdatasync(fd) != 0) err = errno;
        if (names_dirty_ && background_.begin(directory_) != 0 && ::fsync(directory_) != 0 && errno != EINVAL)
            err = errno;
    }
    if (!is_given_up_) {
        syncing_ = segment_;
        for (const auto& each : retired_)
            if (each.number != 0) syncing_ = std::min(syncing_, each.number);
    }
    names_dirty_ = false;
    dirty_bytes_ = 0;
    if (err != 0) give_up(unsynced_from_, err);
    return err;
}

bool Writer::is_behind() const noexcept {
    return std::any_of(std::begin(retired_), std::end(retired_), [](const Retired& each) { return each.number != 0; });
}

void Writer::release() noexcept {
    if (index_ >= 0) give_back_room();
}

int Writer::sync_released() noexcept { return sync_written(); }

void Writer::rest() noexcept {
    if (const int err = background_.collect(false)) give_up(unsynced_from_, err);
    if (background_.under_way() == 0) background_.close();
}

}  // namespace persistproc::logstore
