#include "common/logstore/segment.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>

#include "common/base/checksum.hpp"
#include "common/base/file.hpp"
#include "common/base/time.hpp"
#include "common/logstore/segment_files.hpp"

namespace persistproc::logstore {

namespace fs = std::filesystem;

namespace {

Error foreign(const std::string& path) { return {ErrorCode::denied, fmt::format("{} belongs to another user", path)}; }

/// Reads until `size` bytes, end of file or an error. Returns bytes read, or -errno.
ssize_t read_at(int fd, void* into, std::size_t size, std::uint64_t offset) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t got =
            ::pread(fd, static_cast<char*>(into) + done, size - done, static_cast<off_t>(offset + done));
        if (got < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        if (got == 0) break;
        done += static_cast<std::size_t>(got);
    }
    return static_cast<ssize_t>(done);
}

bool is_whole(const IndexRecord& record) { return base::crc32c(&record, offsetof(IndexRecord, crc)) == record.crc; }

/// Whether its bytes lie within the first `size`; offsets of a forged record may be anything.
bool is_within(const IndexRecord& record, std::uint64_t size) {
    return record.length <= size && record.offset <= size - record.length;
}

bool is_blank(const SegmentHeader& header) {
    constexpr char zeros[sizeof header] = {};
    return std::memcmp(&header, zeros, sizeof header) == 0;
}

Result<std::uint64_t> size_of(int fd, const std::string& name) {
    struct stat facts {};
    if (::fstat(fd, &facts) != 0) return base::os_failure(name, errno);
    return static_cast<std::uint64_t>(facts.st_size);
}

}  // namespace

bool belongs(const IndexRecord& record, StreamChoice choice) noexcept {
    if (record.length == 0) return false;
    if (choice == StreamChoice::combined) return true;
    if ((record.flags & separator) != 0) return false;
    // What a crash left without a record has no known stream; it is shown as standard output rather than lost.
    return choice == StreamChoice::err ? record.stream == Stream::err : record.stream != Stream::err;
}

std::uint64_t lines_of(const IndexRecord& record, StreamChoice choice) noexcept {
    if (!belongs(record, choice)) return 0;
    return (record.flags & separator) != 0 ? 1 : record.lines;
}

fs::path data_path(const fs::path& log_directory, std::uint32_t number) {
    return log_directory / fmt::format("{:08}.log", number);
}

fs::path index_path(const fs::path& log_directory, std::uint32_t number) {
    return log_directory / fmt::format("{:08}.idx", number);
}

Result<std::vector<std::uint32_t>> list_segments(const fs::path& log_directory) {
    std::vector<std::uint32_t> numbers;
    // A link that somebody put in place of either would lead to another's log.
    for (const fs::path& each : {log_directory, log_directory.parent_path()}) {
        const auto own = base::check_own_directory(each);
        if (!own && own.error().code == ErrorCode::denied) return own.error();
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(log_directory.c_str()), ::closedir);
    if (!directory) {
        if (errno == ENOENT || errno == ENOTDIR) return numbers;
        return base::os_failure(log_directory.native(), errno);
    }
    errno = 0;
    while (const dirent* entry = ::readdir(directory.get())) {
        const std::string_view name = entry->d_name;
        std::uint32_t number = 0;
        if (name.size() < 5 || !name.ends_with(".idx")) continue;
        const char* end = name.data() + name.size() - 4;
        const auto [stop, failed] = std::from_chars(name.data(), end, number);
        if (failed == std::errc() && stop == end && number > 0) numbers.push_back(number);
    }
    if (errno != 0) return base::os_failure(log_directory.native(), errno);
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

NamesStamp NamesStamp::of(const fs::path& log_directory) noexcept {
    constexpr std::int64_t coarsest_ns = 3'000'000'000;
    NamesStamp out;
    struct stat facts {};
    if (::stat(log_directory.c_str(), &facts) != 0) return out;
    out.changed_ns_ = std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec;
    const std::int64_t now_ns = base::to_ns(base::wall_now());
    out.is_settled_ = now_ns - out.changed_ns_ > coarsest_ns;
    return out;
}

bool NamesStamp::is_same(const NamesStamp& before) const noexcept {
    return before.is_settled_ && before.changed_ns_ == changed_ns_;
}

Result<std::optional<Segment>> Segment::open(const fs::path& log_directory, std::uint32_t number) {
    Segment segment;
    const fs::path path = index_path(log_directory, number);
    segment.name_ = path.native();
    segment.index_.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
    if (!segment.index_) {
        if (errno == ENOENT || errno == ENOTDIR) return std::optional<Segment>{};
        return base::os_failure(segment.name_, errno);
    }
    if (!is_own_file(segment.index_.get())) return foreign(segment.name_);
    const ssize_t got = read_at(segment.index_.get(), &segment.header_, sizeof(SegmentHeader), 0);
    if (got < 0) return base::os_failure(segment.name_, static_cast<int>(-got));
    const SegmentHeader& header = segment.header_;
    // Still being written, or what a power cut left of it.
    if (got < static_cast<ssize_t>(sizeof(SegmentHeader)) || is_blank(header)) return std::optional<Segment>{};
    const auto corrupt = [&](std::string_view what) {
        const fs::path output = data_path(log_directory, number);
        std::error_code unknown;
        const auto bytes = fs::file_size(output, unknown);
        return Error{
            ErrorCode::corrupt,
            fmt::format("{}: {}; {} cannot be shown: read {}", segment.name_, what,
                        base::counted(unknown ? 0 : bytes, "byte of output", "bytes of output"), output.native())};
    };
    if (std::memcmp(header.magic, index_magic, sizeof index_magic) != 0)
        return corrupt("not an index of recorded output");
    // The major comes first: a newer one may keep its checksum elsewhere.
    if (header.major != index_major)
        return Error{ErrorCode::unsupported, fmt::format("{}: format {} is newer than this program understands ({})",
                                                         segment.name_, header.major, index_major)};
    if (base::crc32c(&header, offsetof(SegmentHeader, crc)) != header.crc || header.segment != number)
        return corrupt("damaged header");

    const fs::path data = data_path(log_directory, number);
    segment.data_.reset(::open(data.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
    if (!segment.data_) {
        if (errno == ENOENT) return std::optional<Segment>{};
        return base::os_failure(data.native(), errno);
    }
    if (!is_own_file(segment.data_.get())) return foreign(data.native());
    segment.end_position_ = header.first_position;
    if (auto done = segment.refresh(); !done) return done.error();
    if (is_cleared(segment.data_.get()))
        if (auto done = segment.become_empty(); !done) return done.error();
    return std::optional<Segment>(std::move(segment));
}

Result<void> Segment::become_empty() {
    auto lines = count_lines(0, count_, StreamChoice::combined);
    if (!lines) return lines.error();
    header_.first_line += *lines;
    header_.first_sequence += count_;
    header_.first_position = end_position_;
    count_ = 0;
    is_cleared_ = true;
    return {};
}

Result<void> Segment::refresh() {
    if (is_cleared_) return {};
    // The index first: data is appended before its record, so the data looked at afterwards holds at least as much.
    auto index_size = size_of(index_.get(), name_);
    if (!index_size) return index_size.error();
    auto data_size = size_of(data_.get(), name_);
    if (!data_size) return data_size.error();
    std::uint64_t count =
        *index_size < sizeof(SegmentHeader) ? 0 : (*index_size - sizeof(SegmentHeader)) / sizeof(IndexRecord);
    if (count <= checked_) return {};
    // The cached block may have been read while records were missing from it.
    block_.clear();
    for (; count > checked_; --count) {
        auto last = raw_record(count - 1);
        if (!last) return last.error();
        if (*last == nullptr) continue;
        if (is_whole(**last) && is_within(**last, *data_size)) {
            end_position_ = header_.first_position + (*last)->offset + (*last)->length;
            break;
        }
    }
    checked_ = count_ = count;
    return {};
}

std::uint64_t Segment::unindexed_bytes() const noexcept {
    struct stat facts {};
    if (is_cleared_ || ::fstat(data_.get(), &facts) != 0) return 0;
    const auto size = static_cast<std::uint64_t>(facts.st_size), named = end_position_ - first_position();
    // Who writes it has written on since the index was looked at, and names what was written.
    const auto index_size = size_of(index_.get(), name_);
    if (index_size && *index_size >= sizeof(SegmentHeader) + (count_ + 1) * sizeof(IndexRecord)) return 0;
    return size - std::min(size, named);
}

bool Segment::is_evicted() const noexcept {
    struct stat facts {};
    return ::fstat(index_.get(), &facts) == 0 && facts.st_nlink == 0;
}

Result<const IndexRecord*> Segment::raw_record(std::uint64_t i) {
    if (i < block_begin_ || i >= block_begin_ + block_.size()) {
        // Aligned blocks serve both directions of travel.
        block_begin_ = i - i % block_records;
        block_.resize(block_records);
        const ssize_t got = read_at(index_.get(), block_.data(), block_records * sizeof(IndexRecord),
                                    sizeof(SegmentHeader) + block_begin_ * sizeof(IndexRecord));
        if (got < 0) {
            block_.clear();
            return base::os_failure(name_, static_cast<int>(-got));
        }
        block_.resize(static_cast<std::size_t>(got) / sizeof(IndexRecord));
        if (i >= block_begin_ + block_.size()) return nullptr;
    }
    return &block_[i - block_begin_];
}

Result<std::optional<IndexRecord>> Segment::record(std::uint64_t i) {
    auto raw = raw_record(i);
    if (!raw) return raw.error();
    if (*raw == nullptr || !is_whole(**raw)) return std::optional<IndexRecord>{};
    const IndexRecord& found = **raw;
    // A record that is whole but names bytes beyond the snapshot's end was never written by us.
    if (!is_within(found, end_position_ - header_.first_position)) return std::optional<IndexRecord>{};
    return std::optional<IndexRecord>(found);
}

Result<std::optional<IndexRecord>> Segment::record_again(std::uint64_t i) {
    block_.clear();
    return record(i);
}

Result<std::uint64_t> Segment::count_lines(std::uint64_t begin, std::uint64_t end, StreamChoice choice) {
    std::uint64_t lines = 0;
    for (std::uint64_t i = begin; i < end; ++i) {
        auto raw = raw_record(i);
        if (!raw) return raw.error();
        if (*raw == nullptr) break;
        lines += lines_of(**raw, choice);
    }
    return lines;
}

Result<std::string_view> Segment::data(std::uint64_t offset, std::size_t length) {
    if (length == 0) return std::string_view();
    if (offset < buffer_begin_ || offset + length > buffer_begin_ + buffer_.size()) {
        buffer_.resize(std::max(length, data_block));
        buffer_begin_ = offset;
        const ssize_t got = read_at(data_.get(), buffer_.data(), buffer_.size(), offset);
        if (got < 0) {
            buffer_.clear();
            return base::os_failure(name_, static_cast<int>(-got));
        }
        buffer_.resize(static_cast<std::size_t>(got));
        if (is_cleared(data_.get())) {
            buffer_.clear();
            return Error{ErrorCode::not_found, fmt::format("{}: flushed meanwhile", name_)};
        }
        if (buffer_.size() < length)
            return Error{ErrorCode::io, fmt::format("{}: the data file became shorter", name_)};
    }
    return std::string_view(buffer_).substr(offset - buffer_begin_, length);
}

}  // namespace persistproc::logstore
