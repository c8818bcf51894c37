#pragma once
/// TOML 1.0 as far as it takes to change one table and keep every other byte: statements and where they stand. What a
/// document means (keys defined twice, types of numbers) is left to its owner. Pure.
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"

namespace persistproc::cli::agents {

using TomlKey = std::vector<std::string>;  // the parts of a dotted key, without quotes

struct TomlPair;

struct TomlValue {
    enum class Kind { string, yes, no, array, table, other };
    Kind kind = Kind::other;
    std::size_t begin = 0, end = 0;  // bytes [begin, end) of the text
    std::string text;                // strings: decoded
    std::vector<TomlValue> items;    // arrays
    std::vector<TomlPair> pairs;     // inline tables
};

struct TomlPair {
    TomlKey key;
    TomlValue value;
};

struct TomlStatement {
    enum class Kind { header, array_header, pair };
    Kind kind = Kind::pair;
    TomlKey key;                                        // as written: relative to the header, for a pair
    TomlKey path;                                       // from the document's top
    TomlValue value;                                    // of a pair
    std::size_t begin = 0;                              // of the key or bracket
    std::size_t line_begin = 0, line_end = 0;           // its lines, with the newline
    std::size_t header = static_cast<std::size_t>(-1);  // of a pair: index of the statement it stands under

    bool is_header() const noexcept { return kind != Kind::pair; }
};

/// All statements in order. A byte order mark before them is skipped. Errors: corrupt, one line that begins with the
/// position.
Result<std::vector<TomlStatement>> parse_toml(std::string_view text);

}  // namespace persistproc::cli::agents
