#pragma once
/// JSON as editors keep their settings: with // and /* */ comments and commas after the last member. The result knows
/// where in the text each value stands, so that one of them can be changed and every other byte kept. Pure.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"

namespace persistproc::config {

struct JsonMember;

struct JsonNode {
    enum class Kind { object, array, string, number, yes, no, null };
    Kind kind = Kind::null;
    std::size_t begin = 0, end = 0;   // bytes [begin, end) of the text
    std::string text;                 // strings: decoded
    std::vector<JsonMember> members;  // objects, in order; names may be there twice
    std::vector<JsonNode> items;      // arrays
    // Objects: where the last thing before the closing brace ends, be it a value, a comma or a comment.
    std::size_t content_end = 0;
    bool ends_in_line_comment = false;  // nothing can follow it on its line

    const JsonMember* find(std::string_view name) const noexcept;  // the first of that name
    std::size_t count(std::string_view name) const noexcept;
};

struct JsonMember {
    std::string name;
    std::size_t begin = 0;  // of the name's opening quote
    JsonNode value;
    std::optional<std::size_t> comma;  // the one after it
};

struct JsonDocument {
    std::optional<JsonNode> root;  // nothing: white space and comments alone
};

/// A byte order mark before it is skipped. Errors: corrupt, one line that begins with the position.
Result<JsonDocument> parse_json(std::string_view text);

}  // namespace persistproc::config
