#pragma once
/// What a person's terminal would send for keys and text, as a program with these modes takes it. Pure.
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "common/terminal/modes.hpp"

namespace persistproc::terminal {

/// "enter", "tab", "escape", "space", "backspace", "delete", "insert", "up", "down", "left", "right", "home", "end",
/// "page-up", "page-down", "f1" to "f12", or one character; in front of it "ctrl-", "alt-" and "shift-" where a
/// terminal has such a key. Never the encodings of newer keyboard protocols, which programs take beside these. Errors:
/// invalid (no such key, with the nearest one).
Result<std::string> bytes_of_key(std::string_view name, const Modes& modes);

/// For a program that reads a pipe: "enter" alone. Errors: invalid.
Result<std::string> bytes_of_key_for_pipe(std::string_view name);

/// Text as it is typed: what ends a line there is Enter.
std::string typed(std::string_view text);

/// Text as it is pasted: framed where the program has asked for that, and without any byte that could end the frame or
/// begin a sequence: every ESC and C1 is left out; what is no UTF-8 becomes U+FFFD.
std::string pasted(std::string_view text, const Modes& modes);

}  // namespace persistproc::terminal
