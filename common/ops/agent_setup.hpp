#pragma once
/// The agents (MCP clients) we know: where each keeps its servers and what an entry for us looks like there. The one
/// source of what `serve` prints, what `setup` writes and what `doctor` expects. Pure; nothing here touches a file.
/// Source: mcp-protocol.md §17 and the agents' own documentation.
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace persistproc::ops {

enum class AgentScope { user, project };
enum class AgentSyntax { json, toml };

struct Agent {
    std::string_view name = {};     // as `setup` takes it
    std::string_view alias = {};    // another name it takes; may be empty
    std::string_view title = {};    // as people know it
    std::string_view program = {};  // its command, where it is installed
    AgentSyntax syntax = AgentSyntax::json;
    std::string_view table = {};                  // the member at the top of the file that holds the servers
    std::string_view url_member = {};             // what the URL of a streamable HTTP server is called
    std::string_view http_type = {};              // "type" beside a URL; empty: none is written
    std::string_view stdio_type = {};             // "type" beside a command; empty: none is written
    std::string_view headers_member = "headers";  // what the fields sent with each request stand in
    std::string_view user_file = {};              // "~/…"
    std::string_view variable = {};               // environment variable that moves `moved_folder`; may be empty
    std::string_view moved_folder = {};
    std::string_view project_file = {};  // below the project's folder; empty: the agent has none
    std::string_view next_step = {};     // what makes it see the entry
};

/// All of them, in the order they are shown.
std::span<const Agent> known_agents() noexcept;

/// By name or alias; nullptr: there is none of that name.
const Agent* find_agent(std::string_view name) noexcept;

/// Our entry in an agent's file: a URL, or a command for the stdio form.
struct AgentEntry {
    std::string name;                  // letters, digits, '-' and '_'
    std::string url;                   // of the HTTP form
    std::vector<std::string> command;  // of the stdio form: program and arguments; empty: the HTTP form
    std::string token;                 // that the HTTP form shows; empty: none is asked for
};

/// What stands in an entry that is shown, where the token stands in one that is written.
inline constexpr std::string_view shown_token = "TOKEN";

using AgentHeaders = std::vector<std::pair<std::string, std::string>>;
using AgentMember = std::pair<std::string, std::variant<std::string, std::vector<std::string>, AgentHeaders>>;

/// What the entry consists of for this agent, in the order it is written. Texts must be UTF-8.
std::vector<AgentMember> entry_members(const Agent& agent, const AgentEntry& entry);

/// A text as a JSON string, which is a TOML basic string too.
std::string quote_text(std::string_view text);
/// A member's value, as the syntax writes it.
std::string quote_value(const AgentMember& member, AgentSyntax syntax);

/// The agent's own command that adds the entry, as typed into a shell; empty: it has none for this entry and scope.
std::string agent_command(const Agent& agent, const AgentEntry& entry, AgentScope scope);

/// Where the entry stands, to be taken out by hand: `"persistproc" of "mcpServers"`.
std::string place_text(const Agent& agent, std::string_view name);

/// The entry on one line, to be put into the file by hand: `"persistproc":{"url":"…"} into "mcpServers"`.
std::string by_hand_text(const Agent& agent, const AgentEntry& entry);

/// How to add the daemon at `endpoint` ("http://127.0.0.1:8947/mcp") to each of them: a command where the agent has
/// one, else the file and what belongs into it. `token_file`: where the token is that agents must show; empty: none.
/// Several lines, ended by a newline; holds no secret.
std::string agent_setup_text(std::string_view endpoint, std::string_view token_file);

}  // namespace persistproc::ops
