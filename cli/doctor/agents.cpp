#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "cli/agents/config_file.hpp"
#include "cli/agents/entry_check.hpp"
#include "cli/doctor/checks.hpp"
#include "cli/find_command.hpp"
#include "common/base/text.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::doctor {

namespace fs = std::filesystem;

namespace {

bool can_start(const std::string& command) { return find_command(command).has_value(); }

/// One table of servers that an agent reads.
struct AgentPlace {
    fs::path file;
    std::vector<std::string> table;
    std::string scope_flag;  // of the command that repairs it
};

std::vector<AgentPlace> places_of(const ops::Agent& agent, const agents::Folders& folders) {
    std::vector<AgentPlace> out;
    const std::string table(agent.table);
    const auto user = agents::config_path(agent, ops::AgentScope::user, folders);
    if (user) out.push_back({*user, {table}, ""});
    const auto project = agents::config_path(agent, ops::AgentScope::project, folders);
    if (project && project != user) out.push_back({*project, {table}, " --scope project"});
    // What `claude mcp add` writes when no scope is given: a project's servers within the user's file.
    if (agent.name == "claude-code" && user) out.push_back({*user, {"projects", folders.project.native(), table}, ""});
    return out;
}

enum class Reaches { by_url, otherwise, absent };

/// How the agent reaches the daemon; absent: it is not installed, and nothing was found.
Reaches check_agent(const ops::Agent& agent, const agents::Folders& folders, const agents::Expected& expected,
                    Findings& out) {
    const std::string name(agent.name);
    bool is_silent = true, by_url = false;
    std::vector<std::string> looked_at;
    for (const AgentPlace& place : places_of(agent, folders)) {
        const std::string file = base::escape_line(place.file.native());
        const bool is_new = std::find(looked_at.begin(), looked_at.end(), file) == looked_at.end();
        if (is_new) looked_at.push_back(file);
        const auto config = agents::load_config(place.file);
        auto entries = config ? agents::find_entries(config->text, agent.syntax, place.table)
                              : Result<std::vector<agents::FoundEntry>>(config.error());
        if (!entries) {
            const std::string why = config ? fmt::format("{}: {}", file, entries.error().message)
                                           : base::escape_line(entries.error().message);
            if (is_new) out.problem(name, why, "repair the file; the agent may not read it either");
            is_silent = false;
            continue;
        }
        for (const agents::FoundEntry& entry : *entries) {
            if (!agents::is_ours(entry, expected)) continue;
            std::string repair = fmt::format("persistproc setup {}{}{}", agent.name,
                                             agents::names_url(entry) ? " --http" : "", place.scope_flag);
            if (entry.name != "persistproc")
                repair += fmt::format(" --name {}", base::shell_quote(base::escape_line(entry.name)));
            if (place.table.size() > 1) repair = fmt::format("claude mcp remove --scope local {}", entry.name);
            agents::Expected here = expected;
            here.is_project = !place.scope_flag.empty();
            const agents::Finding finding = agents::check_entry(agent, entry, here, repair);
            out.add(
                finding.verdict, name,
                fmt::format("{}: {}{}", file,
                            entry.name == "persistproc" ? "" : fmt::format("\"{}\": ", base::escape_line(entry.name)),
                            finding.detail),
                finding.advice);
            is_silent = false;
            by_url = by_url || agents::names_url(entry);
        }
    }
    if (!is_silent) return by_url ? Reaches::by_url : Reaches::otherwise;
    if (!can_start(std::string(agent.program)) && !agents::has_own_files(agent, folders)) return Reaches::absent;
    std::string files;
    for (const std::string& file : looked_at) files += (files.empty() ? "" : " and ") + file;
    out.note(name, fmt::format("no entry in {}", files), fmt::format("persistproc setup {}", agent.name));
    return Reaches::otherwise;
}

/// Whether systemd starts the daemon with the user's session.
bool is_enabled_unit() {
    const char* config = std::getenv("XDG_CONFIG_HOME");
    const char* home = std::getenv("HOME");
    const fs::path own =
        config != nullptr && *config != '\0' ? fs::path(config) : fs::path(home == nullptr ? "" : home) / ".config";
    std::error_code failed;
    for (const fs::path& folder : {own / "systemd/user", fs::path("/etc/systemd/user")})
        if (fs::is_symlink(folder / "default.target.wants" / "persistprocd.service", failed)) return true;
    return false;
}

/// An entry with a URL starts nothing: it works while something else keeps a daemon running.
void check_reboot(const std::vector<std::string>& by_url, Findings& out) {
    const char* name = "reboot";
    if (by_url.empty())
        out.ok(name, "no agent has an entry that needs a running daemon");
    else if (is_enabled_unit())
        out.ok(name, "systemd starts the daemon when you log in");
    else
        out.note(name,
                 fmt::format("{} {} the daemon by its URL, and nothing starts it after a reboot",
                             fmt::join(by_url, ", "), by_url.size() == 1 ? "reaches" : "reach"),
                 fmt::format("persistproc setup {} lets the agent start it; or systemctl --user enable persistprocd",
                             by_url.size() == 1 ? by_url.front() : "CLIENT"));
}

}  // namespace

void check_agents(const Examined& examined, Findings& out) {
    const auto folders = agents::find_folders();
    if (!folders) {
        out.problem("agents", folders.error().message, "");
        return;
    }
    agents::Expected expected;
    expected.endpoint = examined.endpoint;
    expected.daemon_answers = examined.daemon.has_value();
    expected.can_start = can_start;
    expected.needs_token = examined.daemon && examined.daemon->needs_token;
    if (const auto token = rundir::read_token(examined.data); expected.needs_token && token) expected.token = *token;
    std::vector<std::string> by_url, absent;
    for (const ops::Agent& agent : ops::known_agents()) {
        const Reaches reaches = check_agent(agent, *folders, expected, out);
        if (reaches == Reaches::by_url) by_url.emplace_back(agent.name);
        if (reaches == Reaches::absent) absent.emplace_back(agent.name);
    }
    if (absent.size() == ops::known_agents().size())
        out.note("clients", "no MCP client is found here", "persistproc setup CLIENT adds it to one");
    else if (!absent.empty())
        out.ok("clients", fmt::format("not found here: {}", fmt::join(absent, ", ")));
    check_reboot(by_url, out);
}

}  // namespace persistproc::cli::doctor
