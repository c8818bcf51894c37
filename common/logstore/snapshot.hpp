#pragma once
/// A log as it stood at one moment, and places in it. For the other sources of this folder alone.
#include <compare>
#include <filesystem>
#include <optional>
#include <vector>

#include "common/logstore/segment.hpp"

namespace persistproc::logstore {

/// A record: place of its segment in the snapshot, and its number there. One past a segment's last record and the
/// first one of the next segment are the same place.
struct Place {
    std::size_t segment = 0;
    std::uint64_t record = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
};

class Snapshot {
public:
    /// Errors: io, corrupt, unsupported. No segments: an empty log.
    static Result<Snapshot> take(const std::filesystem::path& log_directory);

    bool empty() const noexcept { return segments_.empty(); }
    Place begin() const noexcept { return Place{}; }
    Place end() const noexcept;
    std::uint64_t oldest_position() const noexcept;
    std::uint64_t end_position() const noexcept;
    std::size_t segment_count() const noexcept { return segments_.size(); }
    std::uint32_t segment_number(std::size_t i) const noexcept { return segments_[i]; }
    const std::filesystem::path& directory() const noexcept { return directory_; }
    /// Of its names, as they were before they were listed.
    const NamesStamp& names() const noexcept { return names_; }

    /// Opened when first asked for. Null: the bound removed it meanwhile.
    Result<Segment*> segment(std::size_t i);

    /// The first record for which `is_before` is false. It must be true up to some record and false from there on;
    /// a record it has no answer for goes with its successor.
    template <class IsBefore>
    Result<Place> find(IsBefore is_before) {
        std::size_t low = 0, high = segments_.size();  // first segment that begins at or after the place
        // Most places are near the end, which is open: the farther away, the longer the steps.
        for (std::size_t step = 1; low < high; step *= 2) {
            const std::size_t probe = high - std::min(step, high - low);
            auto first = answer(probe, 0, is_before);
            if (!first) return first.error();
            if (!*first || !**first)
                high = probe;
            else
                low = probe + 1;
            if (low > 0) break;
        }
        while (low < high) {
            const std::size_t middle = low + (high - low) / 2;
            auto first = answer(middle, 0, is_before);
            if (!first) return first.error();
            // Only a segment that was just begun has no answer: the place is before it.
            if (*first && **first)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == 0) return Place{};
        auto in = segment(low - 1);
        if (!in) return in.error();
        if (*in == nullptr) return Place{low, 0};
        std::uint64_t from = 0, to = (*in)->count();
        while (from < to) {
            const std::uint64_t middle = from + (to - from) / 2;
            std::optional<bool> known;
            std::uint64_t probe = middle;
            for (; probe < to && !known; ++probe) {
                auto record = (*in)->record(probe);
                if (!record) return record.error();
                if (*record) known = is_before(**in, **record);
            }
            if (known && *known)
                from = probe;
            else
                to = middle;
        }
        return Place{low - 1, from};
    }

    /// Bytes at the log's end that no index names: the index was removed or damaged, or is about to be written.
    std::uint64_t unindexed_bytes() const;
    /// First record whose bytes go past `position`, or that stands there without bytes.
    Result<Place> find_position(std::uint64_t position);
    /// Position of a place's first byte.
    Result<std::uint64_t> position_at(Place place);
    /// Newlines of a view between two places.
    Result<std::uint64_t> count_lines(Place from, Place to, StreamChoice choice);

private:
    /// What `is_before` says of the first record from `record` on that it has an answer for.
    template <class IsBefore>
    Result<std::optional<bool>> answer(std::size_t i, std::uint64_t record, IsBefore is_before) {
        auto in = segment(i);
        if (!in) return in.error();
        std::optional<bool> known;
        if (*in == nullptr) return std::optional<bool>(true);
        for (; record < (*in)->count() && !known; ++record) {
            auto one = (*in)->record(record);
            if (!one) return one.error();
            if (*one) known = is_before(**in, **one);
        }
        return known;
    }

    std::filesystem::path directory_;
    NamesStamp names_;
    std::vector<std::uint32_t> segments_;
    std::vector<std::optional<Segment>> open_;
    std::vector<bool> gone_;
};

}  // namespace persistproc::logstore
