#include "common/logstore/part_search.hpp"

#include <algorithm>

namespace persistproc::logstore {

namespace {

constexpr std::size_t most_bytes_across = 4u << 10;

}  // namespace

std::size_t PartSearch::kept_bytes(const LinePattern& pattern) noexcept {
    return std::min(most_bytes_across, pattern.longest_text() / 4);
}

std::optional<PartSearch::Found> PartSearch::look(const LinePattern& pattern, const LinePattern* exclude,
                                                  std::string_view part, LineEnds ends) {
    using std::chrono::steady_clock;
    if (ends.begins) {
        kept_.clear();
        taken_ = {};
    }
    if (taken_ >= limit_) {
        passed_bytes_ += part.size();
        kept_.clear();
        return std::nullopt;
    }
    // A line that is looked at once is short enough.
    const bool is_timed = !(ends.begins && ends.ends) && limit_ != std::chrono::nanoseconds::max();
    const auto began = is_timed ? steady_clock::now() : steady_clock::time_point{};
    Found out{.text = part, .match = {}, .before = kept_.size()};
    if (!kept_.empty()) {
        joined_ = kept_;
        joined_ += part;
        out.text = joined_;
    }
    const auto match = find_match(pattern, exclude, out.text, ends);
    kept_ = ends.ends ? std::string_view{}
                      : out.text.substr(out.text.size() - std::min(out.text.size(), kept_bytes(pattern)));
    if (is_timed) taken_ += steady_clock::now() - began;
    if (!match) return std::nullopt;
    out.match = *match;
    return out;
}

}  // namespace persistproc::logstore
