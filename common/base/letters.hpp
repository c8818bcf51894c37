#pragma once
/// Letters of ASCII, whatever the locale says.
#include <string>
#include <string_view>

namespace persistproc::base {

/// "web" of "Web". Other bytes stay as they are.
inline std::string small_letters(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
}

}  // namespace persistproc::base
