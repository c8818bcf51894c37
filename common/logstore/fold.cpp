#include "common/logstore/fold.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "common/logstore/error_line.hpp"
#include "common/logstore/error_place.hpp"

namespace persistproc::logstore {

namespace {

constexpr char number_mark = '\x01';  // no cleaned line holds these two
constexpr char data_mark = '\x02';
constexpr std::size_t least_folded_lines = 3, least_folded_bytes = 40;
constexpr std::size_t shortest_id = 6, shortest_mixed_id = 8;

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
/// Part of a word in any script.
bool is_word(char c) noexcept {
    return is_digit(c) || is_letter(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

template <class Is>
std::size_t run_length(std::string_view text, Is is) noexcept {
    return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is) - text.begin());
}

bool stands_among(std::string_view word, std::span<const std::string_view> words) noexcept {
    const auto same = [](char a, char b) { return (is_letter(a) ? a | 0x20 : a) == b; };
    return std::any_of(words.begin(), words.end(), [&](std::string_view each) {
        return word.size() == each.size() && std::equal(word.begin(), word.end(), each.begin(), same);
    });
}

/// Length of the UUID at the front; 0: none.
std::size_t uuid_length(std::string_view text) noexcept {
    constexpr std::size_t length = 36;
    if (text.size() < length || (text.size() > length && is_word(text[length]))) return 0;
    for (std::size_t i = 0; i < length; ++i) {
        const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? text[i] != '-' : !is_hex(text[i])) return 0;
    }
    return length;
}

/// Length of the time, IPv6 or MAC address at the front (groups of hex digits with colons); 0: none.
std::size_t colon_groups_length(std::string_view text) noexcept {
    constexpr std::size_t longest = 45;
    const std::size_t length = run_length(text.substr(0, longest + 1), [](char c) { return is_hex(c) || c == ':'; });
    if (length > longest || (length < text.size() && is_word(text[length]))) return 0;
    std::size_t colons = 0, group = 0;
    bool has_number = false, is_number = true;
    for (std::size_t i = 0; i <= length; ++i) {
        if (i < length && text[i] != ':') {
            if (++group > 4) return 0;
            is_number = is_number && is_digit(text[i]);
            continue;
        }
        colons += i < length ? 1 : 0;
        has_number = has_number || (group > 0 && is_number);
        group = 0;
        is_number = true;
    }
    return colons >= 2 && has_number ? length : 0;
}

/// Length of the unit of time at the front; 0: none.
std::size_t unit_length(std::string_view text) noexcept {
    static constexpr std::string_view units[] = {"ns",  "us", "\xC2\xB5s", "\xCE\xBCs", "ms", "min",
                                                 "sec", "s",  "m",         "h",         "d"};
    for (const auto unit : units) {
        if (!text.starts_with(unit)) continue;
        const std::string_view rest = text.substr(unit.size());
        if (rest.empty() || !is_word(rest[0]) || is_digit(rest[0])) return unit.size();
    }
    return 0;
}

/// Whether a number is one of time or of bytes, by what stands behind it.
bool is_measured(std::string_view behind) noexcept {
    static constexpr std::string_view sizes[] = {"B", "bytes", "byte", "kB", "KB", "MB"};
    if (behind.starts_with(' ')) behind.remove_prefix(1);
    const std::string_view unit = behind.substr(0, run_length(behind, is_word));
    return unit_length(behind) > 0 || std::find(std::begin(sizes), std::end(sizes), unit) != std::end(sizes);
}

/// Whether what stands behind a prefix in a word ("req_") differs each time: in hex, or of any letters and digits.
bool is_id_part(std::string_view part) noexcept {
    const auto digits = std::count_if(part.begin(), part.end(), is_digit);
    const auto is_ascii = [](char c) { return is_digit(c) || is_letter(c); };
    if (part.size() >= shortest_id && digits > 0 && std::all_of(part.begin(), part.end(), is_hex)) return true;
    return part.size() >= shortest_mixed_id && digits > 2 && std::all_of(part.begin(), part.end(), is_ascii);
}

/// Digits with decimals and groups of thousands.
std::size_t number_length(std::string_view text) noexcept {
    std::size_t at = run_length(text, is_digit);
    while (at + 1 < text.size() && (text[at] == '.' || text[at] == ',') && is_digit(text[at + 1]))
        at += 1 + run_length(text.substr(at + 1), is_digit);
    return at;
}

class ShapeMaker {
public:
    explicit ShapeMaker(std::string_view line)
        : line_(line), place_(find_place(line)), is_error_(kind_of(line) >= LineKind::error) {
        out_.reserve(line.size());
    }

    std::string make() {
        while (at_ < line_.size()) {
            if (place_ && at_ >= place_->begin && at_ < place_->end)
                take_place();
            else if (is_word(line_[at_]))
                take_word();
            else if (const std::size_t length = line_[at_] == ':' ? colon_groups_length(rest()) : 0; length > 0)
                take_number(length);
            else
                out_ += line_[at_++];
        }
        return has_word_ ? std::move(out_) : data_mark + std::string(line_);
    }

private:
    std::string_view rest() const { return line_.substr(at_); }
    void take_number(std::size_t length) {
        out_ += number_mark;
        at_ += length;
    }

    void take_place() {
        out_ += line_.substr(at_, place_->end - at_);
        at_ = place_->end;
        has_word_ = true;
    }

    void take_word() {
        if (const std::size_t length = uuid_length(rest()); length > 0) return take_number(length);
        if (const std::size_t length = colon_groups_length(rest()); length > 0) return take_number(length);
        if (at_ >= word_end_) word_end_ = at_ + run_length(rest(), is_word);
        const std::string_view word = line_.substr(at_, word_end_ - at_);
        const bool is_prefixed = word.size() > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
        const bool is_id =
            word.size() >= shortest_id && std::any_of(word.begin(), word.end(), is_digit) && hex_end(at_) >= word_end_;
        if ((is_prefixed && hex_end(at_ + 2) >= word_end_) ||
            (is_id && !std::all_of(word.begin(), word.end(), is_digit)))
            return take_number(word.size());
        if (is_digit(word[0])) return take_digits(word);
        if (is_request_name(word)) note_request(word);
        take_parts(word);
        has_word_ = true;
        before_ = word;
        at_ += word.size();
    }

    void take_parts(std::string_view word) {
        if (is_error_code(word)) {
            out_ += word;
            return;
        }
        for (std::size_t i = 0; i < word.size();) {
            if (i > 0 && word[i - 1] == '_') {
                const std::string_view part = word.substr(i, word.find('_', i) - i);
                if (is_id_part(part)) {
                    out_ += number_mark;
                    i += part.size();
                    continue;
                }
            }
            const std::size_t digits = run_length(word.substr(i), is_digit);
            out_ += digits > 0 ? number_mark : word[i];
            i += std::max<std::size_t>(digits, 1);
        }
    }

    /// A compiler's or a linter's number of an error: E0382, TS2322.
    bool is_error_code(std::string_view word) const {
        constexpr std::size_t most_letters = 6, least_digits = 2, most_digits = 5;
        if (!is_error_) return false;
        const std::size_t letters = run_length(word, [](char c) { return c >= 'A' && c <= 'Z'; });
        const std::size_t digits = word.size() - letters;
        if (letters == 0 || letters > most_letters || digits < least_digits || digits > most_digits ||
            run_length(word.substr(letters), is_digit) != digits)
            return false;
        static constexpr std::string_view names[] = {"error", "warning", "fatal", "code"};
        const std::string_view before = line_.substr(0, at_), behind = line_.substr(at_ + word.size());
        return before.empty() || before.ends_with('[') || before.ends_with('(') || before.ends_with(": ") ||
               behind.starts_with(':') || (before.ends_with(' ') && stands_among(before_, names));
    }

    /// Where the hex digits that begin at `from` end. Words are taken piece by piece: each is looked through once.
    std::size_t hex_end(std::size_t from) {
        if (from < hex_begin_ || from >= hex_end_) {
            hex_begin_ = from;
            hex_end_ = from + run_length(line_.substr(from), is_hex);
        }
        return hex_end_;
    }

    /// What begins with a digit.
    void take_digits(std::string_view word) {
        const std::size_t length = number_length(rest());
        if (length == word.size() && (is_outcome(word) || is_port(word))) {
            out_ += word;
            at_ += length;
            return;
        }
        take_number(length);
        // "1m30s" is one duration.
        while (const std::size_t unit = unit_length(rest())) {
            at_ += unit;
            at_ += number_length(rest());
        }
        while (at_ < line_.size() && is_word(line_[at_]) && !is_digit(line_[at_])) {
            out_ += line_[at_++];
            has_word_ = true;
        }
    }

    /// A whole number whose value says how something went.
    bool is_outcome(std::string_view digits) {
        static constexpr std::string_view names[] = {
            "code",       "status",     "signal",      "errno",     "exit",        "statuscode",  "exitcode",
            "returncode", "httpstatus", "status_code", "exit_code", "return_code", "http_status", "level",
            "lvl",        "severity",   "loglevel",    "log_level", "sev",         "prio",        "priority"};
        const char previous = at_ == 0 ? ' ' : line_[at_ - 1];
        const std::string_view behind = line_.substr(at_ + digits.size());
        const auto joins = [](char c) { return c == '.' || c == ':' || c == '/' || c == '-'; };
        // None of so many.
        if (digits == "0" && !joins(previous) && behind.size() > 1 && behind[0] == '/' && is_digit(behind[1]))
            return true;
        if (behind.size() > 1 && joins(behind[0]) && is_digit(behind[1])) return false;
        // "code:3", or as JSON has it.
        const auto names_it = [](char c) { return is_letter(c) || c == '"' || c == '\''; };
        if (joins(previous) && !(previous == ':' && at_ > 1 && names_it(line_[at_ - 2]))) return false;
        if (digits == "0" || is_syslog_level(digits)) return true;
        if (is_status(digits) || is_told_status(digits, behind) || is_bare_status(digits, behind)) return true;
        if (!stands_among(before_, names)) return false;
        const auto begin = static_cast<std::size_t>(before_.data() + before_.size() - line_.data());
        return line_.substr(begin, at_ - begin).find_first_not_of(" =:\"'(") == std::string_view::npos;
    }

    /// "<3>" in front of all: syslog's and systemd's.
    bool is_syslog_level(std::string_view digits) const {
        const std::string_view before = line_.substr(0, at_), behind = line_.substr(at_ + digits.size());
        return digits.size() <= 3 && before.ends_with('<') && behind.starts_with('>') &&
               before.size() - 1 == source_prefix(line_);
    }

    /// Whether a server is told by it; who connects to one has another port each time.
    bool is_port(std::string_view digits) const {
        if (digits.size() < 2 || digits.size() > 5) return false;
        const std::string_view before = line_.substr(0, at_);
        const auto name = before.find_last_not_of(" =:\"'(");
        static constexpr std::string_view names[] = {"port"};
        if (name != before.npos && name + 1 < at_ && stands_among(before_, names))
            return before.find("from ") == before.npos;
        const std::string_view behind = line_.substr(at_ + digits.size());
        const bool is_last = behind.size() < 2 || !is_letter(behind[behind[0] == ' ' ? 1 : 0]);
        if (before.ends_with(" on ") && is_last && digits.size() > 3) return true;
        if (!before.ends_with(':')) return false;
        // At all addresses, as Go has it.
        if (at_ == 1 || before.ends_with(" :")) return true;
        const auto host = before.find_last_of(" \t\"'(<=[,", at_ - 2);
        const std::string_view address = before.substr(host == before.npos ? 0 : host + 1);
        // At all addresses: nobody connects from there.
        static constexpr std::string_view servers[] = {"localhost:", "0.0.0.0:", "*:", "::]:"};
        return address.find("://") != address.npos ||
               std::any_of(std::begin(servers), std::end(servers),
                           [address](std::string_view each) { return address.starts_with(each); });
    }

    /// Of an HTTP request that failed: of the numbers behind it the first one, the others are bytes and times.
    bool is_status(std::string_view digits) {
        if (digits.size() != 3 || digits[0] < '1' || digits[0] > '5' || !is_request()) return false;
        const bool is_failure = digits[0] >= '4';
        if (!is_behind_request_) return is_failure;
        if (!awaits_status_ || at_ < target_end_ || is_measured(line_.substr(at_ + digits.size()))) return false;
        awaits_status_ = false;
        return is_failure;
    }

    /// Of a failure, by the phrase behind it: "500 Internal Server Error".
    static bool is_told_status(std::string_view digits, std::string_view behind) {
        static constexpr std::string_view phrases[] = {
            " Bad Request", " Unauthorized",        " Forbidden",       " Not Found",      " Method Not Allowed",
            " Conflict",    " Unprocessable ",      " Too Many ",       " Bad Gateway",    " Internal Server Error",
            " Gone",        " Service Unavailable", " Gateway Timeout", " Request Timeout"};
        if (digits.size() != 3 || (digits[0] != '4' && digits[0] != '5')) return false;
        return std::any_of(std::begin(phrases), std::end(phrases),
                           [behind](std::string_view each) { return behind.starts_with(each); });
    }

    /// The same without a request's name or a phrase: "backend answered 500", "Response: 500", "-> 500 in 3 ms",
    /// "fetch https://api/a 500", "crawl 500 https://api/a". Numbers that count are told with what they count.
    bool is_bare_status(std::string_view digits, std::string_view behind) const {
        if (digits.size() != 3 || (digits[0] != '4' && digits[0] != '5') || is_measured(behind)) return false;
        const bool is_counted = behind.size() > 1 && behind[0] == ' ' && is_letter(behind[1]);
        static constexpr std::string_view prepositions[] = {" in ", " from ", " for ", " after ",
                                                            " on ", " to ",   " http"};
        if (is_counted && std::none_of(std::begin(prepositions), std::end(prepositions),
                                       [behind](std::string_view each) { return behind.starts_with(each); }))
            return false;
        if (behind.starts_with(" http://") || behind.starts_with(" https://")) return true;
        std::string_view before = line_.substr(0, at_);
        before = before.substr(0, before.find_last_not_of(" \"'([") + 1);
        for (const std::string_view arrow : {"->", "=>", "\xe2\x86\x92"})
            if (before.ends_with(arrow)) return true;
        const std::string_view last = before.substr(before.find_last_of(' ') + 1);  // npos + 1: all of it
        if (last.find("://") != last.npos || last.starts_with('/')) return !is_behind_request_;
        if (before.ends_with(':') || before.ends_with('=')) before.remove_suffix(1);
        static constexpr std::string_view names[] = {"upstream", "backend", "response", "reply",   "answer",  "result",
                                                     "http",     "returns", "responds", "answers", "replies", "got"};
        const bool is_of_word = before_.data() + before_.size() == before.data() + before.size();
        if (is_of_word) return stands_among(before_, names) || (before_.size() > 4 && before_.ends_with("ed"));
        // An upstream's address.
        const auto upstream = line_.substr(0, at_).find("upstream");
        return upstream != line_.npos && !is_behind_request_;
    }

    static bool is_request_name(std::string_view word) {
        static constexpr std::string_view names[] = {"GET",  "POST",    "PUT",  "PATCH",    "DELETE",
                                                     "HEAD", "OPTIONS", "HTTP", "Completed"};
        return std::find(std::begin(names), std::end(names), word) != std::end(names);
    }

    /// `word`, at which the line stands, names one.
    void note_request(std::string_view word) {
        is_behind_request_ = awaits_status_ = true;
        target_end_ = std::min(line_.find_first_not_of(" \"'", at_ + word.size()), line_.size());
        const std::size_t end = std::min(line_.find_first_of(" \"'", target_end_), line_.size());
        const std::string_view target = line_.substr(target_end_, end - target_end_);
        if (target.starts_with('/') || target.starts_with("http://") || target.starts_with("https://"))
            target_end_ = end;
    }

    /// Whether the line names an HTTP request, before the number or behind it.
    bool is_request() {
        if (is_request_) return *is_request_;
        is_request_ = false;
        for (std::string_view left = line_; !left.empty() && !*is_request_;) {
            const std::size_t length = run_length(left, is_word);
            is_request_ = is_request_name(left.substr(0, length));
            left.remove_prefix(std::max<std::size_t>(length, 1));
        }
        return *is_request_;
    }

    std::string_view line_, before_;
    std::optional<NamedPlace> place_;
    bool is_error_ = false;
    std::size_t at_ = 0;
    std::size_t word_end_ = 0, hex_begin_ = 0, hex_end_ = 0;
    std::string out_;
    bool has_word_ = false;
    std::optional<bool> is_request_;
    bool is_behind_request_ = false, awaits_status_ = false;  // the last one's, which has not come
    std::size_t target_end_ = 0;                              // of what was requested
};

}  // namespace

std::string shape_of(std::string_view line) { return ShapeMaker(line).make(); }

std::string fold_text(const Fold& fold) {
    return fmt::format("{} line{} as below, {}", fold.period, fold.period == 1 ? "" : "s",
                       fold.times() == 1 ? "once" : fmt::format("{} times", fold.times()));
}

std::vector<Fold> find_folds(std::span<const std::string> shapes) {
    const std::size_t n = shapes.size();
    std::vector<std::uint64_t> hash(n), bytes(n + 1);
    for (std::size_t i = 0; i < n; ++i) {
        hash[i] = std::hash<std::string_view>{}(shapes[i]);
        bytes[i + 1] = bytes[i] + shapes[i].size() + 1;
    }
    // Lines [equal[p], end) are equal to those `p` before them; each is looked at once for each `p`.
    std::array<std::size_t, longest_block + 1> equal;
    equal.fill(n + 1);
    std::vector<Fold> found;
    for (std::size_t end = n; end > 0;) {
        Fold best;
        for (std::size_t p = 1; p <= longest_block && p < end; ++p) {
            if (equal[p] > end) {
                std::size_t from = end;
                while (from > p && hash[from - 1] == hash[from - 1 - p]) --from;
                equal[p] = from;
            }
            if (end - equal[p] < p) continue;
            const std::size_t folded = (end - equal[p]) / p * p;
            if (folded > best.folded) best = {end - folded - p, folded, p};
        }
        if (best.folded < least_folded_lines || bytes[best.shown()] - bytes[best.first] < least_folded_bytes) {
            --end;
            continue;
        }
        end = best.first;
        // Equal hashes are no proof; what is made to have them is shown as it is.
        const std::string* const begin = shapes.data() + best.first;
        if (std::equal(begin, begin + best.folded, begin + best.period)) found.push_back(best);
    }
    std::reverse(found.begin(), found.end());
    return found;
}

}  // namespace persistproc::logstore
