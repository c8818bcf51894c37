#include "common/logstore/writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <ctime>
#include <initializer_list>

#include "common/base/checksum.hpp"
#include "common/logstore/segment_files.hpp"

namespace persistproc::logstore {
namespace {

// Below this much the foreground sync is over sooner than a pipe fills.
constexpr std::uint64_t foreground_bytes = 256u << 10;

std::int64_t clock_ns(clockid_t clock) noexcept {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

bool is_full(int err) noexcept { return err == ENOSPC || err == EDQUOT; }

}  // namespace

int Writer::begin_segment(std::uint32_t number) noexcept {
    const SegmentName data_name(number, ".log"), index_name(number, ".idx");
    const int data = ::openat(directory_, data_name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (data < 0) return errno;
    const int index = ::openat(directory_, index_name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int err = index < 0 ? errno : 0;
    SegmentHeader header;
    header.segment = number;
    header.first_position = position_;
    header.first_sequence = sequence_;
    header.first_line = line_;
    header.created_wall_ns = clock_ns(CLOCK_REALTIME);
    header.crc = base::crc32c(&header, offsetof(SegmentHeader, crc));
    if (err == 0) err = write_with_room(index, &header, sizeof header, 0);
    if (err != 0) {
        if (index >= 0) ::close(index);
        ::close(data);
        ::unlinkat(directory_, index_name.c_str(), 0);
        ::unlinkat(directory_, data_name.c_str(), 0);
        return err;
    }
    if (data_ >= 0) retire(data_, index_);
    data_ = data;
    index_ = index;
    segment_ = number;
    data_size_ = 0;
    index_size_ = sizeof header;
    dirty_bytes_ += sizeof header;
    names_dirty_ = true;
    return 0;
}

// When no new segment can be made the old one goes on: longer than wished is better than lost.
void Writer::rotate() noexcept {
    if (begin_segment(segment_ + 1) != 0) return;
    while (position_ - oldest_position_ + options_.segment_bytes > options_.bound_bytes && remove_oldest()) {
    }
}

bool Writer::remove_oldest() noexcept {
    if (oldest_ >= segment_) return false;
    forget_retired(oldest_);
    ::unlinkat(directory_, SegmentName(oldest_, ".log").c_str(), 0);
    ::unlinkat(directory_, SegmentName(oldest_, ".idx").c_str(), 0);
    SegmentHeader header;
    int err = ENOENT;
    while (err != 0 && ++oldest_ < segment_) {
        const int index = ::openat(directory_, SegmentName(oldest_, ".idx").c_str(), O_RDONLY | O_CLOEXEC);
        if (index < 0) continue;
        err = read_header(index, oldest_, header);
        ::close(index);
    }
    oldest_position_ = err == 0 ? header.first_position : position_ - data_size_;
    return true;
}

int Writer::write_with_room(int fd, const void* bytes, std::uint64_t size, std::uint64_t offset) noexcept {
    int err;
    do err = write_at(fd, bytes, size, offset);
    while (is_full(err) && remove_oldest());
    return err;
}

/// Fills in what every record has, and appends it.
int Writer::add_record(IndexRecord record) noexcept {
    record.sequence = sequence_;
    record.crc = base::crc32c(&record, offsetof(IndexRecord, crc));
    if (const int err = write_with_room(index_, &record, sizeof record, index_size_)) {
        // A torn record would be read as the end; nothing may follow it. Cutting needs no room.
        if (::ftruncate(index_, static_cast<off_t>(index_size_)) != 0) return errno;
        return err;
    }
    ++sequence_;
    index_size_ += sizeof record;
    dirty_bytes_ += sizeof record;
    return 0;
}

int Writer::add_gap() noexcept {
    IndexRecord record;
    record.offset = data_size_;
    record.run = options_.run;
    record.wall_ns = clock_ns(CLOCK_REALTIME);
    record.boot_ns = static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME));
    record.flags = gap;
    record.value = static_cast<std::int64_t>(lost_);
    const int err = add_record(record);
    if (err == 0) lost_ = 0;
    return err;
}

void Writer::append(Stream stream, const char* bytes, std::size_t size, std::uint8_t flags) noexcept {
    if (size == 0) return;
    if (data_size_ > 0 && data_size_ + size > options_.segment_bytes) rotate();
    int err = write_with_room(data_, bytes, size, data_size_);
    // The gap is told only when the piece after it has found room, else a full disk would fill the index with gaps.
    if (err == 0 && lost_ > 0) err = add_gap();
    if (err == 0) {
        IndexRecord record;
        record.offset = data_size_;
        record.length = static_cast<std::uint32_t>(size);
        record.run = options_.run;
        record.wall_ns = clock_ns(CLOCK_REALTIME);
        record.boot_ns = static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME));
        record.stream = stream;
        record.flags = flags;
        record.lines = static_cast<std::uint32_t>(count_newlines(bytes, size));
        err = add_record(record);
        if (err == 0) {
            data_size_ += size;
            position_ += size;
            line_ += record.lines;
            dirty_bytes_ += size;
            inside_line_ = bytes[size - 1] != '\n';
            return;
        }
    }
    // Data without its record would be taken for a crash's leftover. If even this fails the next piece overwrites it.
    [[maybe_unused]] const int ignored = ::ftruncate(data_, static_cast<off_t>(data_size_));
    lost_ += size;
}

void Writer::append_event(Event event, std::int64_t value) noexcept {
    if (lost_ > 0) add_gap();
    IndexRecord record;
    record.offset = data_size_;
    record.run = options_.run;
    record.wall_ns = clock_ns(CLOCK_REALTIME);
    record.boot_ns = static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME));
    record.flags = RecordFlags::event;
    record.event = event;
    record.value = value;
    add_record(record);
}

void Writer::retire(int data, int index) noexcept {
    for (auto& each : retired_) {
        if (each.number != 0) continue;
        each = {segment_, data, index};
        return;
    }
    // No place left: its turn is now.
    for (const int fd : {data, index}) {
        if (background_.begin(fd) != 0) ::fdatasync(fd);
        ::close(fd);
    }
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
    start_writing();
    int err = background_.collect(true);
    background_.close();
    if (const int retired = sync_retired(false); retired != 0 && err == 0) err = retired;
    if (dirty_bytes_ > 0) {
        if (::fdatasync(data_) != 0 && err == 0) err = errno;
        if (::fdatasync(index_) != 0 && err == 0) err = errno;
        if (names_dirty_ && ::fsync(directory_) != 0 && errno != EINVAL && err == 0) err = errno;
        names_dirty_ = false;
        dirty_bytes_ = 0;
    }
    if (err != 0) leave_segment();
    return err;
}

void Writer::leave_segment() noexcept {
    const std::uint32_t suspect = segment_;
    if (begin_segment(suspect + 1) == 0) forget_retired(suspect);
}

int Writer::begin_sync() noexcept {
    if (const int err = background_.collect(false)) {
        leave_segment();
        return err;
    }
    // A device slower than the program: more requests would only queue up.
    if (background_.under_way() > 0) return 0;
    if (dirty_bytes_ < foreground_bytes) return sync();
    int err = sync_retired(true);
    for (const int fd : {data_, index_})
        if (background_.begin(fd) != 0 && ::fdatasync(fd) != 0) err = errno;
    if (names_dirty_ && background_.begin(directory_) != 0 && ::fsync(directory_) != 0 && errno != EINVAL) err = errno;
    names_dirty_ = false;
    dirty_bytes_ = 0;
    return err;
}

void Writer::cool_down() noexcept {
    background_.collect(false);
    if (background_.under_way() == 0) background_.close();
}

}  // namespace persistproc::logstore
