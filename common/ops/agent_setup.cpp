#include "common/ops/agent_setup.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "common/schema/json.hpp"

namespace persistproc::ops {

namespace {

constexpr Agent agents[] = {
    {.name = "claude-code",
     .alias = "claude",
     .title = "Claude Code",
     .program = "claude",
     .table = "mcpServers",
     .url_member = "url",
     .http_type = "http",
     .user_file = "~/.claude.json",
     .variable = "CLAUDE_CONFIG_DIR",
     .moved_folder = "~",
     .project_file = ".mcp.json",
     .next_step = "restart Claude Code; /mcp shows it"},
    {.name = "cursor",
     .title = "Cursor",
     .program = "cursor",
     .table = "mcpServers",
     .url_member = "url",
     .user_file = "~/.cursor/mcp.json",
     .project_file = ".cursor/mcp.json",
     .next_step = "enable it in Cursor's settings, under MCP"},
    {.name = "vscode",
     .alias = "code",
     .title = "VS Code",
     .program = "code",
     .table = "servers",
     .url_member = "url",
     .http_type = "http",
     .stdio_type = "stdio",
     .user_file = "~/.config/Code/User/mcp.json",
     .variable = "XDG_CONFIG_HOME",
     .moved_folder = "~/.config",
     .project_file = ".vscode/mcp.json",
     .next_step = "start it in VS Code: MCP: List Servers"},
    {.name = "codex",
     .title = "Codex",
     .program = "codex",
     .syntax = AgentSyntax::toml,
     .table = "mcp_servers",
     .url_member = "url",
     .headers_member = "http_headers",
     .user_file = "~/.codex/config.toml",
     .variable = "CODEX_HOME",
     .moved_folder = "~/.codex",
     .project_file = ".codex/config.toml",
     .next_step = "restart Codex (a project's file counts in trusted projects alone)"},
    {.name = "gemini",
     .alias = "gemini-cli",
     .title = "Gemini CLI",
     .program = "gemini",
     .table = "mcpServers",
     .url_member = "httpUrl",
     .user_file = "~/.gemini/settings.json",
     .project_file = ".gemini/settings.json",
     .next_step = "restart Gemini CLI; /mcp shows it. Trust each folder you use it in (/permissions): in others it "
                  "connects to no MCP server"},
    {.name = "zed",
     .title = "Zed",
     .program = "zed",
     .table = "context_servers",
     .url_member = "url",
     .user_file = "~/.config/zed/settings.json",
     .variable = "XDG_CONFIG_HOME",
     .moved_folder = "~/.config",
     .project_file = ".zed/settings.json",
     .next_step = "Zed sees it at once, in the settings of its agent panel"},
    {.name = "windsurf",
     .title = "Windsurf",
     .program = "windsurf",
     .table = "mcpServers",
     .url_member = "serverUrl",
     .user_file = "~/.codeium/windsurf/mcp_config.json",
     .next_step = "refresh the MCP servers in Windsurf's Cascade panel"},
};

std::string join_object(const std::vector<AgentMember>& members) {
    std::string out;
    for (const auto& member : members)
        out += fmt::format("{}{}:{}", out.empty() ? "" : ",", quote_text(member.first),
                           quote_value(member, AgentSyntax::json));
    return "{" + out + "}";
}

std::string join_words(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words) out += (out.empty() ? "" : " ") + base::shell_quote(word);
    return out;
}

}  // namespace

std::span<const Agent> known_agents() noexcept { return agents; }

const Agent* find_agent(std::string_view name) noexcept {
    for (const Agent& agent : agents)
        if (agent.name == name || (!agent.alias.empty() && agent.alias == name)) return &agent;
    return nullptr;
}

std::vector<AgentMember> entry_members(const Agent& agent, const AgentEntry& entry) {
    std::vector<AgentMember> out;
    const bool is_http = entry.command.empty();
    const std::string_view type = is_http ? agent.http_type : agent.stdio_type;
    if (!type.empty()) out.emplace_back("type", std::string(type));
    if (is_http) {
        out.emplace_back(std::string(agent.url_member), entry.url);
        if (!entry.token.empty())
            out.emplace_back(std::string(agent.headers_member),
                             AgentHeaders{{"Authorization", "Bearer " + entry.token}});
    } else {
        out.emplace_back("command", entry.command.front());
        out.emplace_back("args", std::vector<std::string>(entry.command.begin() + 1, entry.command.end()));
    }
    return out;
}

std::string quote_text(std::string_view text) {
    std::string out;
    // TOML wants this one escaped; JSON allows it.
    for (const char c : schema::Json(text).dump()) c == '\x7f' ? out += "\\u007f" : out += c;
    return out;
}

std::string quote_value(const AgentMember& member, AgentSyntax syntax) {
    if (const auto* text = std::get_if<std::string>(&member.second)) return quote_text(*text);
    std::string out;
    if (const auto* headers = std::get_if<AgentHeaders>(&member.second)) {
        for (const auto& [name, value] : *headers)
            out += fmt::format("{}{}{}{}", out.empty() ? "" : ", ", quote_text(name),
                               syntax == AgentSyntax::json ? ": " : " = ", quote_text(value));
        return "{" + out + "}";
    }
    for (const auto& item : std::get<std::vector<std::string>>(member.second))
        out += (out.empty() ? "" : ", ") + quote_text(item);
    return "[" + out + "]";
}

std::string agent_command(const Agent& agent, const AgentEntry& entry, AgentScope scope) {
    const bool is_http = entry.command.empty();
    const std::string header =
        entry.token.empty() ? "" : fmt::format(" --header \"Authorization: Bearer {}\"", entry.token);
    const std::string words = join_words(entry.command);
    const char* scope_name = scope == AgentScope::user ? "user" : "project";
    if (agent.name == "claude-code")
        return is_http ? fmt::format("claude mcp add --transport http --scope {} {} {}{}", scope_name, entry.name,
                                     entry.url, header)
                       : fmt::format("claude mcp add --scope {} {} -- {}", scope_name, entry.name, words);
    if (agent.name == "gemini") {
        if (is_http)
            return fmt::format("gemini mcp add --transport http --scope {} {} {}{}", scope_name, entry.name, entry.url,
                               header);
        // It would take the flags of our program for its own.
        const bool has_flags = std::any_of(entry.command.begin(), entry.command.end(),
                                           [](const std::string& word) { return word.starts_with('-'); });
        return has_flags ? std::string()
                         : fmt::format("gemini mcp add --scope {} {} {}", scope_name, entry.name, words);
    }
    // The others' commands know the user's own file alone.
    if (scope == AgentScope::project) return {};
    // Its command takes a token from a variable alone.
    if (agent.name == "codex" && !entry.token.empty()) return {};
    if (agent.name == "codex")
        return is_http ? fmt::format("codex mcp add {} --url {}", entry.name, entry.url)
                       : fmt::format("codex mcp add {} -- {}", entry.name, words);
    if (agent.name == "vscode") {
        auto members = entry_members(agent, entry);
        members.insert(members.begin(), AgentMember("name", entry.name));
        return fmt::format("code --add-mcp {}", base::shell_quote(join_object(members)));
    }
    return {};
}

std::string place_text(const Agent& agent, std::string_view name) {
    return agent.syntax == AgentSyntax::json ? fmt::format("{} of \"{}\"", quote_text(name), agent.table)
                                             : fmt::format("[{}.{}]", agent.table, name);
}

std::string by_hand_text(const Agent& agent, const AgentEntry& entry) {
    const auto members = entry_members(agent, entry);
    if (agent.syntax == AgentSyntax::json)
        return fmt::format("{}:{} into \"{}\"", quote_text(entry.name), join_object(members), agent.table);
    std::string out;
    for (const auto& member : members)
        out += fmt::format("{}{} = {}", out.empty() ? "" : " and ", member.first, quote_value(member, agent.syntax));
    return fmt::format("{} into [{}.{}]", out, agent.table, entry.name);
}

std::string agent_setup_text(std::string_view endpoint, std::string_view token_file) {
    AgentEntry entry;
    entry.name = "persistproc";
    entry.url = endpoint;
    if (!token_file.empty()) entry.token = shown_token;
    std::size_t width = 0;
    for (const Agent& agent : agents) width = std::max(width, agent.title.size());
    std::string out =
        "Add it to an agent with `persistproc setup CLIENT`, which lets it start the daemon, too, or by its URL:\n";
    for (const Agent& agent : agents) {
        std::string how = agent_command(agent, entry, AgentScope::user);
        if (how.empty())
            how = agent.syntax == AgentSyntax::json
                      ? fmt::format("in {}: {{{}:{{{}:{}}}}}", agent.user_file, quote_text(agent.table),
                                    quote_text(entry.name), join_object(entry_members(agent, entry)))
                      : fmt::format("{} in {}", by_hand_text(agent, entry), agent.user_file);
        out += fmt::format("  {:<{}}  {}\n", agent.title, width, how);
    }
    if (!token_file.empty()) out += fmt::format("TOKEN is what stands in {}\n", token_file);
    return out;
}

}  // namespace persistproc::ops
