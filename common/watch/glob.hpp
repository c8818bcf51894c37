#pragma once
/// Patterns of paths, as people write them for watches and in .gitignore. Pure.
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"

namespace persistproc::watch {

/// "src/**/*.js": segments between slashes, each as fnmatch(3) has it ("*", "?", "[a-z]"), "**" for any number of
/// them, and "{a,b}" for either. A pattern without a slash matches the last segment, wherever that is.
class Glob {
public:
    /// Errors: invalid (empty, absolute, "..", more than 4096 bytes, more than 64 alternatives).
    static Result<Glob> parse(std::string_view text);

    /// `path`: relative, without "." and "..", no slash at its end.
    bool matches(std::string_view path) const;
    /// Whether something below this directory may match.
    bool may_match_below(std::string_view directory) const;

    const std::string& text() const noexcept { return text_; }

private:
    std::string text_;
    std::vector<std::vector<std::string>> alternatives_;  // segments of each
};

/// Whether these segments match the path, by the rules of Glob; "**" at the end matches what is below alone.
bool match_segments(const std::vector<std::string>& pattern, std::string_view path);

}  // namespace persistproc::watch
