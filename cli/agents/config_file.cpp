#include "cli/agents/config_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "common/base/file.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli::agents {

namespace fs = std::filesystem;

namespace {

/// As many as the kernel follows.
constexpr int max_links = 40;

Result<fs::path> resolve_links(const fs::path& path) {
    fs::path at = path;
    for (int i = 0; i < max_links; ++i) {
        std::error_code failed;
        if (!fs::is_symlink(at, failed)) return at;
        const fs::path next = fs::read_symlink(at, failed);
        if (failed) return base::os_failure(at.native(), failed.value());
        at = next.is_absolute() ? next : at.parent_path() / next;
    }
    return base::os_failure(path.native(), ELOOP);
}

bool is_same(const ConfigFile& file, const struct stat& facts) {
    return facts.st_ino == file.inode && facts.st_size == file.size && facts.st_mtim.tv_sec == file.changed.tv_sec &&
           facts.st_mtim.tv_nsec == file.changed.tv_nsec;
}

}  // namespace

Result<Folders> find_folders() {
    Folders out;
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home != '/')
        return Error{ErrorCode::invalid, "HOME is not set: the agents' files are below it"};
    out.home = home;
    std::error_code failed;
    out.project = fs::current_path(failed);
    if (failed) return base::os_failure("the current directory", failed.value());
    for (const ops::Agent& agent : ops::known_agents()) {
        if (agent.variable.empty()) continue;
        const std::string name(agent.variable);
        if (const char* value = std::getenv(name.c_str()); value != nullptr) out.variables[name] = value;
    }
    return out;
}

std::optional<fs::path> config_path(const ops::Agent& agent, ops::AgentScope scope, const Folders& folders) {
    if (scope == ops::AgentScope::project) {
        if (agent.project_file.empty()) return std::nullopt;
        return folders.project / agent.project_file;
    }
    const auto variable = folders.variables.find(std::string(agent.variable));
    if (variable != folders.variables.end() && variable->second.starts_with('/'))
        return fs::path(variable->second) / agent.user_file.substr(agent.moved_folder.size() + 1);
    constexpr std::string_view home = "~/";
    return folders.home / agent.user_file.substr(home.size());
}

bool has_own_files(const ops::Agent& agent, const Folders& folders) {
    const auto file = config_path(agent, ops::AgentScope::user, folders);
    if (!file) return false;
    std::error_code failed;
    return fs::exists(*file, failed) ||
           (file->parent_path() != folders.home && fs::exists(file->parent_path(), failed));
}

// By every name that the way leads through, as the kernel goes it: who owns a folder on it can lead it elsewhere.
Result<void> check_within(const fs::path& project, const fs::path& path) {
    std::error_code failed;
    const fs::path root = fs::canonical(project, failed);
    if (failed) return base::os_failure(project.native(), failed.value());
    fs::path at = root, link;  // the first link that was followed
    const auto denied = [](const fs::path& part, const std::string& why) {
        return Error{ErrorCode::denied, fmt::format("{} {}", part.native(), why)};
    };
    const auto leads_out = [&] {
        const fs::path target = (link.parent_path() / fs::read_symlink(link, failed)).lexically_normal();
        return denied(link, fmt::format("is a link to {}, outside the project", target.native()));
    };
    const auto is_within = [](const fs::path& inner, const fs::path& outer) {
        return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
    };
    const fs::path names = path.lexically_relative(project);
    std::vector<fs::path> ahead(names.begin(), names.end());
    std::reverse(ahead.begin(), ahead.end());
    ahead.emplace_back(".");  // the project itself
    for (int links = 0; !ahead.empty();) {
        const fs::path name = std::move(ahead.back());
        ahead.pop_back();
        fs::path next = at / name;  // an absolute one replaces it
        if (name == "..") next = at.parent_path();
        if (name == "." || name.empty()) next = at;
        struct stat status {};
        if (::lstat(next.c_str(), &status) != 0) {
            if (errno != ENOENT) return base::os_failure(next.native(), errno);
            // The rest is made where this is.
            if (std::find(ahead.begin(), ahead.end(), "..") != ahead.end() || !is_within(next, root))
                return leads_out();
            return boost::system::in_place_value;
        }
        const bool is_inside = is_within(next, root);
        const bool is_ours = status.st_uid == ::geteuid() || (!is_inside && status.st_uid == 0);
        if (!is_inside && !is_within(root, next) && !S_ISLNK(status.st_mode)) return leads_out();
        if (is_inside && !is_ours) return denied(next, fmt::format("belongs to another user (uid {})", status.st_uid));
        // Where nothing but its owner's can be taken away, what others put there is seen to be theirs.
        const bool is_sticky = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
        if (is_inside && !S_ISLNK(status.st_mode) && (status.st_mode & S_IWOTH) != 0 && !is_sticky)
            return denied(next, fmt::format("may be written by everybody (mode {:04o}); look at what is there, then "
                                            "close it with: chmod o-w {}",
                                            status.st_mode & 07777u, base::shell_quote(next.native())));
        if (!S_ISLNK(status.st_mode)) {
            at = std::move(next);
            continue;
        }
        if (!is_ours) return leads_out();
        if (++links > max_links) return base::os_failure(path.native(), ELOOP);
        if (link.empty()) link = next;
        const fs::path target = fs::read_symlink(next, failed);
        if (failed) return base::os_failure(next.native(), failed.value());
        std::vector<fs::path> more(target.begin(), target.end());
        ahead.insert(ahead.end(), more.rbegin(), more.rend());
    }
    if (!is_within(at, root)) return leads_out();
    return boost::system::in_place_value;
}

Result<ConfigFile> load_config(const fs::path& path) {
    ConfigFile out;
    out.path = path;
    auto target = resolve_links(path);
    if (!target) return target.error();
    out.target = std::move(*target);
    struct stat facts {};
    if (::stat(out.target.c_str(), &facts) != 0) {
        if (errno == ENOENT) return out;
        return base::os_failure(path.native(), errno);
    }
    // A pipe would be waited for.
    if (!S_ISREG(facts.st_mode)) return Error{ErrorCode::io, fmt::format("{}: no regular file", path.native())};
    auto text = base::read_file(out.target);
    if (!text) return text.error();
    out.text = std::move(*text);
    out.exists = true;
    out.mode = facts.st_mode & 07777u;
    out.inode = facts.st_ino;
    out.size = facts.st_size;
    out.changed = facts.st_mtim;
    return out;
}

Result<bool> store_config(const ConfigFile& file, std::string_view text, mode_t mode) {
    const fs::path folder = file.target.parent_path();
    std::error_code failed;
    fs::create_directories(folder, failed);
    if (failed) return base::os_failure(folder.native(), failed.value());
    struct stat facts {};
    const auto is_as_read = [&] {
        const bool exists = ::stat(file.target.c_str(), &facts) == 0;
        return exists == file.exists && (!exists || is_same(file, facts));
    };
    if (!is_as_read()) return false;
    if (file.exists && facts.st_uid != ::geteuid())
        return Error{ErrorCode::denied,
                     fmt::format("{} belongs to another user (uid {})", file.path.native(), facts.st_uid)};
    // The rename would go round this.
    if (file.exists && ::access(file.target.c_str(), W_OK) != 0) return base::os_failure(file.path.native(), errno);
    if (::access(folder.c_str(), W_OK | X_OK) != 0) return base::os_failure(folder.native(), errno);
    // It is the agent's: what that writes while the disk is slow stays, and is edited in its turn.
    return base::atomic_write_if(file.target, text, mode, is_as_read);
}

}  // namespace persistproc::cli::agents
