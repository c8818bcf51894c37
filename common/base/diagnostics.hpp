#pragma once
/// The daemon's and the client's own messages: one line each to stderr, written with a single write(2).
#include <fmt/core.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace persistproc::base {

enum class Severity { error, warning, info, debug };

/// What is shown; info by default. Set once by `main`, before threads.
void set_verbosity(Severity most) noexcept;
/// The word before each message, e.g. "persistprocd". Set once by `main`.
void set_program_name(std::string_view name);

/// For a program that runs for months. From now on what is said again and again is collapsed (`Repeats`), and if stderr
/// is `file`, that is bounded: beyond `bytes` it becomes "<file>.1", in place of an older one, and a new one is begun.
/// Call it once.
void keep_log(std::filesystem::path file, std::uint64_t bytes);

/// "<program>: <text>\n"; control characters in `text` are shown escaped. Any thread. Never throws.
void report(Severity severity, std::string_view text) noexcept;

template <class... Args>
void report(Severity severity, fmt::format_string<Args...> text, Args&&... args) {
    report(severity, std::string_view(fmt::format(text, std::forward<Args>(args)...)));
}

}  // namespace persistproc::base
