#include "common/config/json_document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/text.hpp"
#include "common/config/position.hpp"

namespace persistproc::config {

namespace {

constexpr int max_depth = 256;

void append_utf8(std::string& out, std::uint32_t code) {
    const auto byte = [&out](std::uint32_t value) { out += static_cast<char>(value); };
    if (code < 0x80) {
        byte(code);
    } else if (code < 0x800) {
        byte(0xc0 | code >> 6);
        byte(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        byte(0xe0 | code >> 12);
        byte(0x80 | (code >> 6 & 0x3f));
        byte(0x80 | (code & 0x3f));
    } else {
        byte(0xf0 | code >> 18);
        byte(0x80 | (code >> 12 & 0x3f));
        byte(0x80 | (code >> 6 & 0x3f));
        byte(0x80 | (code & 0x3f));
    }
}

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text), at_(mark_size(text)) {}

    Result<JsonDocument> parse() {
        JsonDocument out;
        if (!skip()) return error();
        if (at_ == text_.size()) return out;
        out.root.emplace();
        if (!value(*out.root, 0) || !skip()) return error();
        if (at_ != text_.size()) {
            refuse("something follows the end of the document");
            return error();
        }
        return out;
    }

private:
    bool refuse(std::string_view why) { return refuse_at(at_, why); }
    bool refuse_at(std::size_t where, std::string_view why) {
        failure_ = fmt::format("{}: {}", position_text(text_, where), why);
        return false;
    }
    Error error() const { return Error{ErrorCode::corrupt, failure_}; }

    bool has(char c) const noexcept { return at_ < text_.size() && text_[at_] == c; }
    std::string seen() const {
        if (at_ == text_.size()) return "the end of the file";
        return fmt::format("\"{}\"", base::escape_line(text_.substr(at_, 1)));
    }

    /// White space and comments. `content_end_` moves past comments.
    bool skip() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
                ++at_;
            } else if (text_.substr(at_).starts_with("//")) {
                const std::size_t newline = text_.find('\n', at_);
                at_ = newline == std::string_view::npos ? text_.size() : newline;
                content_end_ = at_ > 0 && text_[at_ - 1] == '\r' ? at_ - 1 : at_;
                in_line_comment_ = true;
            } else if (text_.substr(at_).starts_with("/*")) {
                const std::size_t close = text_.find("*/", at_ + 2);
                if (close == std::string_view::npos) return refuse("a comment that is never closed");
                at_ = close + 2;
                mark_content();
            } else {
                break;
            }
        }
        return true;
    }
    void mark_content() {
        content_end_ = at_;
        in_line_comment_ = false;
    }

    bool value(JsonNode& node, int depth) {
        if (depth > max_depth) return refuse("nested too deeply");
        node.begin = at_;
        bool read = false;
        if (has('{')) {
            read = object(node, depth);
        } else if (has('[')) {
            read = array(node, depth);
        } else if (has('"')) {
            node.kind = JsonNode::Kind::string;
            read = string(node.text);
        } else {
            read = word(node);
        }
        if (!read) return false;
        node.end = at_;
        mark_content();
        return true;
    }

    bool object(JsonNode& node, int depth) {
        node.kind = JsonNode::Kind::object;
        ++at_;
        mark_content();
        while (true) {
            if (!skip()) return false;
            if (has('}')) break;
            if (!node.members.empty() && !node.members.back().comma)
                return refuse(fmt::format("expected \",\" or \"}}\", got {}", seen()));
            if (!has('"')) return refuse(fmt::format("expected a name in double quotes, got {}", seen()));
            JsonMember& member = node.members.emplace_back();
            member.begin = at_;
            if (!string(member.name) || !skip()) return false;
            if (!has(':')) return refuse(fmt::format("expected \":\", got {}", seen()));
            ++at_;
            if (!skip() || !value(member.value, depth + 1) || !skip()) return false;
            if (!has(',')) continue;
            member.comma = at_++;
            mark_content();
        }
        node.content_end = content_end_;
        node.ends_in_line_comment = in_line_comment_;
        ++at_;
        return true;
    }

    bool array(JsonNode& node, int depth) {
        node.kind = JsonNode::Kind::array;
        ++at_;
        bool wants_comma = false;
        while (true) {
            if (!skip()) return false;
            if (has(']')) break;
            if (wants_comma) return refuse(fmt::format("expected \",\" or \"]\", got {}", seen()));
            if (!value(node.items.emplace_back(), depth + 1) || !skip()) return false;
            wants_comma = !has(',');
            if (!wants_comma) ++at_;
        }
        ++at_;
        return true;
    }

    bool word(JsonNode& node) {
        constexpr std::pair<std::string_view, JsonNode::Kind> words[] = {
            {"true", JsonNode::Kind::yes}, {"false", JsonNode::Kind::no}, {"null", JsonNode::Kind::null}};
        const std::size_t end = std::min(text_.find_first_of(" \t\r\n,:{}[]\"/", at_), text_.size());
        const std::string_view found = text_.substr(at_, end - at_);
        for (const auto& [name, kind] : words) {
            if (found != name) continue;
            node.kind = kind;
            at_ = end;
            return true;
        }
        if (!is_number(found)) return refuse(fmt::format("expected a value, got {}", seen()));
        node.kind = JsonNode::Kind::number;
        at_ = end;
        return true;
    }

    static bool is_number(std::string_view text) noexcept {
        const auto take_digits = [&text] {
            const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
            text.remove_prefix(count);
            return count > 0;
        };
        if (text.starts_with('-')) text.remove_prefix(1);
        if (text.starts_with('0'))
            text.remove_prefix(1);
        else if (!take_digits())
            return false;
        if (text.starts_with('.')) {
            text.remove_prefix(1);
            if (!take_digits()) return false;
        }
        if (text.starts_with('e') || text.starts_with('E')) {
            text.remove_prefix(1);
            if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
            if (!take_digits()) return false;
        }
        return text.empty();
    }

    std::optional<std::uint32_t> hexadecimal() {
        std::uint32_t code = 0;
        for (int i = 0; i < 4; ++i, ++at_) {
            const char c = at_ < text_.size() ? text_[at_] : '\0';
            const std::string_view digits = "0123456789abcdef";
            const std::size_t digit = digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + ('a' - 'A')) : c);
            if (digit == std::string_view::npos) return std::nullopt;
            code = code << 4 | static_cast<std::uint32_t>(digit);
        }
        return code;
    }

    bool string(std::string& out) {
        const std::size_t begin = at_++;
        while (at_ < text_.size() && text_[at_] != '"') {
            const char c = text_[at_];
            if (c == '\n') break;
            ++at_;
            if (c != '\\') {
                out += c;
                continue;
            }
            const char escape = at_ < text_.size() ? text_[at_] : '\0';
            constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
            if (escape == 'u') {
                ++at_;
                auto code = hexadecimal();
                if (code && *code >= 0xd800 && *code < 0xdc00 && text_.substr(at_).starts_with("\\u")) {
                    at_ += 2;
                    const auto low = hexadecimal();
                    if (low && *low >= 0xdc00 && *low < 0xe000)
                        code = 0x10000 + ((*code - 0xd800) << 10) + (*low - 0xdc00);
                    else if (low)
                        append_utf8(out, *std::exchange(code, low));
                    else
                        code.reset();
                }
                if (!code) return refuse("\"\\u\" stands before four hexadecimal digits");
                append_utf8(out, *code);
            } else if (const std::size_t index = names.find(escape);
                       at_ < text_.size() && index != std::string_view::npos) {
                out += meanings[index];
                ++at_;
            } else {
                return refuse("an unknown escape in a string");
            }
        }
        if (!has('"')) return refuse_at(begin, "a string that is never closed");
        ++at_;
        return true;
    }

    std::string_view text_;
    std::size_t at_;
    std::size_t content_end_ = 0;
    bool in_line_comment_ = false;
    std::string failure_;
};

}  // namespace

const JsonMember* JsonNode::find(std::string_view name) const noexcept {
    for (const JsonMember& member : members)
        if (member.name == name) return &member;
    return nullptr;
}

std::size_t JsonNode::count(std::string_view name) const noexcept {
    return static_cast<std::size_t>(
        std::count_if(members.begin(), members.end(), [name](const JsonMember& each) { return each.name == name; }));
}

Result<JsonDocument> parse_json(std::string_view text) { return Parser(text).parse(); }

}  // namespace persistproc::config
