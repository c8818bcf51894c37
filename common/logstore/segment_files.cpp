#include "common/logstore/segment_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <iterator>

#include "common/base/checksum.hpp"

namespace persistproc::logstore {
namespace {

constexpr std::size_t digits = 8;

/// Number of a segment file's name; 0: some other file.
std::uint32_t segment_of(const char* name) noexcept {
    std::uint32_t number = 0;
    for (std::size_t i = 0; i < digits; ++i) {
        if (name[i] < '0' || name[i] > '9') return 0;
        number = number * 10 + static_cast<std::uint32_t>(name[i] - '0');
    }
    const char* suffix = name + digits;
    return std::strcmp(suffix, ".log") == 0 || std::strcmp(suffix, ".idx") == 0 ? number : 0;
}

}  // namespace

SegmentName::SegmentName(std::uint32_t number, const char* suffix) noexcept {
    for (std::size_t i = digits; i-- > 0; number /= 10) text[i] = static_cast<char>('0' + number % 10);
    std::memcpy(text + digits, suffix, std::strlen(suffix) + 1);
}

// readdir(3) allocates; the system call does not.
int find_segments(int directory_fd, SegmentExtent& out) noexcept {
    out = {};
    const int fd = ::openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    alignas(dirent64) char buffer[4096];
    int err = 0;
    for (;;) {
        const long got = ::syscall(SYS_getdents64, fd, buffer, sizeof buffer);
        if (got < 0) err = errno;
        if (got <= 0) break;
        for (long at = 0; at < got;) {
            const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
            if (const std::uint32_t number = segment_of(entry->d_name)) {
                out.oldest = out.oldest == 0 ? number : std::min(out.oldest, number);
                out.newest = std::max(out.newest, number);
            }
            at += entry->d_reclen;
        }
    }
    ::close(fd);
    return err;
}

int read_header(int index_fd, std::uint32_t number, SegmentHeader& out) noexcept {
    const ssize_t got = ::pread(index_fd, &out, sizeof out, 0);
    if (got < 0) return errno;
    if (got != sizeof out || std::memcmp(out.magic, index_magic, sizeof out.magic) != 0 ||
        base::crc32c(&out, offsetof(SegmentHeader, crc)) != out.crc)
        return EBADMSG;
    if (out.major != index_major) return EPROTONOSUPPORT;
    return out.segment == number ? 0 : EBADMSG;
}

int walk_records(int index_fd, std::uint64_t data_size, const SegmentHeader& header, SegmentTail& out) noexcept {
    out = {};
    IndexRecord records[128];
    for (std::uint64_t offset = sizeof header;;) {
        const ssize_t got = ::pread(index_fd, records, sizeof records, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        const std::size_t whole = static_cast<std::size_t>(got) / sizeof records[0];
        for (std::size_t i = 0; i < whole; ++i) {
            const IndexRecord& record = records[i];
            if (base::crc32c(&record, offsetof(IndexRecord, crc)) != record.crc ||
                record.sequence != header.first_sequence + out.records || record.offset != out.data_bytes ||
                record.length > data_size - out.data_bytes)
                return 0;
            ++out.records;
            out.data_bytes += record.length;
            out.lines += record.lines;
            out.last_run = record.run;
        }
        if (whole < std::size(records)) return 0;
        offset += sizeof records;
    }
}

bool is_own_file(int fd) noexcept {
    struct stat facts;
    return ::fstat(fd, &facts) == 0 && facts.st_uid == ::geteuid();
}

std::int64_t clock_ns(clockid_t clock) noexcept {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

bool is_cleared(int data_fd) noexcept {
    struct stat facts;
    return ::fstat(data_fd, &facts) == 0 && facts.st_size > 0 && ::lseek(data_fd, 0, SEEK_DATA) < 0 && errno == ENXIO;
}

bool is_full(int err) noexcept { return err == ENOSPC || err == EDQUOT; }

int write_at(int fd, const void* bytes, std::uint64_t size, std::uint64_t offset) noexcept {
    const auto* at = static_cast<const char*>(bytes);
    while (size > 0) {
        const ssize_t wrote = ::pwrite(fd, at, size, static_cast<off_t>(offset));
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return wrote < 0 ? errno : EIO;
        at += wrote;
        offset += static_cast<std::uint64_t>(wrote);
        size -= static_cast<std::uint64_t>(wrote);
    }
    return 0;
}

std::uint64_t count_newlines(const char* bytes, std::uint64_t size) noexcept {
    using Block = unsigned char __attribute__((vector_size(16)));
    const Block newline = Block{} + static_cast<unsigned char>('\n');
    std::uint64_t total = 0;
    while (size >= sizeof(Block)) {
        // Each lane counts in eight bits: 255 blocks at most before it is added up.
        const std::uint64_t blocks = std::min<std::uint64_t>(size / sizeof(Block), 255);
        Block lanes{};
        for (std::uint64_t i = 0; i < blocks; ++i) {
            Block block;
            std::memcpy(&block, bytes + i * sizeof block, sizeof block);
            lanes -= reinterpret_cast<Block>(block == newline);  // a match is all ones, that is -1
        }
        for (std::size_t lane = 0; lane < sizeof(Block); ++lane) total += lanes[lane];
        bytes += blocks * sizeof(Block);
        size -= blocks * sizeof(Block);
    }
    for (; size > 0; --size) total += *bytes++ == '\n';
    return total;
}

}  // namespace persistproc::logstore
