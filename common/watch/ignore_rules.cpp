#include "common/watch/ignore_rules.hpp"

#include "common/watch/glob.hpp"

namespace persistproc::watch {

namespace {

/// Blanks at the end count where they are escaped alone.
std::string_view trimmed(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    while (line.ends_with(' ') && !line.ends_with("\\ ")) line.remove_suffix(1);
    return line;
}

std::vector<std::string> segments_of(std::string_view text) {
    std::vector<std::string> out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('/'), text.size());
        if (end > 0) out.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

}  // namespace

void IgnoreRules::add(std::string_view directory, std::string_view text) {
    if (directory == "/") directory = {};
    std::size_t count = 0;
    while (!text.empty() && count < most_rules) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.front() == '#' || line.size() > 4096) continue;
        Rule rule;
        rule.directory = directory;
        if (line.front() == '!') {
            rule.is_negated = true;
            line.remove_prefix(1);
        }
        if (line.starts_with("\\!") || line.starts_with("\\#")) line.remove_prefix(1);
        if (line.ends_with('/')) {
            rule.directories_alone = true;
            line.remove_suffix(1);
        }
        const bool is_anchored = line.find('/') != std::string_view::npos;
        rule.segments = segments_of(line);
        if (rule.segments.empty()) continue;
        if (!is_anchored) rule.segments.insert(rule.segments.begin(), "**");
        rules_.push_back(std::move(rule));
        ++count;
    }
}

bool IgnoreRules::excludes(std::string_view path, bool is_directory) const {
    for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
        if (rule->directories_alone && !is_directory) continue;
        const std::size_t length = rule->directory.size();
        if (path.size() <= length + 1 || !path.starts_with(rule->directory) || path[length] != '/') continue;
        if (match_segments(rule->segments, path.substr(length + 1))) return !rule->is_negated;
    }
    return false;
}

}  // namespace persistproc::watch
