#include "cli/agents/toml_document.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/agents/position.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli::agents {

namespace {

constexpr int max_depth = 64;
constexpr std::string_view bare_key_characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text), at_(mark_size(text)) {}

    Result<std::vector<TomlStatement>> parse() {
        constexpr auto none = static_cast<std::size_t>(-1);
        std::vector<TomlStatement> out;
        std::size_t header = none;
        while (true) {
            skip_lines();
            if (at_ == text_.size()) return out;
            TomlStatement statement;
            statement.begin = at_;
            statement.line_begin = line_begin(text_, at_);
            if (!(has('[') ? read_header(statement) : read_pair(statement)) || !end_of_statement()) return error();
            statement.line_end = at_;
            if (statement.is_header()) {
                statement.path = statement.key;
                header = out.size();
            } else {
                statement.header = header;
                if (header != none) statement.path = out[header].path;
                statement.path.insert(statement.path.end(), statement.key.begin(), statement.key.end());
            }
            out.push_back(std::move(statement));
        }
    }

private:
    bool refuse(std::string_view why) { return refuse_at(at_, why); }
    bool refuse_at(std::size_t where, std::string_view why) {
        failure_ = fmt::format("{}: {}", position_text(text_, where), why);
        return false;
    }
    Error error() const { return Error{ErrorCode::corrupt, failure_}; }
    bool has(char c) const noexcept { return at_ < text_.size() && text_[at_] == c; }
    bool follows(std::string_view word) const noexcept { return text_.substr(at_).starts_with(word); }
    std::string seen() const {
        if (at_ == text_.size()) return "the end of the file";
        if (has('\n') || has('\r')) return "the end of the line";
        return fmt::format("\"{}\"", base::escape_line(text_.substr(at_, 1)));
    }

    void skip_spaces() { at_ = std::min(text_.find_first_not_of(" \t", at_), text_.size()); }
    void skip_comment() {
        if (has('#')) at_ = std::min(text_.find('\n', at_), text_.size());
    }
    /// White space, newlines and comments.
    void skip_lines() {
        while (true) {
            at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
            if (!has('#')) return;
            skip_comment();
        }
    }
    bool end_of_statement() {
        skip_spaces();
        skip_comment();
        if (follows("\r\n")) ++at_;
        if (at_ < text_.size() && !has('\n')) return refuse(fmt::format("expected a new line, got {}", seen()));
        if (has('\n')) ++at_;
        return true;
    }

    bool read_header(TomlStatement& out) {
        out.kind = follows("[[") ? TomlStatement::Kind::array_header : TomlStatement::Kind::header;
        const std::string_view close = out.kind == TomlStatement::Kind::array_header ? "]]" : "]";
        at_ += close.size();
        skip_spaces();
        if (!read_key(out.key)) return false;
        if (!follows(close)) return refuse(fmt::format("expected \"{}\", got {}", close, seen()));
        at_ += close.size();
        return true;
    }

    bool read_pair(TomlStatement& out) {
        if (!read_key(out.key)) return false;
        if (!has('=')) return refuse(fmt::format("expected \"=\", got {}", seen()));
        ++at_;
        skip_spaces();
        return read_value(out.value, 0);
    }

    /// A dotted key and the spaces after it.
    bool read_key(TomlKey& out) {
        while (true) {
            std::string part;
            if (has('"') || has('\'')) {
                if (follows("\"\"\"") || follows("'''")) return refuse("a key cannot have several lines");
                if (!read_string(part)) return false;
            } else {
                const std::size_t end = std::min(text_.find_first_not_of(bare_key_characters, at_), text_.size());
                if (end == at_) return refuse(fmt::format("expected a key, got {}", seen()));
                part = text_.substr(at_, end - at_);
                at_ = end;
            }
            out.push_back(std::move(part));
            skip_spaces();
            if (!has('.')) return true;
            ++at_;
            skip_spaces();
        }
    }

    bool read_value(TomlValue& out, int depth) {
        if (depth > max_depth) return refuse("nested too deeply");
        out.begin = at_;
        bool read = false;
        if (has('"') || has('\'')) {
            out.kind = TomlValue::Kind::string;
            read = read_string(out.text);
        } else if (has('[')) {
            read = read_array(out, depth);
        } else if (has('{')) {
            read = read_table(out, depth);
        } else {
            read = read_word(out);
        }
        out.end = at_;
        return read;
    }

    bool read_array(TomlValue& out, int depth) {
        out.kind = TomlValue::Kind::array;
        ++at_;
        bool wants_comma = false;
        while (true) {
            skip_lines();
            if (has(']')) break;
            if (wants_comma) return refuse(fmt::format("expected \",\" or \"]\", got {}", seen()));
            if (!read_value(out.items.emplace_back(), depth + 1)) return false;
            skip_lines();
            wants_comma = !has(',');
            if (!wants_comma) ++at_;
        }
        ++at_;
        return true;
    }

    bool read_table(TomlValue& out, int depth) {
        out.kind = TomlValue::Kind::table;
        ++at_;
        bool wants_comma = false;
        while (true) {
            // TOML 1.1 allows several lines here; 1.0 does not, which is for the file's owner to say.
            skip_lines();
            if (has('}')) break;
            if (wants_comma) return refuse(fmt::format("expected \",\" or \"}}\", got {}", seen()));
            TomlPair& pair = out.pairs.emplace_back();
            if (!read_key(pair.key)) return false;
            if (!has('=')) return refuse(fmt::format("expected \"=\", got {}", seen()));
            ++at_;
            skip_spaces();
            if (!read_value(pair.value, depth + 1)) return false;
            skip_lines();
            wants_comma = !has(',');
            if (!wants_comma) ++at_;
        }
        ++at_;
        return true;
    }

    /// true, false, numbers, times.
    bool read_word(TomlValue& out) {
        constexpr std::string_view characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.:";
        const auto end_of_word = [&](std::size_t from) {
            return std::min(text_.find_first_not_of(characters, from), text_.size());
        };
        std::size_t end = end_of_word(at_);
        std::string_view word = text_.substr(at_, end - at_);
        // A time may stand behind its date, with a space between them.
        constexpr std::size_t date_size = 10;
        if (word.size() == date_size && word[4] == '-' && end + 1 < text_.size() && text_[end] == ' ' &&
            text_[end + 1] >= '0' && text_[end + 1] <= '9')
            end = end_of_word(end + 1);
        if (word == "true") out.kind = TomlValue::Kind::yes;
        if (word == "false") out.kind = TomlValue::Kind::no;
        const auto begins_number = [](std::string_view text) {
            if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
            return text == "inf" || text == "nan" || (!text.empty() && text[0] >= '0' && text[0] <= '9');
        };
        if (out.kind == TomlValue::Kind::other && !begins_number(word))
            return refuse(fmt::format("expected a value, got {}", seen()));
        at_ = end;
        return true;
    }

    bool read_string(std::string& out) {
        const std::size_t begin = at_;
        const char quote = text_[at_];
        const std::string three(3, quote);
        const bool has_lines = follows(three);
        at_ += has_lines ? 3 : 1;
        if (has_lines && follows("\r\n"))
            at_ += 2;
        else if (has_lines && has('\n'))
            ++at_;
        while (at_ < text_.size()) {
            if (has_lines && follows(three)) {
                at_ += 3;
                // Up to two quotes may stand before the closing ones.
                for (int more = 0; more < 2 && has(quote); ++more, ++at_) out += quote;
                return true;
            }
            const char c = text_[at_];
            if (!has_lines && c == quote) {
                ++at_;
                return true;
            }
            if (!has_lines && c == '\n') break;
            ++at_;
            if (c != '\\' || quote == '\'') {
                out += c;
            } else if (!read_escape(out, has_lines)) {
                return false;
            }
        }
        return refuse_at(begin, "a string that is never closed");
    }

    /// Behind the backslash.
    bool read_escape(std::string& out, bool has_lines) {
        const std::size_t rest = std::min(text_.find_first_not_of(" \t\r", at_), text_.size());
        if (has_lines && rest < text_.size() && text_[rest] == '\n') {
            at_ = std::min(text_.find_first_not_of(" \t\r\n", rest), text_.size());
            return true;
        }
        constexpr std::string_view names = "\"\\bfnrte", meanings = "\"\\\b\f\n\r\t\x1b";
        const char name = at_ < text_.size() ? text_[at_] : '\0';
        const int digits = name == 'u' ? 4 : name == 'U' ? 8 : name == 'x' ? 2 : 0;
        const std::size_t index = names.find(name);
        if (at_ == text_.size() || (digits == 0 && index == std::string_view::npos))
            return refuse("an unknown escape in a string");
        ++at_;
        if (digits == 0) {
            out += meanings[index];
            return true;
        }
        // Nothing we look for is written so; the text is kept as it is, which equals nothing of ours.
        const std::string_view code = text_.substr(at_, static_cast<std::size_t>(digits));
        if (code.size() < static_cast<std::size_t>(digits) ||
            code.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
            return refuse("an unknown escape in a string");
        if (const auto decoded = decode(code); decoded < 0x80)
            out += static_cast<char>(decoded);
        else
            out += fmt::format("\\u{}", code);
        at_ += static_cast<std::size_t>(digits);
        return true;
    }

    static unsigned long decode(std::string_view digits) { return std::stoul(std::string(digits), nullptr, 16); }

    std::string_view text_;
    std::size_t at_;
    std::string failure_;
};

}  // namespace

Result<std::vector<TomlStatement>> parse_toml(std::string_view text) { return Parser(text).parse(); }

}  // namespace persistproc::cli::agents
