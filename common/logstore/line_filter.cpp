#include "common/logstore/line_filter.hpp"

namespace persistproc::logstore {

Result<LineFilter> LineFilter::make(const LineQuery& query) {
    LineFilter out;
    if (!query.grep && !query.exclude) return out;
    // What excludes lines alone looks for all others.
    auto pattern = LinePattern::compile(query.grep.value_or(""), query.grep_memory, query.ignore_case);
    if (!pattern) return base::with_context(pattern.error(), "grep");
    out.pattern_ = std::make_shared<const LinePattern>(std::move(*pattern));
    if (query.exclude) {
        auto exclude = LinePattern::compile(*query.exclude, query.grep_memory, query.ignore_case);
        if (!exclude) return base::with_context(exclude.error(), "exclude");
        out.exclude_ = std::make_shared<const LinePattern>(std::move(*exclude));
    }
    out.before_ = query.context;
    out.after_ = query.context_after.value_or(query.context);
    return out;
}

bool LineFilter::can_skip(std::string_view lines) const {
    if (!pattern_ || before_ > 0 || after_left_ > 0) return false;
    return lines.size() <= pattern_->longest_text() && is_plain(lines) && !pattern_->may_match_in(lines);
}

}  // namespace persistproc::logstore
