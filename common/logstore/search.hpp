#pragma once
/// Regular expressions over output.
#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.hpp"

namespace re2 {
class RE2;
}

namespace persistproc::logstore {

/// Whether `text` holds nothing that the cleaned form of a line leaves out: no control byte but newline and tab.
bool is_plain(std::string_view text) noexcept;

/// One RE2 expression, applied line by line: `^` and `$` are a line's ends and no match goes past one. Time is linear
/// in the text, memory bounded. Immutable; any thread.
class LinePattern {
public:
    /// Errors: invalid, one line that quotes the offending part.
    static Result<LinePattern> compile(std::string_view expression);
    LinePattern(LinePattern&&) noexcept;
    LinePattern& operator=(LinePattern&&) noexcept;
    ~LinePattern();

    /// Whether a line (without its '\n') matches once colour and control bytes are taken out.
    bool matches(std::string_view line) const;
    /// Whether any line of plain text could match. True is an invitation to look line by line; false is final.
    bool may_match_in(std::string_view plain_lines) const;

private:
    explicit LinePattern(std::unique_ptr<re2::RE2> expression, bool can_skip);
    std::unique_ptr<re2::RE2> expression_;
    bool can_skip_ = false;
};

}  // namespace persistproc::logstore
