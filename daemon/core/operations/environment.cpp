#include "daemon/core/operations/environment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace persistproc::core {

namespace {

constexpr std::string_view unbuffered = "PYTHONUNBUFFERED";

/// Variables that belong to the daemon's own supervision, not to the programs it runs.
bool is_private_variable(std::string_view entry) {
    for (const std::string_view name : {"NOTIFY_SOCKET=", "INVOCATION_ID=", "JOURNAL_STREAM="})
        if (entry.starts_with(name)) return true;
    return entry.starts_with("PERSISTPROC_") || entry.starts_with("LISTEN_") || entry.starts_with("_PP_RUN_MARK=");
}

}  // namespace

std::vector<rundir::ResourceLimit> limits_of(const std::vector<std::vector<std::int64_t>>& asked) {
    std::vector<rundir::ResourceLimit> out;
    const auto bytes = [](std::int64_t n) { return n < 0 ? ~std::uint64_t{0} : static_cast<std::uint64_t>(n); };
    for (const auto& limit : asked)
        if (limit.size() == 3) out.push_back({static_cast<int>(limit[0]), bytes(limit[1]), bytes(limit[2])});
    return out;
}

std::vector<std::string> compose_environment(const std::vector<std::string>& base, const Environment& changes) {
    std::vector<std::string> out;
    bool says_buffering = false;
    for (const auto& entry : base) {
        const std::size_t equals = entry.find('=');
        if (equals == std::string::npos || equals == 0 || is_private_variable(entry)) continue;
        if (entry.find('\0') != std::string::npos) continue;
        if (changes.contains(entry.substr(0, equals))) continue;
        says_buffering = says_buffering || std::string_view(entry).substr(0, equals) == unbuffered;
        out.push_back(entry);
    }
    for (const auto& [name, value] : changes) {
        says_buffering = says_buffering || name == unbuffered;
        out.push_back(name + "=" + value);
    }
    if (!says_buffering) out.push_back(fmt::format("{}=1", unbuffered));
    return out;
}

std::vector<std::string> with_own_variables(std::vector<std::string> entries, const std::vector<std::string>& own,
                                            const std::vector<std::string>& kept) {
    for (const auto& entry : own) {
        const std::string name = entry.substr(0, entry.find('='));
        if (std::find(kept.begin(), kept.end(), name) != kept.end()) continue;
        std::erase_if(entries, [&](const std::string& each) { return each.starts_with(name + "="); });
        entries.push_back(entry);
    }
    return entries;
}

std::vector<std::string> on_terminal(std::vector<std::string> entries, const std::vector<std::string>& kept) {
    // Of the terminal of whoever starts it: what they say of its size would be believed before the terminal is asked.
    for (const char* const name : {"TERM", "LINES", "COLUMNS", "TMUX", "TMUX_PANE", "STY"}) {
        if (std::find(kept.begin(), kept.end(), name) != kept.end()) continue;
        std::erase_if(entries, [&](const std::string& each) { return each.starts_with(fmt::format("{}=", name)); });
    }
    if (std::find(kept.begin(), kept.end(), "TERM") == kept.end()) entries.emplace_back("TERM=xterm-256color");
    return entries;
}

Environment pick_variables(const std::vector<std::string>& entries, const std::vector<std::string>& names) {
    Environment out;
    for (const auto& entry : entries) {
        const std::string name = entry.substr(0, entry.find('='));
        if (std::find(names.begin(), names.end(), name) != names.end()) out[name] = entry.substr(name.size() + 1);
    }
    return out;
}

std::vector<std::string> names_that_differ(const std::vector<std::string>& entries, const Environment& asked) {
    std::vector<std::string> out;
    for (const auto& [name, value] : asked)
        if (std::find(entries.begin(), entries.end(), name + "=" + value) == entries.end()) out.push_back(name);
    return out;
}

}  // namespace persistproc::core
