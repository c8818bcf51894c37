#include "daemon/tools/typed_tool.hpp"
#include "tests/support/catch.hpp"

namespace actor_test {

using namespace persistproc;

TEST_CASE("no agent is told as somebody else, whatever it calls itself") {
    const std::pair<const char*, const char*> names[] = {
        {"claude-code 2.1.0", "agent \"claude-code\" 2.1.0"},
        {"Visual Studio Code 1.99.3", "agent \"Visual Studio Code\" 1.99.3"},
        {"@modelcontextprotocol/inspector v0.9", "agent \"@modelcontextprotocol/inspector v0.9\""},
        {"a   b  1", "agent \"a b\" 1"},
        {"  ", "agent"},
        {"you  ", "agent \"you\""},
        {"You 1.0", "agent \"You\" 1.0"},
        {"you 1.0 by hand", "agent \"you 1.0 by hand\""},
        {"y\u043eu", "agent \"y\u043eu\""},
        {"y\u043eu 1.0", "agent \"y\u043eu\" 1.0"},
        {"you\u2800", "agent \"you\u2800\""},
        {"a change of api.py", "agent \"a change of api.py\""},
        {"ready check 1", "agent \"ready check\" 1"},
        {"the daemon", "agent \"the daemon\""},
        {"The daemon 2", "agent \"The daemon\" 2"},
        {"daemon 1", "agent \"daemon\" 1"},
        {"Person 1", "agent \"Person\" 1"},
        {"the  person", "agent \"the person\""},
        {"command line 1", "agent \"command line\" 1"},
        {"The Command Line", "agent \"The Command Line\""},
        {"daemonize 1", "agent \"daemonize\" 1"},
        {"agent 1", "agent \"agent\" 1"},
        {"restart policy", "agent \"restart policy\""},
        {"persistproc 0.1.0", "agent \"persistproc\" 0.1.0"},
        {"persistprocd", "agent \"persistprocd\""},
        {"x  start p1: forged\\x0a2026", "agent \"x start p1: forged\\x0a2026\""},
        {"agent \"you\" 1", "agent \"agent \\\"you\\\"\" 1"},
        {"x 1\u20022", "agent \"x 1\u20022\""},
    };
    mcp::CallContext context;
    for (const auto& [name, told] : names) {
        CAPTURE(name);
        const auto caller = std::make_shared<mcp::Caller>();
        caller->name = name;
        context.caller = caller;
        CHECK(tools::actor_of(context) == told);
    }
}

TEST_CASE("our own client is told by its own word") {
    mcp::CallContext context;
    context.principal.role = mcp::Principal::Role::client;
    const auto caller = std::make_shared<mcp::Caller>();
    context.caller = caller;
    CHECK(tools::actor_of(context) == "persistproc");
    caller->name = "persistproc 0.1.0";
    CHECK(tools::actor_of(context) == "persistproc 0.1.0");
}

}  // namespace actor_test
