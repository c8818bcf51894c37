#include "common/project/project_files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "common/base/file.hpp"
#include "common/base/text.hpp"
#include "common/project/foreign.hpp"
#include "common/project/load.hpp"
#include "common/project/parts.hpp"
#include "common/project/project.hpp"

namespace persistproc::project {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t longest_git_file = 8192;
constexpr std::string_view own_name = "persistproc.toml", weakest_name = "package.json";

std::optional<dev_t> device_of(const std::string& path) {
    struct stat facts {};
    return ::stat(path.c_str(), &facts) == 0 ? std::optional(facts.st_dev) : std::nullopt;
}

/// From `directory` upwards, as far as a project's file is looked for.
std::vector<std::string> directories_above(std::string directory, const std::string& home) {
    std::vector<std::string> out;
    const auto device = device_of(directory);
    while (device_of(directory) == device) {
        out.push_back(directory);
        if (directory == "/" || directory == home || is_there(joined_path(directory, ".git"))) break;
        directory = directory_of(directory);
    }
    return out;
}

std::string repository_of(const std::string& file) {
    const std::string root = project_directory(file);
    for (std::string each = root; each != "/"; each = directory_of(each))
        if (is_there(joined_path(each, ".git"))) return each;
    return root;
}

enum class Tier { own, foreign, weakest };

Tier tier_of(std::string_view name) {
    return name == own_name ? Tier::own : name == weakest_name ? Tier::weakest : Tier::foreign;
}

/// The first line of what git writes into such files, behind `before`.
std::optional<std::string> read_git_line(const std::string& path, std::string_view before) {
    const auto text = base::read_trusted_file(path, longest_git_file);
    if (!text || !text->starts_with(before)) return std::nullopt;
    return text->substr(before.size(), text->find_first_of("\r\n") - before.size());
}

std::optional<std::string> canonical(const std::string& path) {
    std::error_code failed;
    auto out = fs::canonical(path, failed);
    return failed ? std::nullopt : std::optional(out.native());
}

}  // namespace

Result<FoundFile> find_project_file(const std::string& directory, const std::string& home) {
    const auto start = canonical(directory);
    if (!start) return Error{ErrorCode::not_found, fmt::format("{}: no such directory", base::escape_line(directory))};
    const auto above = directories_above(*start, canonical(home).value_or(home));
    FoundFile out;
    for (const Tier tier : {Tier::own, Tier::foreign, Tier::weakest})
        for (const auto& each : above) {
            for (const auto name : known_files) {
                if (tier_of(name) != tier) continue;
                const std::string path = joined_path(each, std::string(name));
                const auto opened = base::open_trusted_file(path);
                if (!opened) {
                    const int error = opened.error().os_error;
                    if (error != ENOENT && error != ENOTDIR) out.passed_over.push_back(opened.error().message);
                } else if (out.file.empty()) {
                    out.file = path;
                } else {
                    out.others.push_back(path);
                }
            }
            if (out.file.empty()) continue;
            out.repository = repository_of(out.file);
            return out;
        }
    if (!out.passed_over.empty())
        return Error{ErrorCode::denied, "no project's file that may be believed: " + out.passed_over.front()};
    return Error{ErrorCode::not_found,
                 fmt::format("no persistproc.toml in {}{}, and no file of another tool that is read in its place; "
                             "persistproc init writes one",
                             base::escape_line(*start),
                             above.size() == 1 ? "" : fmt::format(" up to {}", base::escape_line(above.back())))};
}

Result<FoundFile> take_project_file(const std::string& path) {
    const auto opened = base::open_trusted_file(path);
    if (!opened) return opened.error();
    const auto directory = canonical(directory_of(path));
    if (!directory) return Error{ErrorCode::not_found, fmt::format("{}: no such file", base::escape_line(path))};
    FoundFile out;
    out.file = joined_path(*directory, fs::path(path).filename().native());
    out.repository = repository_of(out.file);
    return out;
}

Result<FoundFile> find_foreign_file(const std::string& directory) {
    for (const auto name : known_files) {
        const std::string path = joined_path(directory, std::string(name));
        if (name != own_name && is_there(path)) return take_project_file(path);
    }
    return Error{ErrorCode::not_found, base::escape_line(directory) + ": no file of another tool"};
}

std::string project_directory(const std::string& file) {
    const std::string directory = directory_of(file);
    return directory.ends_with("/.claude") ? directory_of(directory) : directory;
}

std::string usual_name(const std::string& root, const std::string& top) {
    const auto link = root == top ? base::read_trusted_file(joined_path(top, ".git"), longest_git_file) : std::string();
    return default_name(root, link ? *link : std::string());
}

bool is_there(const std::string& path) {
    struct stat facts {};
    return ::stat(path.c_str(), &facts) == 0;
}

Result<std::string> read_believed(const std::string& path, const std::string& repository,
                                  const std::optional<std::string>& main_copy) {
    std::error_code failed;
    const std::string target = fs::canonical(path, failed).native();
    if (failed) {
        Error error = base::os_failure(base::escape_line(path), failed.value());
        if (failed == std::errc::no_such_file_or_directory || failed == std::errc::not_a_directory)
            error.code = ErrorCode::not_found;
        return error;
    }
    // Somebody who may write into the repository alone must not choose what is read elsewhere.
    const bool leads_out =
        is_within(path, repository) && !is_within(target, repository) && !(main_copy && is_within(target, *main_copy));
    if (leads_out)
        return Error{ErrorCode::denied, fmt::format("{} is a link that leads out of the repository {}",
                                                    base::escape_line(path), base::escape_line(repository))};
    return base::read_trusted_file(target, max_project_bytes);
}

std::optional<std::string> find_main_copy(const std::string& top) {
    const std::string link = joined_path(top, ".git");
    const auto named = read_git_line(link, "gitdir: ");
    if (!named) return std::nullopt;
    // MAIN/.git/worktrees/NAME
    const auto own = canonical(joined_path(top, *named));
    if (!own) return std::nullopt;
    const fs::path worktrees = fs::path(*own).parent_path(), repository = worktrees.parent_path();
    if (worktrees.filename() != "worktrees" || repository.filename() != ".git") return std::nullopt;
    const auto back = read_git_line(*own + "/gitdir", "");
    const auto linked = back ? canonical(joined_path(*own, *back)) : std::nullopt;
    if (!linked || linked != canonical(link)) return std::nullopt;
    return repository.parent_path().native();
}

}  // namespace persistproc::project
