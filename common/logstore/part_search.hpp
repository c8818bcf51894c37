#pragma once
/// Looks for a pattern in lines that may be longer than one look may take. Pure, but for the clock of a limit.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/logstore/search.hpp"

namespace persistproc::logstore {

/// Of one stream, one part of a line after the other. A match may lie across two parts, as far as it is no longer than
/// what is kept of the one before: 4 KiB, or less where the pattern is slow.
class PartSearch {
public:
    struct Found {
        std::string_view text;   // the part, behind the end of the one before it; lives until the next look
        std::string_view match;  // of it: all, or a state that was redrawn since
        std::size_t before = 0;  // bytes of `text` that stand before the part
    };

    /// `limit`: of all looks at one line that comes in parts; behind it nothing of the line is looked at.
    explicit PartSearch(std::chrono::nanoseconds limit = std::chrono::nanoseconds::max()) : limit_(limit) {}

    /// What matches, unless `exclude` (null: nothing) does, too. A part is no longer than the patterns may be given.
    std::optional<Found> look(const LinePattern& pattern, const LinePattern* exclude, std::string_view part,
                              LineEnds ends);
    /// The next part goes on behind this one, which is not looked at.
    void begin_behind(std::string part) { kept_ = std::move(part); }
    /// Bytes that were not looked at, as the limit was reached.
    std::uint64_t passed_bytes() const noexcept { return passed_bytes_; }

    /// Of a part before, that `pattern` is given again.
    static std::size_t kept_bytes(const LinePattern& pattern) noexcept;

private:
    std::chrono::nanoseconds limit_, taken_{0};
    std::uint64_t passed_bytes_ = 0;
    std::string kept_, joined_;
};

}  // namespace persistproc::logstore
