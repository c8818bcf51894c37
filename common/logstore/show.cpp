#include "common/logstore/show.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "common/base/text.hpp"
#include "common/logstore/fold.hpp"
#include "common/logstore/loss_text.hpp"

namespace persistproc::logstore {

namespace {

/// How much more is read than shown: repeats that take nine tenths of a log leave a page that is well filled.
constexpr std::uint64_t room_to_fold = 8;
/// Of a line, where escapes and what it was redrawn from are taken away.
constexpr std::size_t longest_read_line = 4u << 10;
constexpr std::size_t most_room_bytes = 1u << 20;
constexpr std::size_t mark_room = 64, shortest_cut = 16, least_squeezed = 4 * mark_room;
constexpr std::size_t most_bytes_in_hex = 4;
// Where a pattern is found again in what is shown: a slow one must not hold up whoever shows it.
constexpr std::size_t parts_of_look = 8;

bool is_inner_byte(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0u) == 0x80u; }

/// Text in which the places of markers are known, and the marker itself is not yet.
struct Piece {
    std::string text;
    std::vector<std::size_t> marks;

    void mark(std::string_view what) {
        marks.push_back(text.size());
        text += what;
        text += ']';
    }
    /// Of a program, bad bytes kept (base::BadBytes).
    void add(std::string_view program) {
        while (!program.empty()) {
            const std::size_t bad = std::min(find_kept(program), program.size());
            text += program.substr(0, bad);
            program.remove_prefix(bad);
            std::size_t count = 0;
            std::string hex;
            while (const auto byte = base::kept_byte(program)) {
                if (++count <= most_bytes_in_hex) hex += fmt::format("\\x{:02x}", *byte);
                program.remove_prefix(3);
            }
            if (count > 0) mark(count <= most_bytes_in_hex ? hex : fmt::format("{} bytes, not UTF-8", count));
        }
    }
    void append(const Piece& more) {
        for (const std::size_t each : more.marks) marks.push_back(text.size() + each);
        text += more.text;
    }
    std::size_t size(std::size_t marker_size) const noexcept { return text.size() + marks.size() * marker_size; }

private:
    static std::size_t find_kept(std::string_view text) noexcept {
        for (std::size_t at = text.find('\xED'); at != std::string_view::npos; at = text.find('\xED', at + 1))
            if (base::kept_byte(text.substr(at))) return at;
        return std::string_view::npos;
    }
};

struct Span {
    std::size_t begin = 0, end = 0;
};

/// A line of the page, or what is missing at its place.
struct Entry {
    std::string text;         // as it is shown, bad bytes kept; of a loss its words
    std::uint64_t bytes = 0;  // as recorded
    std::uint64_t from = 0;   // where a page must begin to hold it
    std::uint64_t lost = 0;   // by a gap
    bool is_loss = false;
    bool matched = false;
    bool is_apart = false;           // lines that are not shown stand before it
    std::vector<std::size_t> holes;  // places of `text` where bytes of it are missing, in order
    Span match;                      // what the pattern finds in `text`; ends at 0: nothing, or not looked for
};

/// What is shown or left out together: a line, behind what is missing before it and the mark of what is folded onto it.
struct Unit {
    std::size_t lead = 0;  // the first entry of it
    std::size_t line = 0;  // its last; past the end: only what is missing
    const Fold* fold = nullptr;
};

bool continues(const Line& line, const Line& before) noexcept {
    return !before.complete && !before.event && !before.is_gap && before.run == line.run &&
           before.stream == line.stream && before.matched == line.matched &&
           before.position + before.text.size() == line.position;
}

class Page {
public:
    Page(LinePage page, const ShowOptions& options) : options_(options), page_(std::move(page)) {
        take_lines();
        if (options_.clean && options_.lines != 1) folds_ = find_folds(shapes());
        make_units();
        const auto is_long = [](const Entry& each) { return each.matched && each.text.size() > mark_room; };
        if (!options_.grep || std::none_of(entries_.begin(), entries_.end(), is_long)) return;
        auto compiled = LinePattern::compile(*options_.grep, max_pattern_memory, options_.ignore_case);
        if (compiled) find_matches(*compiled);
    }

    Shown show() {
        // A longer marker takes room, which may leave out the text that made it long; so does what is said above.
        for (std::size_t size = 1;;) {
            Shown out;
            choose(size);
            tell(out);
            Piece piece;
            if (const std::string above = options_.above ? options_.above(out) : ""; !above.empty()) {
                piece.mark(above);
                // The only line that there is room for is the program's.
                piece.text += options_.lines == 1 && begin_ < end_ ? ' ' : '\n';
            }
            const std::size_t mark_above = piece.text.size() + piece.marks.size() * size;
            piece.append(assemble(size));
            const std::string marker = piece.marks.empty() ? "" : find_marker(piece.text);
            if (!piece.marks.empty()) out.marker.assign(std::max(size, marker.size()), '[');
            const std::size_t front = options_.front_bytes ? options_.front_bytes(out) : 0;
            const std::size_t said = mark_above + front;
            const auto lines = static_cast<std::uint64_t>(std::count(piece.text.begin(), piece.text.end(), '\n'));
            const bool has_room =
                piece.size(size) + front <= options_.max_bytes && (options_.lines == 0 || lines <= options_.lines);
            const bool tells_more = said > said_ || (mark_above > 0 && !is_said_above_);
            if (marker.size() > size || (tells_more && !has_room)) {
                size = std::max(size, marker.size());
                if (!has_room) {
                    said_ = std::max(said_, said);
                    is_said_above_ = is_said_above_ || mark_above > 0;
                    if (is_said_above_ && options_.lines == 2) unfold(0, folds_.size());
                }
                continue;
            }
            out.marker = marker;
            out.text = with_marker(piece, marker);
            return out;
        }
    }

private:
    void take_lines() {
        std::optional<std::uint64_t> ordinal;
        for (std::size_t i = 0; i < page_.lines.size(); ++i) {
            Line line = std::move(page_.lines[i]);
            if (const auto loss = loss_text(line)) {
                const auto lost = line.is_gap ? static_cast<std::uint64_t>(line.value) : 0;
                entries_.push_back({.text = *loss, .bytes = 0, .from = line.position, .lost = lost, .is_loss = true});
                continue;
            }
            if (line.event) continue;
            const bool is_apart = options_.context > 0 && ordinal && line.ordinal > *ordinal + 1;
            // A line that was too long for the reader comes in parts.
            for (; i + 1 < page_.lines.size() && continues(page_.lines[i + 1], line); ++i) {
                const Line& rest = page_.lines[i + 1];
                for (const Hole& hole : rest.holes) line.holes.push_back({line.text.size() + hole.at, hole.bytes});
                line.text += rest.text;
                line.ordinal = rest.ordinal;
                line.complete = rest.complete;
                line.missing_after = rest.missing_after;
            }
            ordinal = line.ordinal;
            Entry entry;
            entry.bytes = line.missing_before + line.text.size() + line.missing_after;
            for (const Hole& hole : line.holes) entry.bytes += hole.bytes;
            entry.from = std::max(line.position, line.resumed);
            entry.matched = line.matched;
            entry.is_apart = is_apart;
            take_text(line, entry);
            entries_.push_back(std::move(entry));
        }
        page_.lines = {};  // their memory is needed
    }

    void take_text(const Line& line, Entry& entry) const {
        std::string_view text = line.text;
        std::vector<std::size_t> cuts;
        for (const Hole& hole : line.holes) cuts.push_back(std::min(hole.at, text.size()));
        const bool is_cut = entry.bytes > longest_shown_line;
        if (is_cut && line.missing_before > 0 && (cuts.empty() || cuts.front() > 0)) cuts.insert(cuts.begin(), 0);
        if (is_cut && line.missing_after > 0 && (cuts.empty() || cuts.back() < text.size()))
            cuts.push_back(text.size());
        // The reader may have cut off where it matched.
        if (options_.clean && cuts.empty() && line.match_begin < text.size())
            text = text.substr(line.match_begin, line.match_size);
        std::size_t from = 0;
        for (std::size_t i = 0; i <= cuts.size(); ++i) {
            const std::size_t to = i < cuts.size() ? cuts[i] : text.size();
            std::string_view part = text.substr(from, to - from);
            from = to;
            // It may be cut within a character.
            for (int inner = 0; inner < 3 && i > 0 && !part.empty() && is_inner_byte(part[0]); ++inner)
                part.remove_prefix(1);
            if (options_.clean) {
                // What it was redrawn from is gone, and what is missing of that.
                std::string_view drawn = part;
                while (drawn.ends_with('\r')) drawn.remove_suffix(1);
                if (drawn.find('\r') != drawn.npos) {
                    entry.text.clear();
                    entry.holes.clear();
                }
                entry.text += base::clean_output(part, base::BadBytes::kept);
            } else {
                entry.text += base::to_valid_utf8(part, base::BadBytes::kept);
            }
            if (i < cuts.size() && (entry.holes.empty() || entry.holes.back() < entry.text.size()))
                entry.holes.push_back(entry.text.size());
        }
    }

    /// Of the lines that may be cut, those that are shown first; all of it takes no longer than a part of a look does.
    void find_matches(const LinePattern& pattern) {
        std::size_t room = pattern.longest_text() / parts_of_look;
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            Entry& entry = entries_[options_.keep_newest ? entries_.size() - 1 - i : i];
            if (!entry.matched || entry.text.size() <= mark_room) continue;
            if (entry.text.size() > room) return;
            room -= entry.text.size();
            const auto found = pattern.find_span(entry.text);
            if (!found) continue;
            const auto begin = static_cast<std::size_t>(found->data() - entry.text.data());
            entry.match = {begin, begin + found->size()};
        }
    }

    /// Beside the text, what a repetition has in common: whether it matches, and whether it follows on what is before
    /// it.
    std::vector<std::string> shapes() const {
        std::vector<std::string> out;
        out.reserve(entries_.size());
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            const Entry& entry = entries_[i];
            if (entry.is_loss)
                out.push_back(fmt::format("\n{}", i));  // equal to nothing
            else
                out.push_back((entry.matched ? "+" : "-") + std::string(entry.is_apart ? "/" : " ") +
                              shape_of(entry.text));
        }
        return out;
    }

    void make_units() {
        std::size_t lead = 0;
        auto fold = folds_.begin();
        const Fold* onto = nullptr;
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (fold != folds_.end() && i == fold->first) {
                onto = &*fold;
                i = fold->shown();
                ++fold;
            }
            if (entries_[i].is_loss) continue;
            units_.push_back({lead, i, std::exchange(onto, nullptr)});
            lead = i + 1;
        }
        if (lead < entries_.size()) units_.push_back({lead, entries_.size(), nullptr});
    }

    /// Of these folds all lines are shown as they are.
    void unfold(std::size_t from, std::size_t to) {
        folds_.erase(folds_.begin() + static_cast<std::ptrdiff_t>(from),
                     folds_.begin() + static_cast<std::ptrdiff_t>(to));
        units_.clear();
        make_units();
    }

    bool has_line(const Unit& unit) const noexcept { return unit.line < entries_.size(); }
    bool is_match(const Unit& unit) const noexcept { return has_line(unit) && entries_[unit.line].matched; }
    bool is_apart(const Unit& unit) const noexcept {
        return has_line(unit) && entries_[unit.fold != nullptr ? unit.fold->first : unit.line].is_apart;
    }
    /// Context is only worth something with its match.
    bool has_context() const noexcept { return options_.context > 0; }

    /// `is_first`: nothing is shown before it. `is_bare`: what is missing before it belongs to what was left out.
    Piece piece_of(const Unit& unit, bool is_first, bool is_bare, std::size_t longest_line) const {
        Piece piece;
        const auto separate = [&](const Entry& entry) {
            if (!entry.is_apart || (is_first && piece.text.empty())) return;
            piece.mark("--");
            piece.text += '\n';
        };
        for (std::size_t i = unit.lead; i < std::min(unit.line, entries_.size()) && entries_[i].is_loss; ++i) {
            if (is_bare) continue;
            piece.mark(entries_[i].text);
            piece.text += '\n';
        }
        if (!has_line(unit)) return piece;
        if (const Fold* fold = unit.fold) {
            separate(entries_[fold->first]);
            piece.mark(fold_text(*fold));
            piece.text += '\n';
        }
        const Entry& entry = entries_[unit.line];
        if (unit.fold == nullptr) separate(entry);
        add_cut(piece, entry, longest_line);
        piece.text += '\n';
        return piece;
    }

    void add_cut(Piece& piece, const Entry& entry, std::size_t longest) const {
        const std::string_view text = entry.text;
        bool is_told = false;
        const auto mark = [&] {
            piece.mark(is_told ? "cut" : fmt::format("cut: {} bytes", entry.bytes));
            is_told = true;
        };
        std::size_t at = 0;
        for (auto [begin, end] : spans_of(entry, longest)) {
            while (begin > at && begin < text.size() && is_inner_byte(text[begin])) --begin;
            while (end > begin && end < text.size() && is_inner_byte(text[end])) --end;
            bool is_after_hole = begin > at;
            for (const std::size_t hole : entry.holes) {
                if (hole < at || hole > end || (hole == end && end < text.size())) continue;
                if (hole <= begin) {
                    is_after_hole = true;
                    continue;
                }
                if (std::exchange(is_after_hole, false)) mark();
                piece.add(text.substr(begin, hole - begin));
                is_after_hole = true;
                begin = hole;
            }
            if (is_after_hole) mark();
            piece.add(text.substr(begin, end - begin));
            at = end;
        }
        if (at < text.size()) mark();
    }

    /// What is shown of a line: its beginning and its end, where they are known, and where the pattern is found.
    std::vector<Span> spans_of(const Entry& entry, std::size_t longest) const {
        const std::size_t size = entry.text.size();
        if (size <= longest) return {{0, size}};
        const bool has_front = entry.holes.empty() || entry.holes.front() > 0;
        const bool has_end = entry.holes.empty() || entry.holes.back() < size;
        const std::size_t half = longest / 2, quarter = longest / 4;
        Span match = entry.match;
        // Of what is cut at both its ends the beginning is shown.
        const bool has_head = has_front || !has_end;
        const bool is_within_ends =
            match.end == 0 || (has_head && match.end <= half) || (has_end && match.begin >= size - half);
        if (is_within_ends) {
            if (has_head && has_end) return {{0, half}, {size - half, size}};
            return has_head ? std::vector<Span>{{0, half}} : std::vector<Span>{{size - half, size}};
        }
        const std::size_t length = match.end - match.begin;
        const std::size_t before = length < half ? (half - length) / 2 : 0;
        match.begin -= std::min(match.begin, before);
        match.end = std::min(size, match.begin + half);
        std::vector<Span> out;
        for (const Span& each : {Span{0, has_head ? quarter : 0}, match, Span{has_end ? size - quarter : size, size}}) {
            if (each.begin == each.end) continue;
            if (!out.empty() && each.begin <= out.back().end)
                out.back().end = std::max(out.back().end, each.end);
            else
                out.push_back(each);
        }
        return out;
    }

    std::size_t longest_line() const noexcept {
        return options_.clean ? longest_shown_line : std::numeric_limits<std::size_t>::max();
    }
    /// Of a unit that must be shown, whatever there is room for.
    Piece fitting_piece(const Unit& unit, bool is_bare, std::size_t marker_size) const {
        Piece piece = piece_of(unit, true, is_bare, longest_line());
        std::size_t longest = std::min(longest_line(), std::max(max_bytes(), 2 * mark_room) - mark_room);
        for (; piece.size(marker_size) > max_bytes() && longest > shortest_cut; longest /= 2)
            piece = piece_of(unit, true, is_bare, longest);
        return piece;
    }

    /// Lines that are shown of it, but for what is missing.
    std::uint64_t lines_of(const Unit& unit, bool is_first) const noexcept {
        if (!has_line(unit)) return 0;
        return 1u + (unit.fold != nullptr ? 1u : 0u) + (is_apart(unit) && !is_first ? 1u : 0u);
    }

    /// What the mark above leaves of the budget.
    std::uint64_t max_lines() const noexcept { return options_.lines - (is_said_above_ && options_.lines > 1 ? 1 : 0); }
    std::size_t max_bytes() const noexcept { return options_.max_bytes - std::min(said_, options_.max_bytes); }

    /// Which units are shown: [begin_, end_).
    void choose(std::size_t marker_size) {
        const std::size_t count = units_.size();
        std::uint64_t lines = 0, bytes = 0, border = 0;
        is_cut_by_bytes_ = false;
        squeezed_.reset();
        /// Whether there is room for it; the first line is shown anyway. `border`: of what stands behind it, which was
        /// the first that is shown so far.
        const auto takes = [&](const Unit& unit) {
            if (squeezed_) return false;
            const bool is_first = options_.keep_newest || lines == 0;
            const std::uint64_t more = lines_of(unit, is_first) + border;
            if (options_.lines > 0 && lines > 0 && lines + more > max_lines()) return false;
            std::uint64_t size = piece_of(unit, false, false, longest_line()).size(marker_size);
            if (lines > 0 && bytes + size > max_bytes()) {
                is_cut_by_bytes_ = options_.clean;
                const std::uint64_t room = max_bytes() - std::min<std::uint64_t>(bytes, max_bytes());
                // What never fits whole is shown in part.
                const bool is_squeezed = options_.keep_newest && !has_context() && !squeezed_;
                if (!is_squeezed || size <= max_bytes() || room < least_squeezed) return false;
                std::size_t longest = room - mark_room;
                for (; size > room && longest > shortest_cut; longest /= 2) {
                    size = piece_of(unit, false, false, longest).size(marker_size);
                    squeezed_ = longest;
                }
                if (size > room) {
                    squeezed_.reset();
                    return false;
                }
            }
            lines += more;
            bytes += size;
            border = options_.keep_newest ? lines_of(unit, false) - lines_of(unit, true) : 0;
            return true;
        };
        if (options_.keep_newest) {
            end_ = begin_ = count;
            while (begin_ > 0 && takes(units_[begin_ - 1])) --begin_;
            // The line has room that the mark of what is folded onto it has not.
            const Fold* const fold = begin_ > 0 && !has_context() ? units_[begin_ - 1].fold : nullptr;
            if (fold != nullptr && options_.lines > 0 && lines + 1 == max_lines()) {
                const auto number = static_cast<std::size_t>(fold - folds_.data());
                unfold(number, number + 1);
                return choose(marker_size);
            }
            keep_whole_groups();
        } else {
            begin_ = end_ = 0;
            while (end_ < count && takes(units_[end_])) ++end_;
            leave_context_to_next_page();
            if (!leave_block_to_next_page()) choose(marker_size);
        }
    }

    /// What is left of a group whose match is cut off goes with it.
    void keep_whole_groups() {
        if (!has_context() || begin_ == 0) return;
        std::size_t match = begin_;
        while (match < end_ && !is_match(units_[match])) ++match;
        if (match == end_) {
            while (match > 0 && !is_match(units_[match - 1])) --match;
            if (match == 0) return;
            begin_ = match - 1;
            end_ = match;
            return;
        }
        for (std::size_t i = begin_ + 1; i <= match; ++i)
            if (is_apart(units_[i])) begin_ = i;
    }

    /// What stands before a match is shown with it.
    void leave_context_to_next_page() {
        if (!has_context() || (end_ == units_.size() && !page_.more)) return;
        std::size_t after = end_;  // the last match that is shown
        while (after > begin_ && !is_match(units_[after - 1])) --after;
        if (after == begin_) {
            while (after < units_.size() && !is_match(units_[after])) ++after;
            if (after == units_.size()) return;
            begin_ = after;
            end_ = after + 1;
            return;
        }
        const std::size_t last = std::min(end_, after + options_.context);
        while (after < last && !is_apart(units_[after])) ++after;
        end_ = after;
    }

    /// A block that a mark points to is shown whole. Where there is no room for it even alone, its repetitions are no
    /// longer folded: false, what is shown is to be chosen again.
    bool leave_block_to_next_page() {
        if (has_context()) return true;
        std::size_t first = end_;
        while (first > begin_ && units_[first - 1].fold == nullptr) --first;
        if (first == begin_) return true;
        const Fold* const fold = units_[--first].fold;
        if (first + fold->period <= end_) return true;
        end_ = first;
        if (first > begin_) return true;
        const auto number = static_cast<std::size_t>(fold - folds_.data());
        unfold(number, number + 1);
        return false;
    }

    /// A loss that is no part of what is shown is told of with what it belongs to.
    bool is_bare(std::size_t unit) const noexcept {
        return options_.keep_newest && unit == begin_ && (begin_ > 0 || page_.omitted_before > 0) &&
               has_line(units_[unit]);
    }

    std::uint64_t count_shown() const {
        const auto from = units_.begin();
        return static_cast<std::uint64_t>(std::count_if(from + static_cast<std::ptrdiff_t>(begin_),
                                                        from + static_cast<std::ptrdiff_t>(end_),
                                                        [&](const Unit& unit) { return has_line(unit); }));
    }

    Piece assemble(std::size_t marker_size) const {
        Piece all;
        const bool is_alone = count_shown() == 1;
        for (std::size_t i = begin_; i < end_; ++i) {
            Piece piece = is_alone ? fitting_piece(units_[i], is_bare(i), marker_size)
                                   : piece_of(units_[i], i == begin_, is_bare(i),
                                              i == begin_ && squeezed_ ? *squeezed_ : longest_line());
            all.append(piece);
        }
        return all;
    }

    static std::string with_marker(const Piece& piece, std::string_view marker) {
        std::string out;
        out.reserve(piece.size(marker.size()));
        std::size_t from = 0;
        for (const std::size_t mark : piece.marks) {
            out.append(piece.text, from, mark - from);
            out += marker;
            from = mark;
        }
        return out.append(piece.text, from);
    }

    void tell(Shown& out) const {
        const auto first = begin_ < end_ ? units_[begin_].lead : entries_.size();
        const auto past = end_ < units_.size() ? units_[end_].lead : entries_.size();
        out.begin = first < entries_.size() ? entries_[first].from : page_.next;
        const auto is_asked = [&](const Entry& entry) { return !entry.is_loss && entry.matched; };
        const auto count = [&](std::size_t from, std::size_t to) {
            return static_cast<std::uint64_t>(std::count_if(entries_.begin() + static_cast<std::ptrdiff_t>(from),
                                                            entries_.begin() + static_cast<std::ptrdiff_t>(to),
                                                            is_asked));
        };
        out.lines = count_shown();
        for (std::size_t i = begin_; i < end_; ++i)
            if (units_[i].fold != nullptr) out.folded += units_[i].fold->folded;
        out.omitted_before = page_.omitted_before;
        out.knows_all_before = !page_.earlier;
        out.omitted_after = page_.omitted_after;
        out.next = page_.next;
        out.evicted_bytes = page_.evicted_bytes;
        out.lost_bytes = page_.lost_bytes;
        out.unread_bytes = page_.unread_bytes;
        out.unsearched_bytes = page_.unsearched_bytes;
        out.unindexed_bytes = page_.unindexed_bytes;
        out.earlier = page_.earlier;
        out.is_cut_by_bytes = is_cut_by_bytes_;
        if (options_.keep_newest) {
            out.omitted_before += count(0, first);
            // There is more than has room anyway.
            if (begin_ > 0) out.unsearched_bytes = 0;
            const bool is_search = out.earlier || options_.grep;
            if (is_search && begin_ > 0 && first < entries_.size()) out.earlier = entries_[first].from;
            if (begin_ > 0 || (options_.lines > 0 && out.lines >= options_.lines)) out.evicted_bytes = 0;
        } else if (end_ < units_.size()) {
            out.omitted_after = std::max<std::uint64_t>(1, count(past, entries_.size()));
            out.next = entries_[past].from;
            out.unread_bytes = 0;
        }
        const auto forget = [&](std::size_t from, std::size_t to) {
            for (; from < to; ++from) out.lost_bytes -= std::min(out.lost_bytes, entries_[from].lost);
        };
        forget(0, begin_ < end_ && is_bare(begin_) ? units_[begin_].line : first);
        forget(past, entries_.size());
    }

    ShowOptions options_;
    LinePage page_;
    std::vector<Entry> entries_;
    std::vector<Fold> folds_;
    std::vector<Unit> units_;
    std::size_t begin_ = 0, end_ = 0;
    bool is_cut_by_bytes_ = false;
    std::size_t said_ = 0;  // bytes for the mark above and what the caller puts before it, that all have room with
    bool is_said_above_ = false;           // there is a mark
    std::optional<std::size_t> squeezed_;  // so much of the first line has room
};

}  // namespace

ShowOptions take_budget(LineQuery& query, bool clean) {
    ShowOptions options;
    options.clean = clean;
    options.keep_newest = query.last > 0;
    options.lines = query.last > 0 ? query.last : query.first;
    options.max_bytes = query.max_bytes;
    if (options.lines > 0)
        query.context = static_cast<std::uint32_t>(std::min<std::uint64_t>(query.context, (options.lines - 1) / 2));
    options.context = query.grep ? query.context : 0;
    options.grep = query.grep;
    options.ignore_case = query.ignore_case;
    if (!clean) {
        // What has no room beside others is shown in part.
        query.longest_line = query.max_bytes;
        query.max_bytes *= 2;
    } else {
        query.longest_line = longest_read_line;
        query.counted_line = longest_shown_line;
        query.last *= room_to_fold;
        query.first *= room_to_fold;
        query.max_bytes =
            std::max(query.max_bytes, std::min<std::size_t>(query.max_bytes * room_to_fold, most_room_bytes));
    }
    return options;
}

Shown show(LinePage page, const ShowOptions& options) { return Page(std::move(page), options).show(); }

std::string find_marker(std::string_view text) {
    static constexpr std::string_view symbols = "#%~@^*+=|&!$?;:_";
    constexpr std::size_t bits = 4;
    static_assert(symbols.size() == 1u << bits);
    std::vector<std::size_t> brackets;
    for (std::size_t at = text.find('['); at != std::string_view::npos; at = text.find('[', at + 1))
        brackets.push_back(at);
    if (brackets.empty()) return "[";
    // There are more texts of a length than brackets for them to stand before, sooner or later.
    for (std::size_t length = 1;; ++length) {
        std::vector<bool> seen(std::size_t{1} << (bits * length));
        for (const std::size_t bracket : brackets) {
            if (bracket < length) continue;
            std::size_t code = 0;
            bool is_symbols = true;
            for (std::size_t i = bracket - length; i < bracket && is_symbols; ++i) {
                const std::size_t symbol = symbols.find(text[i]);
                is_symbols = symbol != std::string_view::npos;
                code = code << bits | (symbol & (symbols.size() - 1));
            }
            if (is_symbols) seen[code] = true;
        }
        const auto free = std::find(seen.begin(), seen.end(), false);
        if (free == seen.end()) continue;
        std::string out(length + 1, '[');
        auto code = static_cast<std::size_t>(free - seen.begin());
        for (std::size_t i = length; i-- > 0; code >>= bits) out[i] = symbols[code & (symbols.size() - 1)];
        return out;
    }
}

}  // namespace persistproc::logstore
