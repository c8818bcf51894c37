#include "common/logstore/reader.hpp"

#include <algorithm>
#include <utility>

#include "common/logstore/page_reader.hpp"
#include "common/logstore/range.hpp"
#include "common/logstore/search.hpp"
#include "common/logstore/snapshot.hpp"

namespace persistproc::logstore {

namespace fs = std::filesystem;

namespace {

// Of a search from the end: what is looked at first, and how much more each time that is not enough.
constexpr std::uint64_t first_window = 256u << 10, least_window = 16u << 10;
constexpr std::uint64_t window_growth = 8;

/// The last matches, from the end on, as far back as is needed or the budget allows.
Result<LinePage> search_back(Snapshot& log, const LineQuery& query, const Range& range, const LinePattern* pattern,
                             const LinePattern* exclude, ReadBudget budget) {
    std::optional<LinePage> found;
    const std::uint64_t all_from = range.begin_position;
    std::uint64_t room = budget.bytes;
    // A slow pattern must not use up its time at the front of the first one.
    const std::uint64_t first = std::clamp<std::uint64_t>(pattern->longest_text(), least_window, first_window);
    for (std::uint64_t wanted = first;; wanted *= window_growth) {
        const std::uint64_t window = std::min(wanted, room);
        auto part = newest_of(log, range, window);
        if (!part) return part.error();
        const bool is_all = part->begin_position == range.begin_position;
        auto page = PageReader(log, query, *part, pattern, exclude, budget).read();
        // What was found further on stands; there was no time for more.
        if (page && page->is_spent && found) {
            found->unsearched_bytes = found->earlier.value_or(0) - std::min(found->earlier.value_or(0), all_from);
            return std::move(*found);
        }
        if (!page) return page;
        if (!is_all) page->evicted_bytes = 0;
        if (!is_all) page->earlier = part->begin_position;
        if (page->is_spent) return page;
        const bool is_enough = page->omitted_before > 0 || page->matches >= query.last;
        if (is_enough && (!is_all || page->omitted_before > 0)) page->earlier = page->lines.front().resumed;
        room -= window;
        if (!is_all && !is_enough && room == 0) page->unsearched_bytes = part->begin_position - all_from;
        if (is_all || is_enough || room == 0) return page;
        found = std::move(*page);
    }
}

}  // namespace

Result<LogEnd> LogView::find_log_end() {
    LogEnd end;
    if (log_->empty()) return end;
    end.position = log_->end_position();
    end.oldest = log_->oldest_position();
    for (Place at = log_->end();;) {
        auto in = log_->segment(at.segment);
        if (!in) return in.error();
        if (*in == nullptr) break;
        if (end.newest_segment.empty()) {
            end.newest_segment = data_path(log_->directory(), (*in)->number()).native();
            if ((*in)->header().first_sequence > 0) end.last_sequence = (*in)->header().first_sequence - 1;
        }
        bool found = false;
        while (at.record > 0 && !found) {
            auto record = (*in)->record(--at.record);
            if (!record) return record.error();
            if (!*record) continue;
            end.last_sequence = std::max(end.last_sequence, (*record)->sequence);
            if ((*record)->length > 0 && (*record)->wall_ns != 0) {
                end.last_output_ns = (*record)->wall_ns;
                found = true;
            }
        }
        if (found || at.segment == 0) break;
        --at.segment;
        auto earlier = log_->segment(at.segment);
        if (!earlier) return earlier.error();
        if (*earlier == nullptr) break;
        at.record = (*earlier)->count();
    }
    return end;
}

Result<LogSpan> LogView::locate(const LineQuery& query) {
    if (log_->empty()) {
        const std::uint64_t from = query.from.value_or(0);
        return LogSpan{.begin = from, .end = from};
    }
    auto range = find_range(*log_, query);
    if (!range) return range.error();
    auto end = end_position_of(*log_, *range);
    if (!end) return end.error();
    LogSpan span{.begin = range->begin_position, .end = *end, .evicted_bytes = range->evicted_bytes};
    if (query.last > 0) {
        auto walked = walk_back(*log_, *range, query.stream, query.last, UINT64_MAX);
        if (!walked) return walked.error();
        if (walked->reached) {
            const std::uint64_t wanted = query.last + (walked->ends_open ? 0 : 1);
            auto begin = position_after_newline(*log_, walked->start, walked->newlines - wanted + 1);
            if (!begin) return begin.error();
            if (*begin > span.begin) {
                span.begin = *begin;
                span.evicted_bytes = 0;
            }
        }
    }
    return span;
}

LogView::LogView(std::unique_ptr<Snapshot> log) : log_(std::move(log)) {}
LogView::LogView(LogView&&) noexcept = default;
LogView& LogView::operator=(LogView&&) noexcept = default;
LogView::~LogView() = default;

Result<LogView> LogView::open(const fs::path& log_directory) {
    auto log = Snapshot::take(log_directory);
    if (!log) return log.error();
    return LogView(std::make_unique<Snapshot>(std::move(*log)));
}

std::uint64_t LogView::end() const noexcept { return log_->empty() ? 0 : log_->end_position(); }

bool LogView::is_flushed() const noexcept { return end() > 0 && log_->oldest_position() == log_->end_position(); }

Result<bool> LogView::was_changed() {
    for (std::size_t i = 0; i < log_->segment_count(); ++i) {
        auto in = log_->segment(i);
        if (!in) return in.error();
        for (std::uint64_t number = 0; *in != nullptr && number < (*in)->count(); ++number) {
            const auto record = (*in)->record(number);
            if (!record) return record.error();
            if (*record && (*record)->event == Event::removed) return true;
        }
    }
    return false;
}

Result<LinePage> LogView::read(const LineQuery& query, const ReadBudget& budget) {
    LinePage nothing;
    nothing.next = query.from.value_or(0);
    nothing.log_end = end();
    if (budget.stop.stop_requested()) {
        nothing.more = nothing.is_spent = true;
        return nothing;
    }
    std::optional<LinePattern> pattern, exclude;
    const auto compile = [&](std::string_view expression, std::optional<LinePattern>& into) -> Result<void> {
        auto compiled = LinePattern::compile(expression, query.grep_memory, query.ignore_case);
        if (!compiled) return compiled.error();
        into = std::move(*compiled);
        return {};
    };
    if (query.exclude)
        if (auto done = compile(*query.exclude, exclude); !done) return done.error();
    // What excludes lines alone looks for all others.
    if (query.grep || query.exclude)
        if (auto done = compile(query.grep.value_or(""), pattern); !done) return done.error();
    if (log_->empty()) {
        nothing.unindexed_bytes = log_->unindexed_bytes();
        return nothing;
    }
    auto range = find_range(*log_, query);
    if (!range) return range.error();
    const LinePattern* const sought = pattern ? &*pattern : nullptr;
    const LinePattern* const excluded = exclude ? &*exclude : nullptr;
    auto page = sought && query.last > 0 && !query.count_only
                    ? search_back(*log_, query, *range, sought, excluded, budget)
                    : PageReader(*log_, query, *range, sought, excluded, budget).read();
    if (page) page->log_end = end();
    if (page && !page->more && range->to_log_end && query.losses) page->unindexed_bytes = log_->unindexed_bytes();
    return page;
}

std::uint64_t LogView::unindexed_bytes() const { return log_->unindexed_bytes(); }

Result<LogEnd> find_log_end(const fs::path& log_directory) {
    auto log = LogView::open(log_directory);
    if (!log) return log.error();
    return log->find_log_end();
}

Result<LogSpan> locate(const fs::path& log_directory, const LineQuery& query) {
    auto log = LogView::open(log_directory);
    if (!log) return log.error();
    return log->locate(query);
}

Result<LinePage> read_lines(const fs::path& log_directory, const LineQuery& query, const ReadBudget& budget) {
    auto log = LogView::open(log_directory);
    if (!log) return log.error();
    return log->read(query, budget);
}

}  // namespace persistproc::logstore
