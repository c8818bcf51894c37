// Opening a log and setting right what a crash left: the first half of Writer.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "common/base/checksum.hpp"
#include "common/logstore/segment_files.hpp"
#include "common/logstore/writer.hpp"

namespace persistproc::logstore {
namespace {

int size_of(int fd, std::uint64_t& out) noexcept {
    struct stat facts {};
    if (::fstat(fd, &facts) != 0) return errno;
    out = static_cast<std::uint64_t>(facts.st_size);
    return 0;
}

/// Header of the oldest segment, for the bound. One that cannot be read counts as empty.
SegmentHeader oldest_header(int directory, std::uint32_t number, const SegmentHeader& otherwise) noexcept {
    const int fd =
        ::openat(directory, SegmentName(number, ".idx").c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return otherwise;
    SegmentHeader header;
    const int err = read_header(fd, number, header);
    ::close(fd);
    return err == 0 ? header : otherwise;
}

/// Whether the device was full when the newest one was begun, by who was killed then.
bool was_cleared(int directory, std::uint32_t number) noexcept {
    const int fd =
        ::openat(directory, SegmentName(number, ".log").c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return false;
    const bool out = is_cleared(fd);
    ::close(fd);
    return out;
}

/// Of a log that has events and no output; some three hundred runs.
constexpr std::uint64_t most_silent_index_bytes = 64u << 10;

}  // namespace

int Writer::open(int directory_fd, const WriterOptions& options) noexcept {
    close();
    directory_ = directory_fd;
    options_ = options;
    segment_ = oldest_ = 0;
    oldest_position_ = oldest_sequence_ = data_size_ = index_size_ = index_room_ = position_ = line_ = dirty_bytes_ = 0;
    lost_ = lost_in_all_ = removed_ = open_gap_at_ = 0;
    dropped_at_ = leave_at_ = leave_pause_ = 0;
    room_errno_ = device_errno_ = suspect_errno_ = 0;
    suspect_from_ = syncing_ = 0;
    sequence_ = 1;
    inside_line_ = names_dirty_ = is_given_up_ = is_cut_ = false;

    SegmentExtent found;
    int err = find_segments(directory_, found);
    if (err == 0) {
        oldest_ = found.newest == 0 ? 1 : found.oldest;
        err = found.newest == 0 ? begin_segment(1) : reopen(found.newest);
    }
    unsynced_from_ = segment_;
    if (err == 0 && oldest_ < segment_ && was_cleared(directory_, oldest_)) remove_oldest();
    if (err == 0 && is_cleared(data_)) {
        is_cut_ = true;
        leave_segment();
    }
    // What runs tell that never print anything would grow for ever: only output rotates a segment.
    if (err == 0 && data_size_ == 0 && oldest_ == segment_ && index_size_ > most_silent_index_bytes &&
        begin_segment(segment_ + 1) == 0)
        remove_oldest();
    // As far as there is room: the end of the run is to be told on a full disk, too.
    if (err == 0) reserve_index(1 + spare_behind_pieces);
    if (err != 0) close();
    return err;
}

void Writer::close() noexcept {
    background_.close();
    for (auto& each : retired_) {
        if (each.number == 0) continue;
        ::close(each.data);
        ::close(each.index);
        each = {};
    }
    if (index_ >= 0) give_back_room();
    if (data_ >= 0) ::close(data_);
    if (index_ >= 0) ::close(index_);
    data_ = index_ = -1;
    dirty_bytes_ = 0;
}

int Writer::reopen(std::uint32_t number) noexcept {
    segment_ = number;
    index_ = ::openat(directory_, SegmentName(number, ".idx").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (index_ < 0) return errno;
    data_ = ::openat(directory_, SegmentName(number, ".log").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (data_ < 0) return errno;
    if (!is_own_file(index_) || !is_own_file(data_)) return EPERM;
    std::uint64_t data_size = 0;
    if (const int err = size_of(data_, data_size)) return err;
    return repair(data_size);
}

/// Header of the segment that follows `number`, whose header is `header`.
int Writer::header_behind(std::uint32_t number, const SegmentHeader& header, SegmentHeader& out) noexcept {
    const int index =
        ::openat(directory_, SegmentName(number, ".idx").c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (index < 0) return errno == ENOENT ? EBADMSG : errno;
    const int data =
        ::openat(directory_, SegmentName(number, ".log").c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    int err = data >= 0 ? 0 : errno == ENOENT ? EBADMSG : errno;
    std::uint64_t data_size = 0;
    SegmentTail tail;
    if (err == 0) err = size_of(data, data_size);
    if (err == 0) err = walk_records(index, data_size, header, tail);
    ::close(index);
    if (data >= 0) ::close(data);
    if (err != 0) return err;
    SegmentHeader next;
    next.segment = number + 1;
    next.first_position = header.first_position + tail.data_bytes;
    next.first_sequence = header.first_sequence + tail.records;
    next.first_line = header.first_line + tail.lines;
    out = next;
    return 0;
}

// A header that a crash took is made again from the segment before; the records behind it, if any, are judged as
// always. A power cut takes several at once: all segments since the last sync.
int Writer::derive_header(std::uint32_t number, SegmentHeader& out) noexcept {
    std::uint32_t from = number;
    for (int err = EBADMSG; err != 0;) {
        if (from == 1) {
            // The first of all needs none before it.
            out = SegmentHeader{};
            out.segment = 1;
            out.first_sequence = 1;
            break;
        }
        const int index =
            ::openat(directory_, SegmentName(--from, ".idx").c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (index < 0) return errno == ENOENT ? EBADMSG : errno;
        err = read_header(index, from, out);
        ::close(index);
        if (err != 0 && err != EBADMSG) return err;
    }
    for (; from < number; ++from)
        if (const int err = header_behind(from, out, out)) return err;
    return 0;
}

int Writer::repair(std::uint64_t data_size) noexcept {
    SegmentHeader header;
    int err = read_header(index_, segment_, header);
    if (err == EBADMSG) {
        if ((err = derive_header(segment_, header)) != 0) return err;
        header.crc = base::crc32c(&header, offsetof(SegmentHeader, crc));
        err = write_at(index_, &header, sizeof header, 0);
    }
    SegmentTail tail;
    if (err == 0) err = walk_records(index_, data_size, header, tail);
    if (err != 0) return err;

    index_size_ = index_room_ = sizeof header + tail.records * sizeof(IndexRecord);
    std::uint64_t index_size = 0;
    if ((err = size_of(index_, index_size)) != 0) return err;
    if (index_size != index_size_ && ::ftruncate(index_, static_cast<off_t>(index_size_)) != 0) return errno;
    data_size_ = tail.data_bytes;
    position_ = header.first_position + tail.data_bytes;
    sequence_ = header.first_sequence + tail.records;
    line_ = header.first_line + tail.lines;
    const SegmentHeader oldest = oldest_header(directory_, oldest_, header);
    oldest_position_ = oldest.first_position;
    oldest_sequence_ = oldest.first_sequence;
    const std::uint32_t run = tail.records > 0 ? tail.last_run : options_.run;
    while (data_size_ < data_size)
        if ((err = recover_piece(data_size, run)) != 0) return err;
    char last = '\n';
    if (data_size_ > 0 && ::pread(data_, &last, 1, static_cast<off_t>(data_size_ - 1)) < 0) return errno;
    inside_line_ = last != '\n';
    return 0;
}

int Writer::recover_piece(std::uint64_t end, std::uint32_t run) noexcept {
    constexpr std::uint64_t most = 1u << 30;  // a record's length has 32 bits
    IndexRecord record;
    record.offset = data_size_;
    record.length = static_cast<std::uint32_t>(std::min(end - data_size_, most));
    record.run = run;
    char bytes[8192];
    char last = 0;
    for (std::uint64_t done = 0; done < record.length;) {
        const std::uint64_t want = std::min<std::uint64_t>(sizeof bytes, record.length - done);
        const ssize_t got = ::pread(data_, bytes, want, static_cast<off_t>(record.offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got < 0 ? errno : EIO;
        record.lines += static_cast<std::uint32_t>(count_newlines(bytes, static_cast<std::uint64_t>(got)));
        last = bytes[got - 1];
        done += static_cast<std::uint64_t>(got);
    }
    record.stream = options_.recovered_stream;
    record.flags = static_cast<std::uint8_t>(recovered | (last == '\n' ? line_complete : 0));
    if (const int err = add_record(record, 0)) return err;
    data_size_ += record.length;
    position_ += record.length;
    line_ += record.lines;
    return 0;
}

}  // namespace persistproc::logstore
