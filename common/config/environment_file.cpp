// No error repeats what stands in the file: it may be a secret.
#include "common/config/environment_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"

namespace persistproc::config {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

class Reader {
public:
    Reader(std::string_view text, std::string_view name, const VariableLookup& outer,
           const std::function<bool()>& is_over)
        : text_(text), name_(name), outer_(outer), is_over_(is_over) {
        constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
        if (text_.starts_with(byte_order_mark)) text_.remove_prefix(byte_order_mark.size());
    }

    Result<domain::Environment> read() {
        while (at_ < text_.size()) {
            skip_blanks();
            if (at_line_end() || text_[at_] == '#') {
                next_line();
                continue;
            }
            auto key = read_name();
            if (!key) return key.error();
            auto value = read_value();
            if (was_over_) return Error{ErrorCode::unavailable, "nobody asks for it any more"};
            if (!value) return value.error();
            if (value->find('\0') != std::string::npos)
                return refuse(at_, fmt::format("the value of {} holds a NUL byte", *key));
            bytes_ += value->size();
            if (bytes_ > max_environment_file_bytes)
                return refuse(
                    at_, fmt::format("what stands there comes to more than {} MiB", max_environment_file_bytes >> 20));
            read_[std::move(*key)] = std::move(*value);
            next_line();
        }
        return std::move(read_);
    }

private:
    Error refuse(std::size_t at, std::string_view what) const {
        const auto before = text_.substr(0, at);
        std::size_t line = 1;
        for (const char c : before) line += c == '\n' ? 1 : 0;
        const std::size_t begin = before.rfind('\n');
        const std::size_t column = at - (begin == std::string_view::npos ? 0 : begin + 1) + 1;
        return Error{ErrorCode::invalid, fmt::format("{}:{}:{}: {}", base::escape_line(name_), line, column, what)};
    }

    bool at_line_end() const {
        return at_ == text_.size() || text_[at_] == '\n' ||
               (text_[at_] == '\r' && (at_ + 1 == text_.size() || text_[at_ + 1] == '\n'));
    }
    void skip_blanks() {
        while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    }
    void next_line() {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
        ++at_;
    }

    Result<std::string> read_name() {
        std::size_t begin = at_;
        const auto word = [&] {
            begin = at_;
            while (!at_line_end() && !is_blank(text_[at_]) && text_[at_] != '=') ++at_;
            return text_.substr(begin, at_ - begin);
        };
        std::string_view key = word();
        if (key == "export" && at_ < text_.size() && is_blank(text_[at_])) {
            skip_blanks();
            key = word();
        }
        if (!domain::is_variable_name(key))
            return refuse(begin, fmt::format("not a variable's name, which is {}; KEY=VALUE is expected",
                                             domain::variable_name_rule));
        skip_blanks();
        if (at_ == text_.size() || text_[at_] != '=')
            return refuse(at_, "\"=\" is expected behind the name of a variable");
        ++at_;
        return std::string(key);
    }

    Result<std::string> read_value() {
        skip_blanks();
        if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) return read_quoted();
        std::string value;
        std::size_t end = 0;  // of what is no blank
        while (!at_line_end()) {
            const bool is_comment = text_[at_] == '#' && is_blank(text_[at_ - 1]);
            if (is_comment) break;
            const bool is_gap = is_blank(text_[at_]);
            if (!take_expansion(value)) value += text_[at_++];
            if (!is_gap) end = value.size();
        }
        value.resize(end);
        return value;
    }

    /// What `${X}` stands for, if that is here and is to be expanded.
    bool take_expansion(std::string& into) {
        if (!outer_ || !text_.substr(at_).starts_with("${")) return false;
        const std::size_t begin = at_ + 2;
        // One look serves all that stand before it, and a name none that stands behind the next "${": a file takes the
        // time of its size.
        if (close_ < begin) close_ = std::min(text_.find_first_of("}\n", begin), text_.size());
        if (close_ == text_.size() || text_[close_] == '\n') return false;
        const std::string_view within = text_.substr(begin, close_ - begin);
        const std::string name(within.substr(0, within.find_first_of(":$")));
        const std::string_view behind = within.substr(name.size());
        const bool has_default = behind.starts_with(":-");
        if (!domain::is_variable_name(name) || (!has_default && !behind.empty())) return false;
        at_ = close_ + 1;
        // What is too much is refused once it is read.
        if (into.size() > max_environment_file_bytes) return true;
        if (is_over_ && is_over_()) {
            was_over_ = true;
            at_ = text_.size();
            return true;
        }
        const auto earlier = read_.find(name);
        const auto outer = earlier == read_.end() ? outer_(name) : std::nullopt;
        const std::string_view value = earlier != read_.end() ? earlier->second : outer ? *outer : std::string_view();
        into += has_default && value.empty() ? behind.substr(2) : value;
        return true;
    }

    /// What it stands for in double quotes; 0: the backslash stays.
    static char escaped(char c) {
        switch (c) {
            case 'n': return '\n';
            case 't': return '\t';
            case 'r': return '\r';
            case '\\':
            case '"':
            case '$': return c;
            default: return 0;
        }
    }

    Result<std::string> read_quoted() {
        const std::size_t begin = at_;
        const char quote = text_[at_++];
        std::string value;
        while (at_ < text_.size() && text_[at_] != quote) {
            if (quote == '"' && take_expansion(value)) continue;
            const char next =
                quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size() ? escaped(text_[at_ + 1]) : '\0';
            value += next != 0 ? next : text_[at_];
            at_ += next != 0 ? 2 : 1;
        }
        if (at_ == text_.size()) return refuse(begin, "a quote that is never closed");
        ++at_;
        skip_blanks();
        if (!at_line_end() && text_[at_] != '#') return refuse(at_, "behind a quoted value only a comment may follow");
        return value;
    }

    std::string_view text_, name_;
    const VariableLookup& outer_;
    const std::function<bool()>& is_over_;
    bool was_over_ = false;
    std::size_t at_ = 0;
    std::size_t close_ = 0;  // the first "}" or end of a line behind where it was looked for
    std::size_t bytes_ = 0;  // of values
    domain::Environment read_;
};

}  // namespace

Result<domain::Environment> parse_environment_file(std::string_view text, std::string_view name,
                                                   const VariableLookup& outer, const std::function<bool()>& is_over) {
    return Reader(text, name, outer, is_over).read();
}

}  // namespace persistproc::config
