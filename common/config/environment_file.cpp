// No error repeats what stands in the file: it may be a secret.
#include "common/config/environment_file.hpp"

#include <fmt/format.h>

#include "common/base/text.hpp"

namespace persistproc::config {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

class Reader {
public:
    Reader(std::string_view text, std::string_view name) : text_(text), name_(name) {
        constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
        if (text_.starts_with(byte_order_mark)) text_.remove_prefix(byte_order_mark.size());
    }

    Result<domain::Environment> read() {
        domain::Environment out;
        while (at_ < text_.size()) {
            skip_blanks();
            if (at_line_end() || text_[at_] == '#') {
                next_line();
                continue;
            }
            auto key = read_name();
            if (!key) return key.error();
            auto value = read_value();
            if (!value) return value.error();
            if (value->find('\0') != std::string::npos)
                return refuse(at_, fmt::format("the value of {} holds a NUL byte", *key));
            out[std::move(*key)] = std::move(*value);
            next_line();
        }
        return out;
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
        const std::size_t begin = at_;
        std::size_t end = at_;
        while (!at_line_end()) {
            const bool is_comment = text_[at_] == '#' && is_blank(text_[at_ - 1]);
            if (is_comment) break;
            if (!is_blank(text_[at_])) end = at_ + 1;
            ++at_;
        }
        return std::string(text_.substr(begin, end - begin));
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
    std::size_t at_ = 0;
};

}  // namespace

Result<domain::Environment> parse_environment_file(std::string_view text, std::string_view name) {
    return Reader(text, name).read();
}

}  // namespace persistproc::config
