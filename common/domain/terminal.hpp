#pragma once
/// What a program has as its standard input, and how large its terminal is.
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/result.hpp"
#include "common/schema/field.hpp"

namespace persistproc {
namespace domain {

enum class Input {
    none,  // /dev/null
    pipe,  // one that stays open and silent
    tty,   // a terminal, which is its output and error, too
};

/// What is said to whoever asks for the standard error of a program on a terminal.
inline constexpr const char* one_stream_of_terminal = "a terminal is one stream, which is recorded as standard output";

/// In characters. What is smaller or larger than this is refused: programs draw nothing of use there.
struct TerminalSize {
    static constexpr int least_columns = 10, most_columns = 500, least_rows = 2, most_rows = 300;

    int columns = 120, rows = 40;
    friend bool operator==(const TerminalSize&, const TerminalSize&) = default;
};

/// "120x40".
std::string to_string(TerminalSize size);
/// Pure. Errors: invalid, with what is accepted.
Result<TerminalSize> parse_terminal_size(std::string_view text);

/// A size as its text.
extern const schema::Form<std::optional<TerminalSize>> terminal_size_form;

}  // namespace domain

namespace schema {
template <>
struct EnumNames<domain::Input> {
    using E = domain::Input;
    static constexpr std::pair<E, std::string_view> names[] = {{E::none, "none"}, {E::pipe, "pipe"}, {E::tty, "tty"}};
};
}  // namespace schema
}  // namespace persistproc
