#include "common/ops/agent_setup.hpp"

#include "tests/support/catch.hpp"

namespace agent_setup_test {

using namespace persistproc;
using namespace persistproc::ops;

namespace {

AgentEntry http_entry() {
    AgentEntry entry;
    entry.name = "persistproc";
    entry.url = "http://127.0.0.1:8947/mcp";
    return entry;
}

AgentEntry stdio_entry(std::vector<std::string> command = {"persistproc", "mcp"}) {
    AgentEntry entry;
    entry.name = "persistproc";
    entry.command = std::move(command);
    return entry;
}

std::string command_of(const char* agent, const AgentEntry& entry, AgentScope scope = AgentScope::user) {
    return agent_command(*find_agent(agent), entry, scope);
}

}  // namespace

TEST_CASE("agents are found by name and alias") {
    CHECK(known_agents().size() == 7);
    for (const auto& [word, name] : std::vector<std::pair<const char*, const char*>>{{"claude", "claude-code"},
                                                                                     {"claude-code", "claude-code"},
                                                                                     {"code", "vscode"},
                                                                                     {"gemini-cli", "gemini"},
                                                                                     {"zed", "zed"}}) {
        REQUIRE(find_agent(word) != nullptr);
        CHECK(find_agent(word)->name == name);
    }
    CHECK(find_agent("") == nullptr);
    CHECK(find_agent("emacs") == nullptr);
}

TEST_CASE("agents' own commands") {
    const std::string url = "http://127.0.0.1:8947/mcp";
    CHECK(command_of("claude", http_entry()) == "claude mcp add --transport http --scope user persistproc " + url);
    CHECK(command_of("claude", http_entry(), AgentScope::project) ==
          "claude mcp add --transport http --scope project persistproc " + url);
    CHECK(command_of("claude", stdio_entry()) == "claude mcp add --scope user persistproc -- persistproc mcp");
    CHECK(command_of("codex", http_entry()) == "codex mcp add persistproc --url " + url);
    CHECK(command_of("codex", stdio_entry({"/a b/persistproc", "mcp"})) ==
          "codex mcp add persistproc -- '/a b/persistproc' mcp");
    CHECK(command_of("codex", http_entry(), AgentScope::project) == "");
    CHECK(command_of("gemini", http_entry()) == "gemini mcp add --transport http --scope user persistproc " + url);
    CHECK(command_of("gemini", stdio_entry({"persistproc", "mcp", "--port", "1"})) == "");
    CHECK(command_of("vscode", http_entry()) ==
          "code --add-mcp '{\"name\":\"persistproc\",\"type\":\"http\",\"url\":\"" + url + "\"}'");
    CHECK(command_of("cursor", http_entry()) == "");
}

TEST_CASE("what serve prints names every agent") {
    const std::string text = agent_setup_text("http://127.0.0.1:1/mcp", "");
    CHECK(text.find("TOKEN") == std::string::npos);
    for (const Agent& agent : known_agents()) CHECK(text.find(agent.title) != std::string::npos);
    CHECK(
        text.find("in ~/.cursor/mcp.json: {\"mcpServers\":{\"persistproc\":{\"url\":\"http://127.0.0.1:1/mcp\"}}}\n") !=
        std::string::npos);
    CHECK(text.find("persistproc setup CLIENT") != std::string::npos);
}

TEST_CASE("where a token is asked for, each entry has a place for it, and none has it") {
    const std::string text = agent_setup_text("http://127.0.0.1:1/mcp", "/data/token");
    std::size_t places = 0;
    for (std::size_t at = 0; (at = text.find("Bearer TOKEN", at)) != std::string::npos; ++at) ++places;
    CHECK(places == known_agents().size());
    CHECK(text.ends_with("TOKEN is what stands in /data/token\n"));
    CHECK(text.find("http_headers = {\"Authorization\" = \"Bearer TOKEN\"}") != std::string::npos);
    CHECK(text.find("--header \"Authorization: Bearer TOKEN\"") != std::string::npos);
}

TEST_CASE("texts are quoted for JSON and TOML alike") {
    CHECK(quote_text("a\"b\\c\x01\x7f\n") == "\"a\\\"b\\\\c\\u0001\\u007f\\n\"");
    CHECK(by_hand_text(*find_agent("codex"), http_entry()) ==
          "url = \"http://127.0.0.1:8947/mcp\" into [mcp_servers.persistproc]");
    CHECK(by_hand_text(*find_agent("gemini"), http_entry()) ==
          "\"persistproc\":{\"httpUrl\":\"http://127.0.0.1:8947/mcp\"} into \"mcpServers\"");
}

}  // namespace agent_setup_test
