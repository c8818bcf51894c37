#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "cli/agents/config_file.hpp"
#include "cli/agents/entry.hpp"
#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/format/json_text.hpp"
#include "common/base/text.hpp"
#include "common/ops/client_operations.hpp"
#include "common/rundir/daemon_paths.hpp"

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
    std::error_code failed;
    const fs::path self = fs::read_symlink("/proc/self/exe", failed);
    if (failed || scope == AgentScope::project) return name;
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
    if (!options.stdio) return entry;
    entry.command = {own_program(options.scope), "mcp"};
    // The agent need not have the variables of this shell.
    const auto standard = rundir::resolve_data_directory((folders.home / ".local/state/persistproc").native());
    if (!standard || standard->native() != common.data_directory)
        entry.command.insert(entry.command.end(), {"--data-dir", common.data_directory});
    if (common.port != rundir::default_port)
        entry.command.insert(entry.command.end(), {"--port", std::to_string(common.port)});
    return entry;
}

struct Done {
    fs::path file;
    Change change = Change::none;
};

/// `project`: where the file is in project scope. A repository is somebody else's word.
Result<Done> write_entry(const fs::path& project, const fs::path& path, const SetupArguments& options,
                         const ops::AgentEntry& entry) {
    // Secrets may come into a user's file later; a project's is read by others.
    const mode_t mask = ::umask(0);
    ::umask(mask);
    const mode_t new_file_mode = options.scope == AgentScope::user ? 0600 : 0666 & ~mask;
    for (int attempt = 0; attempt < max_attempts; ++attempt) {
        if (options.scope == AgentScope::project)
            if (auto fine = agents::check_within(project, path); !fine) return fine.error();
        auto file = agents::load_config(path);
        if (!file) return file.error();
        auto edited = agents::set_entry(file->text, *options.agent, entry);
        if (!edited) return base::with_context(edited.error(), path.native());
        Done done{path, edited->change};
        if (edited->change == Change::none) return done;
        mode_t mode = file->exists ? file->mode : new_file_mode;
        // The token is nobody else's to read.
        if (!entry.token.empty()) mode &= 0700;
        auto stored = agents::store_config(*file, edited->text, mode);
        if (!stored) return stored.error();
        if (*stored) return done;
    }
    return Error{ErrorCode::conflict,
                 fmt::format("{}: something changes it all the time; end that first", path.native())};
}

/// Whether agents must show a token: the daemon's word, or as it would be by its settings.
Task<bool> is_token_needed(Context context) {
    const fs::path data = context.common.data_directory;
    auto client = co_await DaemonClient::connect(context.executor, data);
    if (client) {
        auto info = co_await (*client)->info();
        if (info) co_return info->needs_token;
    }
    const auto auth = rundir::find_auth();
    std::error_code failed;
    co_return (auth && *auth == rundir::Auth::token) || fs::exists(rundir::token_path(data), failed);
}

/// The token that the entry shows. Errors: those of read_token, and that it has no place in a project's file.
Result<std::string> token_for(const CommonOptions& common, AgentScope scope) {
    constexpr const char* instead = "`--stdio` needs none";
    if (scope == AgentScope::project)
        return Error{
            ErrorCode::denied,
            fmt::format("setup: agents must show a token, which does not belong into a project's file; {}", instead)};
    auto token = rundir::read_token(common.data_directory);
    if (token || token.error().code != ErrorCode::not_found) return token;
    return Error{ErrorCode::unavailable, fmt::format("setup: the token is made by the first daemon: {}, then again; {}",
                                                     serve_command(common.data_directory), instead)};
}

/// What is still missing for the agent to reach us; empty: nothing.
Task<std::string> advise_on_daemon(Context context, std::string url) {
    const fs::path data = context.common.data_directory;
    auto client = co_await DaemonClient::connect(context.executor, data);
    if (!client) {
        std::string text = client.error().message;
        const auto usual = rundir::find_port();
        const bool is_usual = usual && *usual == context.common.port;
        if (!is_usual && text.ends_with(serve_command(data))) text += fmt::format(" --port {}", context.common.port);
        co_return text;
    }
    auto info = co_await (*client)->info();
    if (!info || info->endpoint == url) co_return std::string();
    co_return fmt::format("the daemon that runs serves at {}, not at {}; give its port with --port", info->endpoint,
                          url);
}

std::string snippet_of(const SetupArguments& options, const ops::AgentEntry& entry) {
    auto whole = agents::set_entry("", *options.agent, entry);
    return whole ? whole->text : std::string();
}

void show_document(const Console& console, const SetupArguments& options, const ops::AgentEntry& entry,
                   const fs::path& file, const char* done, const std::string& snippet, const std::string& next) {
    std::optional<std::string> command = ops::agent_command(*options.agent, entry, options.scope);
    if (command->empty()) command.reset();
    console.print(format::texts_json({{"client", std::string(options.agent->name)},
                                      {"scope", scope_name(options.scope)},
                                      {"name", entry.name},
                                      {"file", file.native()},
                                      {"done", done},
                                      {"entry", snippet},
                                      {"command", command},
                                      {"next", next}}));
}

void print_entry(const Console& console, const SetupArguments& options, const ops::AgentEntry& entry,
                 const fs::path& file, const std::string& snippet) {
    const std::string command = ops::agent_command(*options.agent, entry, options.scope);
    std::string out;
    if (!command.empty()) out = fmt::format("Run:\n\n{}\n\nor put into ", command);
    out += fmt::format("{}{}:\n\n{}", command.empty() ? "Put into " : "", base::escape_line(file.native()), snippet);
    console.print(out);
}

}  // namespace

static Task<int> setup(Context context, SetupArguments options) {
    const Console console = context.console;
    auto folders = agents::find_folders();
    if (!folders) co_return console.fail(folders.error());
    ops::AgentEntry entry = make_entry(context.common, options, *folders);
    for (const std::string& word : entry.command) {
        if (base::is_utf8(word)) continue;
        Error refused;
        refused.message = fmt::format("setup: {} is no UTF-8, which the agents' files must be", word);
        co_return console.fail(refused);
    }
    const auto path = agents::config_path(*options.agent, options.scope, *folders);
    if (!path) throw std::logic_error("setup: scope was checked before");
    const bool needs_token = !options.stdio && co_await is_token_needed(context);
    // What is shown never holds the token.
    ops::AgentEntry shown = entry;
    if (needs_token) shown.token = ops::shown_token;
    const std::string snippet = snippet_of(options, shown);
    if (options.print) {
        if (console.json())
            show_document(console, options, shown, *path, "nothing", snippet, std::string(options.agent->next_step));
        else
            print_entry(console, options, shown, *path, snippet);
        if (needs_token)
            console.note(
                fmt::format("TOKEN is what stands in {}", rundir::token_path(context.common.data_directory).native()));
        co_return 0;
    }
    if (needs_token) {
        auto token = token_for(context.common, options.scope);
        if (!token) co_return console.fail(token.error());
        entry.token = std::move(*token);
    }
    auto written = write_entry(folders->project, *path, options, entry);
    if (!written) {
        Error failed = written.error();
        failed.message += fmt::format("; it is left as it is. By hand: {}", ops::by_hand_text(*options.agent, shown));
        console.fail(failed);
        co_return left_status;
    }
    std::string next(written->change == Change::none ? "" : options.agent->next_step);
    if (!options.stdio) {
        const std::string daemon = co_await advise_on_daemon(context, entry.url);
        if (!daemon.empty()) next += (next.empty() ? "" : "; ") + daemon;
    }
    const char* done = written->change == Change::none      ? "already set up"
                       : written->change == Change::updated ? "updated"
                                                            : "added";
    if (console.json()) {
        show_document(console, options, shown, *path, done, snippet, next);
        co_return 0;
    }
    const std::string file = base::escape_line(path->native());
    if (written->change == Change::none)
        console.print(fmt::format("already set up: {}\n", file));
    else
        console.print(fmt::format("{} \"{}\" for {} ({} scope): {}\n", done, entry.name, options.agent->title,
                                  scope_name(options.scope), file));
    if (!next.empty()) console.note(next);
    co_return 0;
}

extern const Subcommand setup_subcommand = make_subcommand<setup>({
    .name = "setup",
    .words = "CLIENT",
    .summary = "add it to Claude Code, Cursor, VS Code, Codex, Gemini CLI, Zed, Windsurf",
    .text = "Adds the daemon to the MCP servers of a client: claude-code, cursor, vscode, codex, gemini, zed or "
            "windsurf. Changes its own entry in the client's file and nothing else.",
    .examples = {"persistproc setup claude-code", "persistproc setup vscode --scope project",
                 "persistproc setup codex --print"},
    .statuses = {{1, "the file was left as it is"}},
    .words_kind = schema::ValueKind::agent,
});

}  // namespace persistproc::cli::commands
