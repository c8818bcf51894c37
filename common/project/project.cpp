#include "common/project/project.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "common/project/foreign.hpp"

namespace persistproc::project {

namespace {

bool is_alphanumeric(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_name(std::string_view name, std::string_view others) noexcept {
    return !name.empty() && name.size() <= 63 && is_alphanumeric(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [&](char c) { return is_alphanumeric(c) || others.find(c) != std::string_view::npos; });
}

std::string_view last_name(std::string_view path) noexcept {
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    return path.substr(path.rfind('/') + 1);
}

/// A directory may have any name, a label not.
std::string cleaned(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, 63))
        out += is_alphanumeric(c) || c == '_' || c == '.' || (c == '-' && !out.empty()) ? c : '-';
    return out.empty() || !is_alphanumeric(out.front()) ? "project" + out : out;
}

}  // namespace

const Process* Project::find(std::string_view process) const noexcept {
    const auto found = std::find_if(processes.begin(), processes.end(),
                                    [process](const Process& each) { return each.name == process; });
    return found == processes.end() ? nullptr : &*found;
}

const Process* Project::find_typed(std::string_view word) const noexcept {
    if (const Process* const found = find(word); found != nullptr || word.empty()) return found;
    const auto found = std::find_if(processes.begin(), processes.end(), [this, word](const Process& each) {
        return script_name(file, each.definition.command) == word;
    });
    return found == processes.end() ? nullptr : &*found;
}

bool is_made_label(std::string_view label, std::string_view project, std::string_view process) {
    if (!label.starts_with(project) || label.substr(project.size(), 1) != "/") return false;
    label.remove_prefix(project.size() + 1);
    if (!label.starts_with(process)) return false;
    label.remove_prefix(process.size());
    return label.empty() || (label.size() > 1 && label.front() == '~' &&
                             label.find_first_not_of("0123456789", 1) == std::string_view::npos);
}

Result<void> check_process_name(std::string_view name) {
    const auto refuse = [name](std::string_view why) {
        return Error{ErrorCode::invalid, fmt::format("{}: {}", base::quote(base::shortened(name)), why)};
    };
    if (!is_name(name, "_.-"))
        return refuse("a name is letters, digits, \"_\", \".\" and \"-\", the first a letter or digit, at most 63");
    if (std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; }))
        return refuse("a number would be taken for a PID");
    if (domain::find_process_id(name)) return refuse("has the form of a process's id");
    if (domain::has_form_of_run(name)) return refuse("has the form of a run");
    if (name == "all") return refuse("means every process");
    if (name == "env" || name == "project") return refuse(fmt::format("${{{}.…}} means something else", name));
    return {};
}

std::string default_name(std::string_view directory, std::string_view git_file) {
    const std::string own = cleaned(last_name(directory));
    // "gitdir: /home/me/shop/.git/worktrees/fix"
    constexpr std::string_view before = "gitdir: ", between = "/.git/worktrees/";
    const std::string_view line = git_file.substr(0, git_file.find_first_of("\r\n"));
    const std::size_t at = line.find(between);
    if (!line.starts_with(before) || at == std::string_view::npos || at <= before.size()) return own;
    return cleaned(last_name(line.substr(before.size(), at - before.size()))) + "@" + own;
}

}  // namespace persistproc::project
