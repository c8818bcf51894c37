#include "cli/agents/entry_check.hpp"

#include "tests/support/catch.hpp"

namespace entry_check_test {

using namespace persistproc;
using namespace persistproc::cli::agents;

namespace {

struct Row {
    const char* agent;
    const char* text;  // of the file
    Verdict verdict;
    const char* detail;  // a part of it
};

Finding checked(const char* agent_name, std::string_view text, bool daemon_answers = true, bool is_project = false) {
    const ops::Agent& agent = *ops::find_agent(agent_name);
    auto entries = find_entries(text, agent.syntax, {std::string(agent.table)});
    if (!entries) throw std::runtime_error(entries.error().message);
    Expected expected;
    expected.endpoint = "http://127.0.0.1:8947/mcp";
    expected.daemon_answers = daemon_answers;
    expected.is_project = is_project;
    expected.can_start = [](const std::string& command) { return command.ends_with("persistproc"); };
    return check_entry(agent, entries->at(0), expected, "repair it");
}

}  // namespace

TEST_CASE("what a project's entry sets beside ours is named, never approved") {
    struct Case {
        const char* agent;
        const char* text;
        const char* others;  // empty: it is fine
    };
    const Case cases[] = {
        {"cursor", R"({"mcpServers":{"p":{"command":"persistproc","args":["mcp"],"env":{"LD_PRELOAD":"/s3cret.so"}}}})",
         "\"env\""},
        {"cursor", R"({"mcpServers":{"p":{"command":"persistproc","args":["mcp"],"envFile":"/e","cwd":"/s3cret"}}})",
         "\"envFile\" and \"cwd\""},
        {"claude", R"({"mcpServers":{"p":{"command":"persistproc","args":["mcp"],"env":{"A":7}}}})", "\"env\""},
        {"claude",
         R"({"mcpServers":{"p":{"type":"http","url":"http://127.0.0.1:8947/mcp","headersHelper":"/s3cret"}}})",
         "\"headersHelper\""},
        {"vscode", R"({"servers":{"p":{"type":"stdio","command":"persistproc","args":["mcp"],"dev":{"watch":"*"}}}})",
         "\"dev\""},
        {"gemini", R"({"mcpServers":{"p":{"command":"persistproc","args":["mcp"],"trust":true}}})", "\"trust\""},
        {"zed", R"({"context_servers":{"p":{"command":"persistproc","args":["mcp"],"env":{"PATH":"/s3cret"}}}})",
         "\"env\""},
        {"codex",
         "[mcp_servers.p]\ncommand = \"persistproc\"\nargs = [\"mcp\"]\n[mcp_servers.p.env]\nPATH = \"s3cret\"\n",
         "\"env\""},
        {"codex", "[mcp_servers.p]\ncommand = \"persistproc\"\nargs = [\"mcp\"]\nenv_vars = [\"LD_PRELOAD\"]\n",
         "\"env_vars\""},
        {"codex", "[mcp_servers.p]\ncommand = \"persistproc\"\nargs = [\"mcp\"]\nstartup_timeout_sec = 20\n", ""},
        {"cursor", R"({"mcpServers":{"p":{"command":"persistproc","args":["mcp"],"env":{},"disabled":false}}})", ""},
        {"cursor", R"({"mcpServers":{"p":{"url":"http://127.0.0.1:8947/mcp","headers":{"X":"y"}}}})", ""},
    };
    for (const Case& each : cases) {
        CAPTURE(each.agent, each.text);
        const std::string others = each.others;
        const Finding finding = checked(each.agent, each.text, true, true);
        CHECK((finding.verdict == Verdict::ok) == others.empty());
        CHECK((finding.verdict == Verdict::problem) != others.empty());
        CHECK(finding.detail.find(others) != std::string::npos);
        CHECK(finding.detail.find("s3cret") == std::string::npos);
        // In a file of the user's own it is the user's word.
        CHECK(checked(each.agent, each.text).verdict == Verdict::ok);
        const auto fine = check_project_entry(each.text, *ops::find_agent(each.agent), "p");
        REQUIRE(fine.has_value() == others.empty());
        if (fine) continue;
        CHECK(fine.error().code == ErrorCode::conflict);
        CHECK(fine.error().message.find(others) != std::string::npos);
        CHECK(fine.error().message.find("s3cret") == std::string::npos);
    }
    CHECK(check_project_entry(cases[0].text, *ops::find_agent("cursor"), "other").has_value());
    const char* text = R"({"mcpServers":{"p":{"command":"./persistproc","args":["mcp"]}}})";
    CHECK(checked("cursor", text, true, true).verdict == Verdict::note);
}

TEST_CASE("what is wrong with an entry is said in words") {
    const std::vector<Row> rows = {
        {"cursor", R"({"mcpServers":{"p":{"url":"http://127.0.0.1:8947/mcp"}}})", Verdict::ok, "127.0.0.1:8947"},
        {"cursor", R"({"mcpServers":{"p":{"url":"http://127.0.0.1:8947/mcp/"}}})", Verdict::ok, "127.0.0.1:8947"},
        {"cursor", R"({"mcpServers":{"p":{"url":"http://127.0.0.1:9000/mcp"}}})", Verdict::problem, "serves at"},
        {"cursor", R"({"mcpServers":{"p":{"url":"http://localhost:8947/mcp"}}})", Verdict::note, "::1"},
        {"cursor", R"({"mcpServers":{"p":{"url":"http://[::1]:8947/mcp"}}})", Verdict::problem, "127.0.0.1 alone"},
        {"cursor", R"({"mcpServers":{"p":{"url":"https://127.0.0.1:8947/mcp"}}})", Verdict::problem, "http alone"},
        {"cursor", R"({"mcpServers":{"p":{"url":"http://127.0.0.1:8947/sse"}}})", Verdict::problem, "/mcp"},
        {"cursor", R"({"mcpServers":{"p":{"url":"http://box:8947/mcp"}}})", Verdict::note, "another machine"},
        {"cursor", R"({"mcpServers":{"p":{"url":"8947"}}})", Verdict::problem, "no URL"},
        {"cursor", R"({"mcpServers":{"p":{"url":7}}})", Verdict::problem, "no URL"},
        {"cursor", R"({"mcpServers":{"p":7}})", Verdict::problem, "no table"},
        {"cursor", R"({"mcpServers":{"p":{}}})", Verdict::problem, "neither a URL nor a command"},
        {"cursor", R"({"mcpServers":{"p":{"url":"x","command":"y"}}})", Verdict::problem, "a URL and a command"},
        {"cursor", R"({"mcpServers":{"p":{"type":"sse","url":"http://127.0.0.1:8947/mcp"}}})", Verdict::problem,
         "must be \"http\""},
        {"claude", R"({"mcpServers":{"p":{"url":"http://127.0.0.1:8947/mcp"}}})", Verdict::problem,
         "\"type\": \"http\" is missing"},
        {"claude", R"({"mcpServers":{"p":{"type":"http","url":"http://127.0.0.1:8947/mcp"}}})", Verdict::ok, ""},
        {"claude", R"({"mcpServers":{"p":{"type":"stdio","command":"persistproc","args":["mcp"]}}})", Verdict::ok, ""},
        {"vscode", R"({"servers":{"p":{"command":"persistproc","args":["mcp"]}}})", Verdict::problem,
         "\"type\": \"stdio\" is missing"},
        {"gemini", R"({"mcpServers":{"p":{"url":"http://127.0.0.1:8947/mcp"}}})", Verdict::problem, "\"httpUrl\""},
        {"gemini", R"({"mcpServers":{"p":{"type":"http","url":"http://127.0.0.1:8947/mcp"}}})", Verdict::ok, ""},
        {"gemini", R"({"mcpServers":{"p":{"httpUrl":"http://127.0.0.1:8947/mcp"}}})", Verdict::ok, ""},
        {"windsurf", R"({"mcpServers":{"p":{"serverUrl":"http://127.0.0.1:8947/mcp"}}})", Verdict::ok, ""},
        {"windsurf", R"({"mcpServers":{"p":{"url":"http://127.0.0.1:8947/mcp"}}})", Verdict::ok, ""},
        {"windsurf", R"({"mcpServers":{"p":{"httpUrl":"http://127.0.0.1:8947/mcp"}}})", Verdict::problem, "serverUrl"},
        {"zed", R"({"context_servers":{"p":{"command":"gone","args":["mcp"]}}})", Verdict::problem, "is not found"},
        {"zed", R"({"context_servers":{"p":{"command":{"path":"persistproc"}}}})", Verdict::problem, "no text"},
        {"zed", R"({"context_servers":{"p":{"command":"persistproc"}}})", Verdict::problem, "without the argument"},
        {"zed", R"({"context_servers":{"p":{"command":"${HOME}/x","args":["mcp"]}}})", Verdict::ok, ""},
        {"zed", R"({"context_servers":{"p":{"enabled":false,"command":"persistproc","args":["mcp"]}}})", Verdict::note,
         "switched off"},
        {"codex", "[mcp_servers.p]\nurl = \"http://127.0.0.1:8947/mcp\"\n", Verdict::ok, ""},
        {"codex", "[mcp_servers.p]\nurl = \"http://127.0.0.1:8947/mcp\"\n[mcp_servers.p.env]\nA = \"s3cret\"\n",
         Verdict::note, "\"env\" is for a command"},
        {"codex", "[[mcp_servers.p]]\nurl = \"x\"\n", Verdict::problem, "no table"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.agent, row.text);
        const Finding finding = checked(row.agent, row.text);
        CHECK(finding.verdict == row.verdict);
        CHECK(finding.detail.find(row.detail) != std::string::npos);
        if (row.verdict == Verdict::problem) CHECK(finding.advice == "repair it");
        CHECK(finding.detail.find("s3cret") == std::string::npos);
    }
}

TEST_CASE("without a daemon another port is no more than a note") {
    CHECK(checked("cursor", R"({"mcpServers":{"p":{"url":"http://127.0.0.1:9000/mcp"}}})", false).verdict ==
          Verdict::note);
}

TEST_CASE("where the daemon asks for a token, an entry that does not show it is told") {
    const auto check = [](const char* agent_name, const std::string& member) {
        const ops::Agent& agent = *ops::find_agent(agent_name);
        const std::string text = agent.syntax == ops::AgentSyntax::json
                                     ? R"({"mcpServers":{"p":{"url":"http://127.0.0.1:8947/mcp")" +
                                           (member.empty() ? "" : "," + member) + "}}}"
                                     : "[mcp_servers.p]\nurl = \"http://127.0.0.1:8947/mcp\"\n" + member + "\n";
        const auto entries = find_entries(text, agent.syntax, {std::string(agent.table)});
        Expected expected;
        expected.endpoint = "http://127.0.0.1:8947/mcp";
        expected.daemon_answers = true;
        expected.needs_token = true;
        expected.token = "s3cret";
        const Finding finding = check_entry(agent, entries.value().at(0), expected, "repair it");
        CHECK(finding.detail.find("s3cret") == std::string::npos);
        return finding.verdict == Verdict::ok ? std::string("ok") : finding.detail;
    };
    CHECK(check("cursor", "").ends_with("it shows none"));
    CHECK(check("cursor", R"("headers":{"A":"b"})").ends_with("it shows none"));
    CHECK(check("cursor", R"("headers":{"Authorization":"Bearer s3cret"})") == "ok");
    CHECK(
        check("cursor", R"("headers":{"authorization":"Bearer other"})").ends_with("another token than the daemon's"));
    CHECK(check("cursor", R"("headers":{"Authorization":"Bearer ${env:TOKEN}"})") == "ok");
    CHECK(check("codex", "bearer_token_env_var = \"X\"") == "ok");
    CHECK(check("codex", "[mcp_servers.p.http_headers]\nAuthorization = \"Bearer s3cret\"") == "ok");
    CHECK(check("codex", "").ends_with("it shows none"));
}

TEST_CASE("secrets in a URL are not shown") {
    const Finding finding =
        checked("cursor", R"({"mcpServers":{"p":{"url":"http://me:s3cret@127.0.0.1:9/mcp?token=s3cret#s3cret"}}})");
    CHECK(finding.detail.find("s3cret") == std::string::npos);
    CHECK(finding.detail.find("http://127.0.0.1:9/mcp") == 0);
}

TEST_CASE("an entry is ours by its name, its URL or its command") {
    Expected expected;
    expected.endpoint = "http://127.0.0.1:8947/mcp";
    const auto found = find_entries(
        R"({"mcpServers":{"persistproc":{},"a":{"httpUrl":"http://127.0.0.1:8947/mcp"},"b":{"command":"/opt/persistproc"},)"
        R"("c":{"url":"http://127.0.0.1:1/mcp"},"d":{"command":"persistprocd"}}})",
        ops::AgentSyntax::json, {"mcpServers"});
    REQUIRE(found);
    std::string ours;
    for (const FoundEntry& entry : *found)
        if (is_ours(entry, expected)) ours += entry.name + " ";
    CHECK(ours == "persistproc a b ");
}

}  // namespace entry_check_test
