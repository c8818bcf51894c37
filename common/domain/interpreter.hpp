#pragma once
#include <string_view>

namespace persistproc::domain {

/// What usually runs a file of that name: "python3" for one that ends in .py. Empty: nothing is known. Pure.
std::string_view usual_interpreter(std::string_view file) noexcept;

/// Whether a shell runs such a file as well, where its first line names nothing else: it is the usual one, or what runs
/// it reads no text.
bool may_be_shell_script(std::string_view file) noexcept;

}  // namespace persistproc::domain
