#include "common/watch/glob.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "common/base/text.hpp"

namespace persistproc::watch {

namespace {

constexpr std::size_t longest = 4096;
constexpr std::size_t most_alternatives = 64;
constexpr std::string_view any_depth = "**";

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> out;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find('/', begin), text.size());
        const std::string_view segment = text.substr(begin, end - begin);
        if (!segment.empty() && segment != ".") out.emplace_back(segment);
        begin = end + 1;
    }
    return out;
}

/// "a{b,c}d" to "abd" and "acd". False: there are too many.
bool expand_braces(const std::string& text, std::vector<std::string>& into) {
    const std::size_t open = text.find('{');
    std::size_t close = std::string::npos;
    std::vector<std::size_t> commas;
    int depth = 0;
    for (std::size_t i = open; i < text.size() && close == std::string::npos; ++i) {
        if (text[i] == '{') ++depth;
        if (text[i] == ',' && depth == 1) commas.push_back(i);
        if (text[i] == '}' && --depth == 0) close = i;
    }
    // Without a comma, or without its end, a brace is a character like any other.
    if (close == std::string::npos || commas.empty()) {
        into.push_back(text);
        return into.size() <= most_alternatives;
    }
    commas.push_back(close);
    std::size_t begin = open + 1;
    for (const std::size_t end : commas) {
        const std::string one = text.substr(0, open) + text.substr(begin, end - begin) + text.substr(close + 1);
        if (!expand_braces(one, into)) return false;
        begin = end + 1;
    }
    return true;
}

/// Where in the pattern one may be after each segment of a path.
class Positions {
public:
    explicit Positions(const std::vector<std::string>& pattern) : pattern_(pattern), at_(pattern.size() + 1, false) {
        reach(at_, 0);
    }
    void step(const std::string& segment) {
        std::vector<bool> next(at_.size(), false);
        for (std::size_t i = 0; i < pattern_.size(); ++i) {
            if (!at_[i]) continue;
            if (pattern_[i] == any_depth) {
                next[i] = true;
                if (i + 1 == pattern_.size())
                    next[i + 1] = true;
                else
                    reach(next, i);
            } else if (fnmatch(pattern_[i].c_str(), segment.c_str(), 0) == 0) {
                reach(next, i + 1);
            }
        }
        at_ = std::move(next);
    }
    bool is_at_end() const noexcept { return at_.back(); }
    bool may_go_on() const noexcept { return std::find(at_.begin(), at_.end() - 1, true) != at_.end() - 1; }

private:
    /// Also behind each "**" that matches nothing; one at the end matches something.
    void reach(std::vector<bool>& into, std::size_t position) const {
        into[position] = true;
        while (position + 1 < pattern_.size() && pattern_[position] == any_depth) into[++position] = true;
    }

    const std::vector<std::string>& pattern_;
    std::vector<bool> at_;
};

Positions follow(const std::vector<std::string>& pattern, std::string_view path) {
    Positions out(pattern);
    for (const auto& segment : split(path)) out.step(segment);
    return out;
}

}  // namespace

bool match_segments(const std::vector<std::string>& pattern, std::string_view path) {
    return follow(pattern, path).is_at_end();
}

Result<Glob> Glob::parse(std::string_view text) {
    const auto refuse = [&text](std::string_view why) {
        return Error{ErrorCode::invalid, fmt::format("{}: {}", base::quote(base::shortened(std::string(text))), why)};
    };
    if (text.empty() || text.size() > longest) return refuse("a pattern has 1 to 4096 bytes");
    if (text.find('\0') != std::string_view::npos) return refuse("a pattern holds no NUL byte");
    if (text.front() == '/') return refuse("a pattern is relative");
    Glob out;
    out.text_ = text;
    std::vector<std::string> plain;
    if (!expand_braces(out.text_, plain)) return refuse("more than 64 alternatives");
    for (const auto& each : plain) {
        auto segments = split(each);
        if (segments.empty()) return refuse("names nothing");
        if (std::find(segments.begin(), segments.end(), "..") != segments.end())
            return refuse("a pattern leads nowhere above its directory");
        const bool is_name = each.find('/') == std::string::npos;
        if (is_name) segments.insert(segments.begin(), std::string(any_depth));
        out.alternatives_.push_back(std::move(segments));
    }
    return out;
}

bool Glob::matches(std::string_view path) const {
    return std::any_of(alternatives_.begin(), alternatives_.end(),
                       [path](const auto& each) { return match_segments(each, path); });
}

bool Glob::may_match_below(std::string_view directory) const {
    return std::any_of(alternatives_.begin(), alternatives_.end(),
                       [directory](const auto& each) { return follow(each, directory).may_go_on(); });
}

}  // namespace persistproc::watch
