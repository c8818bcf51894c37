#include "common/logstore/error_block.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "common/base/text.hpp"
#include "common/logstore/ascii.hpp"
#include "common/logstore/error_line.hpp"
#include "common/logstore/fold.hpp"
#include "common/logstore/search.hpp"
#include "common/logstore/show.hpp"

namespace persistproc::logstore {

namespace {

// Who prints an error prints it at once; what comes later is something else.
constexpr std::int64_t longest_pause_ns = 250'000'000;
// Of a traceback its last line is still to come, and says what is wrong: a program that is short of time, or whose
// output goes through others, may pause within it.
constexpr std::int64_t longest_pause_in_traceback_ns = 2'000'000'000;
constexpr std::size_t looked_at_bytes = 1024;  // of a line
constexpr std::size_t lines_before = 8;        // in which the place may stand that is printed above an error
constexpr std::size_t tail_lines = 12;
constexpr std::size_t head_lines = ErrorBlock::max_lines - tail_lines;
constexpr std::size_t most_foreign = 3;  // lines within a block that only what follows them shows to be of it
constexpr std::size_t most_blank = 2;
constexpr std::size_t most_passed_over = 40;  // a logger's lines between two of a traceback
constexpr std::size_t longest_message = 300;

/// No character is cut in two.
std::size_t border(std::string_view text, std::size_t at) {
    while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
    return at;
}

std::string shortened(std::string text, std::size_t most) {
    if (text.size() <= most) return text;
    constexpr std::string_view mark = " … ";
    const std::size_t tail = most / 4;
    const std::size_t cut = border(text, most - tail - mark.size()), from = border(text, text.size() - tail);
    text.replace(cut, from - cut, mark);
    return text;
}

std::string cleaned(std::string_view line) {
    std::string text = base::clean_output(line);
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

/// Cleaned, and no more of it than is looked at.
std::string prepared(std::string_view line) {
    std::string text = cleaned(line);
    text.resize(border(text, std::min(text.size(), looked_at_bytes)));
    return text;
}

/// Its two ends, with a mark between them. `bytes`: of all of it.
std::string cut(std::string_view text, std::uint64_t bytes) {
    const std::string mark = fmt::format("{}cut: {} bytes]", ErrorBlock::mark, bytes);
    const std::size_t tail = ErrorBlock::max_line_bytes / 4;
    const std::size_t head = border(text, ErrorBlock::max_line_bytes - tail - mark.size());
    std::size_t from = text.size() - tail;
    while (from < text.size() && border(text, from) != from) ++from;
    return std::string(text.substr(0, head)) + mark + std::string(text.substr(from));
}

/// What stands behind the bars of an exception group of Python's ("  |   File …"), with its indentation.
std::string_view behind_bars(std::string_view body) {
    const auto bar = body.find_first_not_of(' ');
    if (bar == body.npos || bar == 0 || body[bar] != '|') return body;
    return body.substr(std::min(bar + 2, body.size()));
}

/// "    +------------------------------------": where a group ends.
bool is_end_of_group(std::string_view body) {
    const auto plus = body.find_first_not_of(' ');
    if (plus == body.npos || body[plus] != '+' || body.size() - plus < 20) return false;
    return body.find_first_not_of('-', plus + 1) == body.npos;
}

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t|") == text.npos; }

struct Seen {
    std::string text;
    std::string shown;       // of a line that is too long; empty: the text
    std::size_t prefix = 0;  // of the text: which program it is
    Stream stream = Stream::none;
    std::uint32_t run = 0;
    std::int64_t wall_ns = 0;
    std::uint64_t position = 0, end = 0;

    /// Without the time in front of it, which is another one in each line.
    std::string_view source() const {
        const std::string_view all = std::string_view(text).substr(0, prefix);
        return all.empty() || !is_digit(all[0]) ? all : all.substr(all.find(' ') + 1);
    }
    std::string_view body() const { return std::string_view(text).substr(prefix); }
};

Seen see(const Line& line) {
    Seen out{.text = cleaned(line.text), .stream = line.stream, .run = line.run, .wall_ns = line.wall_ns};
    std::uint64_t bytes = line.text.size() + line.missing_before + line.missing_after;
    for (const Hole& each : line.holes) bytes += each.bytes;
    if (out.text.size() > ErrorBlock::max_line_bytes) out.shown = cut(out.text, bytes);
    out.text.resize(border(out.text, std::min(out.text.size(), looked_at_bytes)));
    out.prefix = source_prefix(out.text);
    out.position = line.position;
    out.end = line.position + line.text.size() + (line.complete ? 1 : 0);
    return out;
}

bool paused(std::int64_t before_ns, std::int64_t now_ns, std::int64_t longest_ns = longest_pause_ns) {
    return before_ns != 0 && now_ns != 0 && now_ns - before_ns > longest_ns;
}

/// One block while its lines come.
class Growing {
public:
    /// `before`: the lines above its head that are of it. `asked`: position of the line that `of_asked` is about.
    Growing(std::vector<Seen> before, Seen head, LineKind kind, std::string_view working_directory,
            std::optional<std::uint64_t> asked)
        : working_directory_(working_directory),
          asked_(asked),
          stream_(head.stream),
          source_(head.source()),
          last_ns_(head.wall_ns) {
        const Seen& first = before.empty() ? head : before.front();
        block_.run = first.run;
        block_.wall_ns = first.wall_ns;
        block_.position = first.position;
        for (auto& each : before) {
            note_sure(each);
            keep(std::move(each));
        }
        take_head(std::move(head), kind);
    }

    /// Whether the line comes too late to be of it.
    bool is_over(const Seen& line) const {
        if (line.run != block_.run) return true;
        if (in_traceback_ && (is_of_traceback(line.body()) || !is_head(kind_of(line.body()))))
            return paused(last_ns_, line.wall_ns, longest_pause_in_traceback_ns);
        return paused(last_ns_, line.wall_ns);
    }
    /// Of another stream or program: it stands between the block's lines, and ends nothing.
    bool is_beside(const Seen& line) const {
        return line.stream != stream_ || (line.prefix != 0 && line.source() != source_ && !is_error_head(line.text));
    }

    /// Whether the line is of the block.
    bool take(Seen line) {
        if (!source_.empty() && line.source() != source_) line.prefix = 0;
        if (in_traceback_ && is_log_line(line.body())) {
            in_traceback_ = ++passed_over_ <= most_passed_over;
            return in_traceback_;
        }
        passed_over_ = 0;
        last_ns_ = line.wall_ns == 0 ? last_ns_ : line.wall_ns;
        const std::string body(line.body());
        if (paragraphs_ != Paragraphs::none && take_of_paragraphs(line, body)) return true;
        if (announced_ != Announced::nothing && take_announced(line, body)) return true;
        if (is_blank(body)) return wait_with(std::move(line), blank_, most_blank);
        if (in_traceback_ && take_of_traceback(line, body)) return true;
        const LineKind kind = kind_of(body);
        if (wants_message_ && kind == LineKind::other) {
            take_message(body);
            note_sure(line);
            keep_waiting_and(std::move(line));
            return true;
        }
        if (is_closing(body)) {
            note_sure(line);
            keep_waiting_and(std::move(line));
            return true;
        }
        const bool is_indented = body[0] == ' ' || body[0] == '\t';
        if (is_head(kind) && (!is_indented || kind == LineKind::traceback)) {
            if (kind == LineKind::wrapper && !block_.is_wrapper) return false;
            flush();
            take_head(std::move(line), kind);
            return true;
        }
        if (is_continuation(body)) {
            keep_part(std::move(line), body);
            return true;
        }
        if (kind == LineKind::record || rank_ < LineKind::error) return false;
        note_unsure(line);
        return wait_with(std::move(line), foreign_, most_foreign);
    }

    /// A line that is of the block whatever it looks like.
    void take_detail(Seen line) {
        last_ns_ = line.wall_ns == 0 ? last_ns_ : line.wall_ns;
        note_sure(line);
        keep_waiting_and(std::move(line));
    }

    /// `not_known`: what follows may show it.
    OfError of_asked() const { return of_asked_; }

    ErrorBlock finish() && {
        tell_runtime_frames();
        block_.is_unfinished = in_traceback_;
        block_.left_out_before = block_.lines.size();
        for (auto& each : tail_) block_.lines.push_back(std::move(each));
        // What is looked at of a line's front may end within a character, and the message begin there.
        const auto is_within = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
        const auto begin = std::find_if_not(block_.message.begin(), block_.message.end(), is_within);
        block_.message.erase(block_.message.begin(), begin);
        block_.message = shortened(std::move(block_.message), longest_message);
        // Nobody mends a library.
        if (place_rank_ == PlaceRank::library) block_.place.reset();
        return std::move(block_);
    }

private:
    void note_sure(const Seen& line) {
        if (line.position == asked_) of_asked_ = OfError::yes;
    }

    /// It looks like no detail, and may be what the program says next.
    void note_unsure(const Seen& line) {
        is_below_prelude_ = is_below_prelude_ || is_prelude(line.body());
        if (line.position != asked_) return;
        of_asked_ = OfError::not_known;
        is_asked_below_prelude_ = is_below_prelude_;
    }

    /// What stands above is of the error, too.
    void confirm() {
        if (of_asked_ == OfError::not_known) of_asked_ = OfError::yes;
        is_below_prelude_ = false;
    }

    void take_head(Seen line, LineKind kind) {
        // Of what stands between two errors no more is of them than the place above the second.
        if (of_asked_ == OfError::not_known) of_asked_ = is_asked_below_prelude_ ? OfError::yes : OfError::no;
        is_below_prelude_ = false;
        note_sure(line);
        const std::string body(line.body());
        block_.is_wrapper = kind == LineKind::wrapper;
        in_traceback_ = kind == LineKind::traceback;
        is_python_ = is_python_ || in_traceback_;
        is_group_ = is_group_ || (in_traceback_ && body.find("+ Exception Group ") != body.npos);
        if (body.ends_with("APPLICATION FAILED TO START") || body.starts_with("FAILURE: Build failed"))
            paragraphs_ = Paragraphs::told;
        const bool is_next = kind >= LineKind::error && rank_ >= LineKind::error && !is_told_vaguely_;
        // Of several errors the first is told; of a chain in Python the last.
        if (is_next && !in_traceback_ && block_.place && !body.starts_with("Caused by")) is_place_final_ = true;
        if (kind > rank_ || is_told_vaguely_) {
            rank_ = kind;
            block_.message = message_in(body);
            is_told_vaguely_ = is_vague(body) || is_vague(block_.message);
            wants_message_ = is_told_vaguely_ && !in_traceback_;
        }
        announced_ = announces_more(body) && !in_traceback_ ? Announced::next : Announced::nothing;
        keep(std::move(line), true);
    }

    /// The paragraph that the lines above have announced, whatever it looks like.
    bool take_announced(Seen& line, const std::string& body) {
        if (is_blank(body)) {
            if (announced_ == Announced::begun) announced_ = Announced::nothing;
            return wait_with(std::move(line), blank_, most_blank);
        }
        if (kind_of(body) != LineKind::other || is_log_line(body) || is_closing(body)) {
            announced_ = Announced::nothing;
            return false;
        }
        announced_ = announces_more(body) ? Announced::next : Announced::begun;
        if (wants_message_) take_message(body);
        keep_part(std::move(line), body);
        return true;
    }

    /// A line that is part of the block, with those that waited for whether one follows.
    void keep_part(Seen line, const std::string& body) {
        if (is_evidence(body)) confirm();
        if (is_evidence(body) || is_detail(body))
            note_sure(line);
        else
            note_unsure(line);
        keep_waiting_and(std::move(line));
    }

    /// What is wrong, unless the line tells only where, or of what type it is.
    void take_message(const std::string& body) {
        if (is_prelude(body) || is_path(body) || is_vague(body) || announces_more(body)) return;
        const auto lint = find_told_line(body);
        set_message(lint ? body.substr(body.find(":  ") + 3) : body);
    }

    static bool is_of_traceback(std::string_view body) {
        return !body.empty() && (body[0] == ' ' || body[0] == '\t' || is_exception_line(body));
    }

    /// Spring Boot's: a rule, "Description:", what is wrong, "Action:", what to do; blank lines between all of them.
    bool take_of_paragraphs(Seen& line, const std::string& body) {
        if (is_blank(body)) {
            if (paragraphs_ == Paragraphs::last_line) paragraphs_ = Paragraphs::none;
            return wait_with(std::move(line), blank_, most_blank);
        }
        const LineKind kind = kind_of(body);
        if (kind == LineKind::record || kind == LineKind::traceback) {
            paragraphs_ = Paragraphs::none;
            return false;
        }
        if (paragraphs_ == Paragraphs::last) paragraphs_ = Paragraphs::last_line;
        if (body == "Action:") paragraphs_ = Paragraphs::last;
        // Gradle's headings begin with a star.
        const bool is_heading = (body.back() == ':' && body.find(' ') == body.npos) || body.starts_with("* ");
        if (body.starts_with("* Where:") || body.starts_with("* What went wrong:")) wants_message_ = true;
        if (body.starts_with("BUILD FAILED")) paragraphs_ = Paragraphs::last_line;
        if (wants_message_ && !is_prelude(body) && !is_heading) set_message(body);
        note_sure(line);
        keep_waiting_and(std::move(line));
        return true;
    }

    /// Frames up to the line that names the exception. What other threads log meanwhile is passed over, and a little of
    /// what they print does not end it.
    bool take_of_traceback(Seen& line, const std::string& body) {
        if (body[0] == ' ' || body[0] == '\t') {
            if (is_group_ && body[0] == ' ') take_of_group(body);
            note_sure(line);
            keep_waiting_and(std::move(line));
            return true;
        }
        const bool is_exception = is_exception_line(body);
        if (!is_exception && !is_head(kind_of(body)) && foreign_ < most_foreign)
            return wait_with(std::move(line), foreign_, most_foreign);
        in_traceback_ = false;
        if (!is_exception) return false;
        if (announces_more(body)) announced_ = Announced::next;
        set_message(body);
        rank_ = LineKind::traceback;
        note_sure(line);
        keep_waiting_and(std::move(line));
        return true;
    }

    /// What is wrong is the first exception that is no group of others.
    void take_of_group(const std::string& body) {
        const std::string_view told = behind_bars(body);
        if (is_end_of_group(body)) in_traceback_ = false;
        if (rank_ == LineKind::traceback && !is_told_vaguely_) return;
        if (told.size() == body.size() || !is_exception_line(told)) return;
        set_message(told);
        rank_ = LineKind::traceback;
        is_told_vaguely_ = told.find("sub-exception") != told.npos;
    }

    void set_message(std::string_view body) {
        const auto front = body.find_first_not_of(" \t");
        block_.message = std::string(body.substr(std::min(front, body.size())));
        wants_message_ = is_told_vaguely_ = false;
    }

    /// The line is of the block only if a later one is.
    bool wait_with(Seen line, std::size_t& count, std::size_t most) {
        if (++count > most) return false;
        waiting_.push_back(std::move(line));
        return true;
    }

    void flush() {
        for (auto& each : waiting_) keep(std::move(each));
        waiting_.clear();
        foreign_ = blank_ = 0;
    }

    void keep_waiting_and(Seen line) {
        flush();
        keep(std::move(line));
    }

    void keep(Seen line, bool is_head = false) {
        note_place(line.body());
        block_.end = line.end;
        const bool is_of_runtime = !is_head && is_runtime_frame(line.body());
        // The source that a frame of Python's is shown with.
        const bool is_its_source = is_python_ && runtime_frames_ > 0 && line.body().starts_with("    ");
        std::string text = line.shown.empty() ? std::move(line.text) : std::move(line.shown);
        if (is_of_runtime) {
            ++runtime_frames_;
            first_runtime_frame_.clear();
        }
        if (is_of_runtime || is_its_source) {
            if (runtime_frames_ == 1) first_runtime_frame_.push_back(std::move(text));
            return;
        }
        tell_runtime_frames();
        add(std::move(text));
    }

    void tell_runtime_frames() {
        if (runtime_frames_ > 1) add(fmt::format("    {}{} frames of the runtime]", ErrorBlock::mark, runtime_frames_));
        for (auto& each : std::exchange(first_runtime_frame_, {})) add(std::move(each));
        runtime_frames_ = 0;
    }

    void add(std::string text) {
        if (block_.lines.size() < head_lines) {
            block_.lines.push_back(std::move(text));
            return;
        }
        tail_.push_back(std::move(text));
        if (tail_.size() <= tail_lines) return;
        tail_.pop_front();
        ++block_.left_out;
    }

    void note_place(std::string_view body) {
        if (is_path(body)) lint_file_ = body.substr(std::min(body.find_first_not_of(" \t"), body.size()));
        auto lint = find_lint(body);
        if (!lint) lint = find_told_line(body);
        if (lint && !lint_file_.empty() && !block_.place) {
            NamedPlace named{.file = lint_file_};
            named.line = static_cast<std::uint32_t>(lint->line);
            named.column = static_cast<std::uint32_t>(lint->column);
            place_rank_ = rank_of(named, lint_file_, working_directory_);
            block_.place = shown_place(named, working_directory_);
            return;
        }
        if (is_place_final_ || (is_python_ && body.find("File \"") == body.npos)) return;
        const std::string_view text = body.substr(std::min(body.find_first_not_of(" \t"), body.size()));
        // GCC's way to where the error is.
        const bool is_unfinished = text.ends_with(':') || text.ends_with(',');
        if (text.starts_with("In file included from ") || (text.starts_with("from ") && is_unfinished)) return;
        is_cause_ = is_cause_ || text.starts_with("Caused by") || text.starts_with("[cause]");
        auto place = find_place(body);
        if (!place) place = find_importer(body);
        if (!place) return;
        const PlaceRank rank = rank_of(*place, body, working_directory_);
        // The innermost frame comes first, and in Python last; a cause is told behind what it led to.
        if (block_.place && (is_python_ || is_cause_ ? rank < place_rank_ : rank <= place_rank_)) return;
        is_cause_ = false;
        place_rank_ = rank;
        block_.place = shown_place(*place, working_directory_);
    }

    std::string_view working_directory_;
    ErrorBlock block_;
    std::optional<std::uint64_t> asked_;
    OfError of_asked_ = OfError::no;
    bool is_below_prelude_ = false, is_asked_below_prelude_ = false;
    std::deque<std::string> tail_;
    std::vector<Seen> waiting_;
    std::size_t foreign_ = 0, blank_ = 0;
    std::size_t passed_over_ = 0;                   // since the last line of the traceback
    std::size_t runtime_frames_ = 0;                // since the last line that was added
    std::vector<std::string> first_runtime_frame_;  // of them, where it is the only one
    Stream stream_;
    std::string source_;
    std::string lint_file_;  // that a linter's lines are about
    std::int64_t last_ns_ = 0;
    LineKind rank_ = LineKind::other;  // of the line that the message is from
    PlaceRank place_rank_ = PlaceRank::library;
    bool in_traceback_ = false, is_python_ = false, is_group_ = false;
    bool is_cause_ = false;  // no frame of it has been told as the place
    enum class Paragraphs { none, told, last, last_line } paragraphs_ = Paragraphs::none;
    enum class Announced { nothing, next, begun } announced_ = Announced::nothing;
    bool is_told_vaguely_ = false;  // a better message may come
    bool wants_message_ = false;    // the next line is it
    bool is_place_final_ = false;
};

class Finder {
public:
    Finder(std::string_view working_directory, WhichError which, std::uint64_t after,
           std::optional<std::uint64_t> asked = std::nullopt)
        : working_directory_(working_directory), which_(which), after_(after), asked_(asked) {}

    bool is_done() const { return which_ == WhichError::first && found_; }

    void add(const Line& line) {
        if (line.event || line.is_gap) return;
        Seen seen = see(line);
        if (growing_ && growing_->is_over(seen)) close();
        if (growing_ && growing_->is_beside(seen)) return;
        if (growing_) {
            Seen again = seen;
            if (growing_->take(std::move(again))) return;
            close();
        }
        if (is_done()) return;
        const LineKind kind = kind_of(seen.body());
        if (is_head(kind)) {
            auto before = lines_above(seen, recent_.size());
            growing_.emplace(std::move(before), std::move(seen), kind, working_directory_, asked_);
            recent_.clear();
            return;
        }
        if (begin_above(seen)) return;
        recent_.push_back(std::move(seen));
        if (recent_.size() > lines_before) recent_.pop_front();
    }

    std::optional<ErrorBlock> finish() {
        if (growing_) close();
        return std::move(found_);
    }

    /// Of the line that was asked about, by what has been added so far. `not_known`: what follows may show it.
    OfError of_asked() const {
        if (is_asked_of_error_) return OfError::yes;
        if (growing_) return growing_->of_asked();
        const auto asked =
            std::find_if(recent_.begin(), recent_.end(), [&](const Seen& each) { return each.position == asked_; });
        if (asked == recent_.end()) return OfError::no;
        for (auto at = asked;; --at) {
            const bool is_near = at->stream == asked->stream && at->run == asked->run;
            if (is_near && (is_prelude(at->body()) || may_be_head(at->body()))) return OfError::not_known;
            if (at == recent_.begin()) return OfError::no;
        }
    }

private:
    /// An error whose head only `line` shows to be one. Returns whether there is one.
    bool begin_above(const Seen& line) {
        // All that could is indented.
        if (!line.body().starts_with(' ') && !line.body().starts_with('\t')) return false;
        for (std::size_t at = recent_.size(); at-- > 0 && recent_.size() - at < lines_that_decide;) {
            const Seen& head = recent_[at];
            if (head.stream != line.stream || head.source() != line.source()) continue;
            if (head.run != line.run || paused(head.wall_ns, line.wall_ns)) return false;
            if (kind_of(head.body()) == LineKind::record) return false;
            if (!makes_head(head.body(), line.body()) || !may_be_head(head.body())) continue;
            auto before = lines_above(head, at);
            growing_.emplace(std::move(before), head, LineKind::error, working_directory_, asked_);
            for (auto below = at + 1; below < recent_.size(); ++below)
                if (!growing_->is_beside(recent_[below])) growing_->take_detail(std::move(recent_[below]));
            growing_->take_detail(line);
            recent_.clear();
            return true;
        }
        return false;
    }

    void close() {
        is_asked_of_error_ = is_asked_of_error_ || growing_->of_asked() == OfError::yes;
        ErrorBlock block = std::move(*growing_).finish();
        growing_.reset();
        if (block.end <= after_ || is_done()) return;
        if (found_ && block.is_wrapper && !found_->is_wrapper) return;
        found_ = std::move(block);
    }

    /// From the place that is printed above an error, or the source lines, on. `end`: of those looked at.
    std::vector<Seen> lines_above(const Seen& head, std::size_t end) const {
        std::size_t first = end;
        const bool is_lint = find_lint(head.body()).has_value();
        for (std::size_t at = end; at-- > 0;) {
            const Seen& each = recent_[at];
            if (each.stream != head.stream || each.run != head.run || paused(each.wall_ns, head.wall_ns)) break;
            const bool is_beside = is_lint && each.body().starts_with(' ');  // a warning in the same file
            if (!is_beside && kind_of(each.body()) == LineKind::record) break;
            if (each.body().find(": warning: ") != std::string_view::npos) break;
            if (is_prelude(each.body())) first = at;
            if (is_lint && is_path(each.body())) {
                first = at;
                break;
            }
        }
        return {recent_.begin() + static_cast<std::ptrdiff_t>(first),
                recent_.begin() + static_cast<std::ptrdiff_t>(end)};
    }

    std::string_view working_directory_;
    WhichError which_;
    std::uint64_t after_;
    std::optional<std::uint64_t> asked_;
    bool is_asked_of_error_ = false;
    std::deque<Seen> recent_;
    std::optional<Growing> growing_;
    std::optional<ErrorBlock> found_;
};

}  // namespace

namespace {

/// A port at the front of `text`.
std::optional<int> port_at(std::string_view text) {
    int out = 0;
    std::size_t used = 0;
    while (used < text.size() && used < 5 && is_digit(text[used])) out = out * 10 + (text[used++] - '0');
    const bool is_whole = used > 0 && (used == text.size() || !is_word(text[used]));
    return is_whole && out > 0 && out < 65536 ? std::optional(out) : std::nullopt;
}

/// The last one behind `mark`.
std::optional<int> port_behind(std::string_view line, std::string_view mark) {
    for (auto at = line.rfind(mark); at != line.npos; at = at == 0 ? line.npos : line.rfind(mark, at - 1))
        if (const auto port = port_at(line.substr(at + mark.size()))) return port;
    return std::nullopt;
}

}  // namespace

std::optional<int> refused_port(const ErrorBlock& block) {
    bool is_refused = false;
    std::optional<int> told;
    for (const std::string_view line : block.lines) {
        const bool is_told = line.find("EADDRINUSE") != line.npos || line.find("ddress already in use") != line.npos ||
                             line.find(" in use") != line.npos || line.find("running on port ") != line.npos;
        is_refused = is_refused || is_told;
        // Node's own word for it stands in a line by itself.
        const bool is_nodes = line.find_first_not_of(" ") == line.find("port: ");
        for (const std::string_view mark : {"port ", "Port ", "port: ", "\', ", ":"})
            if ((is_told || (is_nodes && mark == "port: ")) && !told) told = port_behind(line, mark);
    }
    return is_refused ? told : std::nullopt;
}

bool is_error_head(std::string_view line) {
    const std::string text = prepared(line);
    return is_head(kind_of(std::string_view(text).substr(source_prefix(text))));
}

bool may_be_error_head(std::string_view line) {
    const std::string text = prepared(line);
    return may_be_head(std::string_view(text).substr(source_prefix(text)));
}

BeginsError begins_error(const std::vector<Line>& lines, bool is_end) {
    if (lines.empty()) return BeginsError::no;
    const auto block = find_error(lines, {}, WhichError::first);
    if (block && block->position == lines.front().position) return BeginsError::yes;
    return is_end && lines.size() < lines_that_decide ? BeginsError::not_known : BeginsError::no;
}

bool names_error(std::string_view text) {
    static const auto words = LinePattern::compile(error_hint);
    return words && words->matches(text);
}

OfError is_of_error(const std::vector<Line>& lines, std::uint64_t position, bool is_end) {
    Finder finder({}, WhichError::last, 0, position);
    for (const auto& line : lines) finder.add(line);
    const OfError out = finder.of_asked();
    return out == OfError::not_known && !is_end ? OfError::no : out;
}

ErrorBlock::Text ErrorBlock::text() const {
    std::vector<std::string> shown = lines;
    if (left_out > 0)
        shown.insert(shown.begin() + static_cast<std::ptrdiff_t>(std::min(left_out_before, shown.size())),
                     fmt::format("{}{} left out]", mark, base::counted(left_out, "line")));
    std::vector<std::string> shapes;
    for (const auto& line : shown)
        // A line that holds something of ours is equal to no other.
        shapes.push_back(line.find(mark) == line.npos ? shape_of(line) : fmt::format("\n{}", shapes.size()));
    std::string all;
    std::size_t from = 0;
    const auto add_until = [&](std::size_t to) {
        for (; from < to; ++from) all += shown[from] + '\n';
    };
    for (const Fold& fold : find_folds(shapes)) {
        add_until(fold.first);
        all += fmt::format("{}{}]\n", mark, fold_text(fold));
        from = fold.shown();
    }
    add_until(shown.size());
    if (all.find(mark) == all.npos) return {std::move(all), ""};
    Text out{.text = "", .marker = find_marker(all)};
    for (const char each : all)
        if (each == mark)
            out.text += out.marker;
        else
            out.text += each;
    return out;
}

std::optional<ErrorBlock> find_error(const std::vector<Line>& lines, std::string_view working_directory,
                                     WhichError which, std::uint64_t after) {
    Finder finder(working_directory, which, after);
    for (const auto& line : lines) {
        if (finder.is_done()) break;
        finder.add(line);
    }
    return finder.finish();
}

}  // namespace persistproc::logstore
