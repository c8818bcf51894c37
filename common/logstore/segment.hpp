#pragma once
/// One segment as readers see it, and the list of those there are. For the other sources of this folder alone.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"
#include "common/logstore/format.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::logstore {

/// Numbers of the segments in a log directory, ascending. A missing directory has none. Errors: io.
Result<std::vector<std::uint32_t>> list_segments(const std::filesystem::path& log_directory);

/// When the names in a log directory were changed last. Of what was looked at behind its back nothing is known.
class NamesStamp {
public:
    NamesStamp() = default;
    /// To be taken before the names are listed.
    static NamesStamp of(const std::filesystem::path& log_directory) noexcept;
    /// Whether the names are for certain those that were listed behind `before`.
    bool is_same(const NamesStamp& before) const noexcept;

private:
    std::int64_t changed_ns_ = 0;
    bool is_settled_ = false;  // a change since would have another time, however coarse the file system's are
};

std::filesystem::path data_path(const std::filesystem::path& log_directory, std::uint32_t number);
std::filesystem::path index_path(const std::filesystem::path& log_directory, std::uint32_t number);

/// Whether a record's bytes are part of a view, and the newlines it adds to it.
bool belongs(const IndexRecord& record, StreamChoice choice) noexcept;
std::uint64_t lines_of(const IndexRecord& record, StreamChoice choice) noexcept;

/// An open segment. What counts is a snapshot, renewed by `refresh`: whole records with a good checksum whose bytes
/// are in the data file. Damaged records at the end are not there yet; a damaged one before the end is skipped.
/// Files stay readable after the bound removed their names. One thread at a time.
class Segment {
public:
    /// No value: the segment is gone, or its header is still being written. Errors: io, corrupt, unsupported.
    static Result<std::optional<Segment>> open(const std::filesystem::path& log_directory, std::uint32_t number);

    std::uint32_t number() const noexcept { return header_.segment; }
    const SegmentHeader& header() const noexcept { return header_; }
    std::uint64_t first_position() const noexcept { return header_.first_position; }

    /// Looks how far the segment goes now. Errors: io.
    Result<void> refresh();
    /// Records of the snapshot.
    std::uint64_t count() const noexcept { return count_; }
    /// Position after the last byte that a record of the snapshot names.
    std::uint64_t end_position() const noexcept { return end_position_; }
    /// Bytes of the data file behind those that a record of the snapshot names.
    std::uint64_t unindexed_bytes() const noexcept;
    /// Whether the name was removed: the bound took it.
    bool is_evicted() const noexcept;

    /// Record `i` < count(). No value: damaged. Errors: io.
    Result<std::optional<IndexRecord>> record(std::uint64_t i);
    /// The same, read again: a gap at the end grows in its place.
    Result<std::optional<IndexRecord>> record_again(std::uint64_t i);
    /// Newlines named by the records [begin, end) in one view. Checksums are not looked at.
    Result<std::uint64_t> count_lines(std::uint64_t begin, std::uint64_t end, StreamChoice choice);
    /// Bytes of the data file. The view is good until the next call. Errors: io (short file included), not_found (they
    /// were flushed since).
    Result<std::string_view> data(std::uint64_t offset, std::size_t length);

    /// Position of a record's first byte.
    std::uint64_t position_of(const IndexRecord& record) const noexcept {
        return header_.first_position + record.offset;
    }

private:
    static constexpr std::size_t block_records = 512;
    static constexpr std::size_t data_block = 256u << 10;

    /// Of one whose data is no more: nothing, behind all that was there.
    Result<void> become_empty();
    /// The raw record `i`, checksum not looked at.
    Result<const IndexRecord*> raw_record(std::uint64_t i);

    SegmentHeader header_;
    base::UniqueFd index_, data_;
    std::string name_;
    std::uint64_t count_ = 0, end_position_ = 0;
    bool is_cleared_ = false;    // nothing is added to it any more
    std::uint64_t checked_ = 0;  // records known to be good and backed by data when the snapshot was taken
    std::vector<IndexRecord> block_;
    std::uint64_t block_begin_ = 0;
    std::string buffer_;
    std::uint64_t buffer_begin_ = 0;
};

}  // namespace persistproc::logstore
