#include "common/logstore/line_filter.hpp"

#include <algorithm>

namespace persistproc::logstore {

namespace {

constexpr std::size_t bytes_between_questions = 16u << 10;

}  // namespace

Result<LineFilter> LineFilter::make(const LineQuery& query, LookLimits limits) {
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
    out.longest_look_ = out.pattern_->longest_text();
    if (out.exclude_) out.longest_look_ = std::min(out.longest_look_, out.exclude_->longest_text());
    for (OfStream& each : out.streams_) each.search = PartSearch(limits.of_line);
    out.limits_ = std::move(limits);
    out.before_ = query.context;
    out.after_ = query.context_after.value_or(query.context);
    return out;
}

bool LineFilter::is_shown(const OfStream& of) const {
    return of.is_shown || std::any_of(waiting_.begin(), waiting_.end(),
                                      [&of](const Line& each) { return each.ordinal == of.ordinal; });
}

bool LineFilter::find(OfStream& of, std::string& part, LineEnds ends) {
    PartSearch& search = of.search;
    const std::uint64_t passed = search.passed_bytes();
    std::optional<PartSearch::Found> found;
    for (std::size_t at = 0;;) {
        const std::string_view text = std::string_view(part).substr(at, longest_look_);
        looked_bytes_ += text.size();
        const bool is_due = limits_.is_over && (looked_bytes_ >= std::min(bytes_between_questions, longest_look_));
        if (is_due && limits_.is_over()) return false;
        if (is_due) looked_bytes_ = 0;
        found = search.look(*pattern_, exclude_.get(), text, ends_of_part(part, text, ends));
        // It is within the part, else.
        if (found && at == 0 && found->before > 0 && !is_shown(of)) part = std::string(found->text);
        at += text.size();
        if (found || at >= part.size()) break;
    }
    if (search.passed_bytes() > passed && limits_.on_passed) limits_.on_passed();
    return found.has_value();
}

bool LineFilter::can_skip(std::string_view lines) const {
    if (!pattern_ || before_ > 0 || after_left_ > 0) return false;
    return lines.size() <= pattern_->longest_text() && is_plain(lines) && !pattern_->may_match_in(lines);
}

}  // namespace persistproc::logstore
