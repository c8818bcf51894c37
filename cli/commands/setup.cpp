#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>

#include "cli/agents/config_file.hpp"
#include "cli/agents/entry.hpp"
#include "cli/agents/entry_check.hpp"
#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/find_command.hpp"
#include "cli/format/json_text.hpp"
#include "cli/probes.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/proc.hpp"
#include "common/base/text.hpp"
#include "common/ops/client_operations.hpp"
#include "common/ops/error.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "common/rundir/port_holder.hpp"

namespace persistproc::cli::commands {

namespace {

namespace fs = std::filesystem;
using agents::Change;
using ops::AgentScope;

/// The file was not changed, or cannot be found.
constexpr int left_status = 1;
/// An agent that writes its file all the time wins in the end.
constexpr int max_attempts = 5;

const char* scope_name(AgentScope scope) { return scope == AgentScope::user ? "user" : "project"; }

/// How an agent starts us. It may know no PATH but the system's, and a project's file goes to other machines.
std::string own_program(AgentScope scope) {
    const std::string name = "persistproc";
    const fs::path self = base::own_program();
    std::error_code failed;
    if (self.empty() || scope == AgentScope::project) return name;
    const char* path = std::getenv("PATH");
    std::string_view rest = path == nullptr ? "" : path;
    while (!rest.empty()) {
        const std::size_t colon = rest.find(':');
        const std::string_view folder = rest.substr(0, colon);
        rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
        const fs::path place = fs::path(folder) / name;
        if (!folder.starts_with('/') || !fs::equivalent(place, self, failed) || failed) continue;
        const bool is_system = folder == "/usr/bin" || folder == "/usr/local/bin" || folder == "/bin";
        // What stands in PATH outlives an upgrade; what it leads to need not.
        return is_system ? name : place.native();
    }
    return self.native();
}

ops::AgentEntry make_entry(const CommonOptions& common, const SetupArguments& options, const agents::Folders& folders) {
    ops::AgentEntry entry;
    entry.name = options.name;
    entry.url = fmt::format("http://127.0.0.1:{}/mcp", common.port);
    if (options.http) return entry;
    entry.command = {own_program(options.scope), "mcp"};
    // The agent need not have the variables of this shell.
    const auto standard = rundir::resolve_data_directory((folders.home / ".local/state/persistproc").native());
    if (!standard || standard->native() != common.data_directory)
        entry.command.insert(entry.command.end(), {"--data-dir", common.data_directory});
    if (common.port != rundir::default_port)
        entry.command.insert(entry.command.end(), {"--port", std::to_string(common.port)});
    return entry;
}

using Edit = std::function<Result<agents::EditedText>(std::string_view text)>;

/// `holds_token`: the file is nobody else's to read then.
Result<Change> change_file(const fs::path& path, const agents::Folders& folders, AgentScope scope, bool holds_token,
                           const Edit& edit) {
    // Secrets may come into a user's file later; a project's is read by others.
    const mode_t mask = ::umask(0);
    ::umask(mask);
    const mode_t new_file_mode = scope == AgentScope::user ? 0600 : 0666 & ~mask;
    for (int attempt = 0; attempt < max_attempts; ++attempt) {
        // A repository is somebody else's word.
        if (scope == AgentScope::project)
            if (auto fine = agents::check_within(folders.project, path); !fine) return fine.error();
        auto file = agents::load_config(path);
        if (!file) return file.error();
        auto edited = edit(file->text);
        if (!edited) return base::with_context(edited.error(), path.native());
        if (edited->change == Change::none) return Change::none;
        mode_t mode = file->exists ? file->mode : new_file_mode;
        if (holds_token) mode &= 0700;
        auto stored = agents::store_config(*file, edited->text, mode);
        if (!stored) return stored.error();
        if (*stored) return edited->change;
    }
    return Error{ErrorCode::conflict,
                 fmt::format("{}: something changes it all the time; end that first", path.native())};
}

/// What there is where the entry leads.
struct Endpoint {
    bool needs_token = false;
    std::optional<std::string> stranger;  // who holds the port instead of a daemon of ours
};

std::optional<std::string> find_stranger(const CommonOptions& common, pid_t daemon) {
    if (const auto holder = rundir::find_port_holder(common.port, daemon)) return rundir::holder_text(*holder);
    if (daemon == 0 && is_port_taken(common.port)) return "a program that is not seen";
    return std::nullopt;
}

/// By the daemon's word, or as it would be by its settings.
Task<Endpoint> find_endpoint(Context context, std::string url) {
    const fs::path data = context.common.data_directory;
    Endpoint out;
    auto client = co_await DaemonClient::connect(context.executor, data, silence_teller(context.common));
    if (client) {
        auto info = co_await (*client)->info();
        if (info) {
            out.needs_token = info->needs_token;
            if (info->endpoint != url) out.stranger = find_stranger(context.common, static_cast<pid_t>(info->pid));
            co_return out;
        }
    }
    // One that holds its directory and does not answer holds its port, too.
    const auto held = base::is_locked(data / rundir::daemon_lock_name);
    if (!held || !*held) out.stranger = find_stranger(context.common, 0);
    const auto auth = rundir::find_auth();
    std::error_code failed;
    out.needs_token = (auth && *auth == rundir::Auth::token) || fs::exists(rundir::token_path(data), failed);
    co_return out;
}

Error held_by_stranger(const CommonOptions& common, const Endpoint& there) {
    return {
        ErrorCode::denied,
        fmt::format("setup: port {} is held by {}, not by a daemon that serves {}, and the agent would {} there; end "
                    "that, give another --port, or leave out --http",
                    common.port, *there.stranger, common.data_directory,
                    there.needs_token ? "show the token" : "send its commands")};
}

/// The token that the entry shows. Errors: those of read_token; denied (it has no place in a project's file).
Result<std::string> token_for(const CommonOptions& common, AgentScope scope) {
    constexpr const char* instead = "without --http none is needed";
    if (scope == AgentScope::project)
        return Error{
            ErrorCode::denied,
            fmt::format("setup: agents must show a token, which does not belong into a project's file; {}", instead)};
    auto token = rundir::read_token(common.data_directory);
    if (token || token.error().code != ErrorCode::not_found) return token;
    return Error{ErrorCode::unavailable, fmt::format("setup: the token is made by the first daemon: {}, then again; {}",
                                                     serve_command(common.data_directory), instead)};
}

/// What is still missing for the agent to reach us by that URL, or of a port that counts when a daemon is started;
/// empty: nothing.
Task<std::string> advise_on_daemon(Context context, std::string url, bool is_by_url) {
    if (!is_by_url && !context.common.port_given) co_return std::string();
    const fs::path data = context.common.data_directory;
    auto client = co_await DaemonClient::connect(context.executor, data, silence_teller(context.common));
    if (!client && !is_by_url) co_return std::string();
    if (!client) {
        std::string text = client.error().message;
        const auto usual = rundir::find_port();
        const bool is_usual = usual && *usual == context.common.port;
        if (!is_usual && text.ends_with(serve_command(data))) text += fmt::format(" --port {}", context.common.port);
        co_return text;
    }
    auto info = co_await (*client)->info();
    if (!info || info->endpoint == url) co_return std::string();
    if (!is_by_url)
        co_return fmt::format("the daemon that runs serves at {}; the next one that is started gets --port {}",
                              info->endpoint, context.common.port);
    co_return fmt::format("the daemon that runs serves at {}, not at {}; give its port with --port", info->endpoint,
                          url);
}

std::string snippet_of(const ops::Agent& agent, const ops::AgentEntry& entry) {
    auto whole = agents::set_entry("", agent, entry);
    return whole ? whole->text : std::string();
}

fs::path file_of(const ops::Agent& agent, AgentScope scope, const agents::Folders& folders) {
    const auto path = agents::config_path(agent, scope, folders);
    if (!path) throw std::logic_error("setup: scope was checked before");
    return *path;
}

/// What became of one agent's file.
struct Told {
    const ops::Agent* agent = nullptr;
    fs::path file;
    std::string done = "nothing";
    std::string line;    // for people
    std::string next;    // what is still to be done there
    std::string daemon;  // and for the daemon, for all of them
    std::optional<Error> error;
};

/// `shown`: the entry as others may see it, which is without the token.
format::Texts members_of(const Told& told, const SetupArguments& options, const ops::AgentEntry& shown) {
    std::optional<std::string> command, snippet;
    if (!options.remove) {
        command = ops::agent_command(*told.agent, shown, options.scope);
        if (command->empty()) command.reset();
        snippet = snippet_of(*told.agent, shown);
    }
    return {{"client", std::string(told.agent->name)},
            {"scope", scope_name(options.scope)},
            {"name", options.name},
            {"file", told.file.native()},
            {"done", told.done},
            {"entry", snippet},
            {"command", command},
            {"next", told.next + (told.next.empty() || told.daemon.empty() ? "" : "; ") + told.daemon}};
}

/// The exit status.
int show(const Console& console, const std::vector<Told>& all, const SetupArguments& options,
         const ops::AgentEntry& shown) {
    int status = 0;
    std::vector<format::Texts> objects;
    for (const Told& told : all) {
        if (told.error) status = left_status;
        if (console.json()) {
            objects.push_back(members_of(told, options, shown));
            objects.back().emplace_back("error", told.error ? std::optional(told.error->message) : std::nullopt);
        } else if (told.error) {
            console.fail(*told.error);
        } else {
            console.print(told.line);
            if (!told.next.empty() && !options.print) console.note(told.next);
            if (!told.daemon.empty()) console.note(told.daemon);
        }
    }
    if (!console.json()) return status;
    if (options.all || options.agents.size() > 1) {
        console.print(format::texts_list_json("clients", objects));
        return status;
    }
    if (all.front().error) {
        console.fail(*all.front().error);
        return status;
    }
    objects.front().pop_back();
    console.print(format::texts_json(objects.front()));
    return status;
}

Told print_entry(const ops::Agent& agent, const fs::path& file, const SetupArguments& options,
                 const ops::AgentEntry& shown) {
    const std::string command = ops::agent_command(agent, shown, options.scope);
    Told told{&agent, file};
    if (!command.empty()) told.line = fmt::format("Run:\n\n{}\n\nor put into ", command);
    told.line += fmt::format("{}{}:\n\n{}", command.empty() ? "Put into " : "", base::escape_line(file.native()),
                             snippet_of(agent, shown));
    told.next = agent.next_step;
    return told;
}

Told write_entry(const ops::Agent& agent, const agents::Folders& folders, const SetupArguments& options,
                 const ops::AgentEntry& entry, const ops::AgentEntry& shown) {
    Told told{&agent, file_of(agent, options.scope, folders)};
    const auto change = change_file(told.file, folders, options.scope, !entry.token.empty(),
                                    [&](std::string_view text) -> Result<agents::EditedText> {
                                        auto edited = agents::set_entry(text, agent, entry);
                                        if (edited && options.scope == AgentScope::project)
                                            if (auto fine = agents::check_project_entry(text, agent, entry.name); !fine)
                                                return fine.error();
                                        return edited;
                                    });
    if (!change) {
        told.error = change.error();
        told.error->message += fmt::format("; it is left as it is. By hand: {}", ops::by_hand_text(agent, shown));
        return told;
    }
    const std::string file = base::escape_line(told.file.native());
    if (*change == Change::none) {
        told.done = "already set up";
        told.line = fmt::format("already set up: {}\n", file);
        return told;
    }
    told.done = *change == Change::updated ? "updated" : "added";
    told.line = fmt::format("{} \"{}\" for {} ({} scope): {}\n", told.done, entry.name, agent.title,
                            scope_name(options.scope), file);
    told.next = agent.next_step;
    return told;
}

Told remove_entry(const ops::Agent& agent, const agents::Folders& folders, const SetupArguments& options) {
    Told told{&agent, file_of(agent, options.scope, folders)};
    const auto change = change_file(told.file, folders, options.scope, false, [&](std::string_view text) {
        return agents::remove_entry(text, agent, options.name);
    });
    const std::string file = base::escape_line(told.file.native());
    if (!change) {
        told.error = change.error();
        told.error->message += fmt::format("; it is left as it is. By hand: take out {}, if it is there",
                                           ops::place_text(agent, options.name));
    } else if (*change == Change::none) {
        told.line = fmt::format("nothing to remove: no \"{}\" in {}\n", options.name, file);
    } else {
        told.done = "removed";
        told.line = fmt::format("removed \"{}\" for {} ({} scope): {}\n", options.name, agent.title,
                                scope_name(options.scope), file);
    }
    return told;
}

bool is_installed(const ops::Agent& agent, const agents::Folders& folders) {
    return find_command(std::string(agent.program)).has_value() || agents::has_own_files(agent, folders);
}

/// Nothing can be said of a file that is not understood.
Result<bool> has_entry(const ops::Agent& agent, const fs::path& path, const std::string& name) {
    const auto file = agents::load_config(path);
    if (!file) return file.error();
    const auto entries = agents::find_entries(file->text, agent.syntax, {std::string(agent.table)});
    if (!entries) return base::with_context(entries.error(), path.native());
    return std::any_of(entries->begin(), entries->end(), [&](const auto& each) { return each.name == name; });
}

/// Those that "all" means.
std::vector<const ops::Agent*> choose_all(const SetupArguments& options, const agents::Folders& folders) {
    std::vector<const ops::Agent*> out;
    for (const ops::Agent& agent : ops::known_agents()) {
        const auto path = agents::config_path(agent, options.scope, folders);
        if (!path) continue;
        const auto found = has_entry(agent, *path, options.name);
        // A file that is not understood is told of.
        if (options.remove ? !found || *found : is_installed(agent, folders)) out.push_back(&agent);
    }
    return out;
}

/// Who is here, who is set up, and what to type for the others.
int show_agents(const Console& console, const SetupArguments& options, const agents::Folders& folders) {
    const std::string flags = (options.scope == AgentScope::project ? " --scope project" : "") +
                              (options.name == SetupArguments().name ? "" : " --name " + options.name);
    std::string text, absent;
    std::vector<format::Texts> objects;
    int missing = 0;
    for (const ops::Agent& agent : ops::known_agents()) {
        const auto path = agents::config_path(agent, options.scope, folders);
        if (!path) continue;
        const bool is_here = is_installed(agent, folders);
        const auto found = has_entry(agent, *path, options.name);
        const bool is_set_up = found && *found;
        const char* state = !found ? "unknown" : is_set_up ? "set up" : is_here ? "not set up" : "not found";
        const std::string command = fmt::format("persistproc setup {}{}", agent.name, flags);
        std::string what = command;
        if (!found) what = base::escape_line(found.error().message);
        if (is_set_up) what = fmt::format("set up in {}", base::escape_line(path->native()));
        objects.push_back({{"client", std::string(agent.name)},
                           {"state", state},
                           {"file", path->native()},
                           {"command", is_set_up ? std::nullopt : std::optional(command)},
                           {"error", found ? std::nullopt : std::optional(found.error().message)}});
        if (is_here || is_set_up || !found)
            text += fmt::format("{:<12} {}\n", agent.title, what);
        else
            absent += fmt::format("{}{}", absent.empty() ? "" : ", ", agent.name);
        missing += is_here && found && !is_set_up;
    }
    if (console.json()) {
        console.print(format::texts_list_json("clients", objects));
        return 0;
    }
    if (missing > 1) text += fmt::format("All of them: persistproc setup all{}\n", flags);
    if (!absent.empty()) text += fmt::format("{} here: {}\n", text.empty() ? "No client found" : "Not found", absent);
    console.print(text);
    return 0;
}

}  // namespace

static Task<int> setup(Context context, SetupArguments options) {
    const Console console = context.console;
    auto folders = agents::find_folders();
    if (!folders) co_return console.fail(folders.error());
    if (options.agents.empty() && !options.all) co_return show_agents(console, options, *folders);
    const auto chosen = options.all ? choose_all(options, *folders) : options.agents;
    if (chosen.empty()) {
        console.note(options.remove ? fmt::format("no client has an entry \"{}\"", options.name)
                                    : "no client was found here; `persistproc setup` names those it knows");
        if (console.json()) console.print(format::texts_list_json("clients", {}));
        co_return options.remove ? 0 : left_status;
    }
    std::vector<Told> told;
    ops::AgentEntry entry = make_entry(context.common, options, *folders);
    if (options.remove) {
        for (const ops::Agent* agent : chosen) told.push_back(remove_entry(*agent, *folders, options));
        co_return show(console, told, options, entry);
    }
    for (const std::string& word : entry.command) {
        if (base::is_utf8(word)) continue;
        Error refused;
        refused.message = fmt::format("setup: {} is no UTF-8, which the agents' files must be", word);
        co_return console.fail(refused);
    }
    Endpoint there;
    if (options.http) there = co_await find_endpoint(context, entry.url);
    const bool needs_token = there.needs_token;
    // What is shown never holds the token.
    ops::AgentEntry shown = entry;
    if (needs_token) shown.token = ops::shown_token;
    if (options.print) {
        for (const ops::Agent* agent : chosen)
            told.push_back(print_entry(*agent, file_of(*agent, options.scope, *folders), options, shown));
        int status = show(console, told, options, shown);
        if (there.stranger) {
            const Error refused = held_by_stranger(context.common, there);
            console.say(refused.message);
            status = ops::exit_status(refused);
        }
        if (needs_token)
            console.note(
                fmt::format("TOKEN is what stands in {}", rundir::token_path(context.common.data_directory).native()));
        co_return status;
    }
    if (there.stranger) co_return console.fail(held_by_stranger(context.common, there));
    if (needs_token) {
        auto token = token_for(context.common, options.scope);
        if (!token) co_return console.fail(token.error());
        entry.token = std::move(*token);
    }
    for (const ops::Agent* agent : chosen) told.push_back(write_entry(*agent, *folders, options, entry, shown));
    // It holds for all of them, and is said once.
    told.back().daemon = co_await advise_on_daemon(context, entry.url, options.http);
    co_return show(console, told, options, shown);
}

extern const Subcommand setup_subcommand = make_subcommand<setup>({
    .name = "setup",
    .words = "[CLIENT… | all]",
    .summary = "add it to Claude Code, Cursor, VS Code, Codex, Gemini CLI, Zed, Windsurf",
    .text =
        "Adds the daemon to the MCP servers of clients: claude-code, cursor, vscode, codex, gemini, zed or "
        "windsurf; all: those that are installed. Without a CLIENT it says which are, and what to type. Changes "
        "its own entry in a client's file and nothing else. The client then starts \"persistproc mcp\", which starts "
        "the daemon when needed; with --http it gets the URL of one that runs.",
    .examples = {"persistproc setup claude-code codex", "persistproc setup vscode --scope project",
                 "persistproc setup codex --print", "persistproc setup --remove all"},
    .statuses = {{1, "a file was left as it is"}},
    .words_kind = schema::ValueKind::agent,
});

}  // namespace persistproc::cli::commands
