// The dispatcher over the in-memory transport: what both ends see is the text a wire would carry.
#include "common/mcp/server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <set>
#include <stdexcept>

#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/memory_transport.hpp"

namespace server_test {

using namespace persistproc;
using namespace persistproc::mcp;
using Catch::Matchers::Contains;

namespace {

/// Runs until nothing can move without time or input.
void settle(boost::asio::io_context& io) {
    io.restart();
    io.poll();
}

struct Fixture {
    boost::asio::io_context io{1};
    tests::FakeClock clock{io.get_executor()};
    ServerLimits limits;
    Server server{io.get_executor(), clock, ServerInfo{"srv", "Server", "9", "Use it."}, limits};
    async::Notifier gate{io.get_executor()};
    int started = 0;
    int ended = 0;
    CallContext seen;
    std::unique_ptr<tests::Transport> client;
    async::TaskGroup tasks{io.get_executor()};

    static constexpr async::Turns::Bounds few{.places = 2, .per_party = 2, .waiting_per_party = 3};

    explicit Fixture(Principal::Role role = Principal::Role::agent, async::Turns::Bounds agent_calls = few)
        : limits{.agent_calls = agent_calls, .client_calls = {.places = 1, .per_party = 1, .waiting_per_party = 3}} {
        server.add_tool(tool("echo"), [](Json arguments, CallContext) { return echo(std::move(arguments)); });
        server.add_tool(tool("hold"), [this](Json, CallContext context) { return hold(std::move(context)); });
        server.add_tool(tool("throws"), [](Json, CallContext) { return throws(); });
        server.add_tool(tool("throws_early"),
                        [](Json, CallContext) -> Task<ToolResult> { throw std::runtime_error("early"); });
        auto secret = tool("secret");
        secret.client_only = true;
        server.add_tool(std::move(secret), [](Json arguments, CallContext) { return echo(std::move(arguments)); });
        auto ends = tests::make_memory_transport(io.get_executor());
        client = std::move(ends.first);
        tasks.spawn("serve", tests::serve(server, std::move(ends.second), role));
    }
    ~Fixture() {
        client.reset();
        gate.notify_all();
        settle(io);
    }

    static ToolDefinition tool(std::string name) {
        ToolDefinition out;
        out.name = std::move(name);
        out.title = "T";
        out.description = "D";
        out.input_schema = Json{{"type", "object"}};
        return out;
    }
    static Task<ToolResult> echo(Json arguments) {
        ToolResult out;
        out.text = arguments.dump();
        out.structured = std::move(arguments);
        out.meta = Json{{"k", 1}};
        co_return out;
    }
    Task<ToolResult> hold(CallContext context) {
        ++started;
        seen = context;
        struct Count {
            int& n;
            ~Count() { ++n; }
        };
        const Count count{ended};
        co_await gate.wait();
        ToolResult out;
        out.text = "held";
        co_return out;
    }
    static Task<ToolResult> throws() {
        throw std::logic_error("a bug");
        co_return ToolResult{};
    }

    /// What came back for `text`, one message per line.
    std::string send(std::string text) {
        client->write(std::move(text));
        settle(io);
        std::string out;
        // Reads what is there; the last, unanswered read is withdrawn with the transport.
        while (!peeked.empty() || poll_one()) {
            if (!out.empty()) out += '\n';
            out += peeked.front();
            peeked.erase(peeked.begin());
        }
        return out;
    }
    std::vector<std::string> peeked;
    bool reading = false;
    bool poll_one() {
        if (!reading) {
            reading = true;
            boost::asio::co_spawn(io, client->read(), [this](std::exception_ptr, std::optional<std::string> text) {
                reading = false;
                if (text) peeked.push_back(std::move(*text));
            });
        }
        settle(io);
        return !peeked.empty();
    }
    std::string initialize(std::string_view version) {
        return send(R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":")" +
                    std::string(version) +
                    R"(","capabilities":{},"clientInfo":{"name":"cli\u001bent","version":"2"}}})");
    }
    std::string call(std::string_view tool_name, std::string_view rest = "", std::string_view id = "1") {
        return send(R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":"tools/call","params":{"name":")" +
                    std::string(tool_name) + "\"" + std::string(rest) + "}}");
    }
};

constexpr const char* revisions[] = {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"};

}  // namespace

TEST_CASE("initialize echoes every revision it knows, else offers the newest") {
    Fixture f;
    for (const char* revision : revisions)
        CHECK_THAT(f.initialize(revision), Contains(R"("protocolVersion":")" + std::string(revision) + "\""));
    CHECK_THAT(f.initialize("2026-07-28"), Contains(R"("protocolVersion":"2025-11-25")"));
    CHECK(f.initialize("2025-06-18") ==
          R"({"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},)"
          R"("serverInfo":{"name":"srv","title":"Server","version":"9"},"instructions":"Use it."}})");
    CHECK_THAT(f.send(R"({"jsonrpc":"2.0","id":1,"method":"initialize"})"), Contains("-32602"));
}

TEST_CASE("every method answers alike in every revision") {
    for (const char* revision : revisions) {
        INFO(revision);
        Fixture f;
        f.initialize(revision);
        CHECK(f.send(R"({"jsonrpc":"2.0","method":"notifications/initialized"})").empty());
        CHECK(f.send(R"({"jsonrpc":"2.0","method":"notifications/roots/list_changed"})").empty());
        CHECK(f.send(R"({"jsonrpc":"2.0","id":9,"result":{}})").empty());
        CHECK(f.send(R"({"jsonrpc":"2.0","id":"p","method":"ping"})") == R"({"jsonrpc":"2.0","id":"p","result":{}})");
        for (const char* method :
             {"logging/setLevel", "resources/list", "resources/templates/list", "resources/read", "prompts/list",
              "prompts/get", "completion/complete", "server/discover", "tasks/get", "nonsense"}) {
            CHECK_THAT(f.send(R"({"jsonrpc":"2.0","id":2,"method":")" + std::string(method) + R"("})"),
                       Contains(R"("id":2)") && Contains("-32601"));
        }
        const auto tools = *read_json(f.send(R"({"jsonrpc":"2.0","id":3,"method":"tools/list","params":{}})"));
        REQUIRE(tools["result"]["tools"].size() == 4);
        CHECK(tools["result"]["tools"][0].dump() ==
              R"({"name":"echo","title":"T","description":"D","inputSchema":{"type":"object"},"annotations":)"
              R"({"readOnlyHint":false,"destructiveHint":false,"idempotentHint":false,"openWorldHint":false}})");
        CHECK_THAT(f.send(R"({"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"cursor":"x"}})"),
                   Contains("-32602"));
        CHECK(
            f.call("echo", R"(,"arguments":{"a":"é"})") ==
            R"({"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\"a\":\"é\"}"}],"structuredContent":{"a":"é"},"_meta":{"k":1}}})");
        const std::string batch = f.send(R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])");
        if (std::string(revision) == "2025-03-26")
            CHECK(batch == R"([{"jsonrpc":"2.0","id":1,"result":{}}])");
        else
            CHECK_THAT(batch, Contains("-32600"));
    }
}

TEST_CASE("calls that are no calls") {
    Fixture f;
    CHECK_THAT(f.call("nothing"), Contains("-32602") && Contains("Unknown tool: nothing"));
    CHECK_THAT(f.call("echo", R"(,"arguments":[1])"), Contains("-32602"));
    CHECK_THAT(f.call("echo", R"(,"arguments":"a")"), Contains("-32602"));
    CHECK_THAT(f.call("echo"), Contains(R"("text":"{}")"));
    CHECK_THAT(f.send(R"({"jsonrpc":"2.0","id":1,"method":"tools/call"})"), Contains("-32602"));
    CHECK_THAT(f.send(R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}})"), Contains("-32602"));
    CHECK_THAT(f.send("{\"jsonrpc\""), Contains("-32700") && Contains(R"("id":null)"));
    CHECK_THAT(f.send("[]"), Contains("-32600"));
    CHECK_THAT(f.send(R"({"jsonrpc":"2.0","id":1,"method":"ping","params":[]})"),
               Contains("-32602") && Contains(R"("id":1)"));
    CHECK(f.send(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":[]})").empty());
}

TEST_CASE("a tool for the client alone is unknown to agents") {
    Fixture agent;
    CHECK_THAT(agent.call("secret"), Contains("-32602") && Contains("Unknown tool: secret"));
    CHECK_THAT(agent.send(R"({"jsonrpc":"2.0","id":3,"method":"tools/list"})"), !Contains("secret"));
    Fixture client(Principal::Role::client);
    CHECK_THAT(client.call("secret"), Contains("content"));
    CHECK_THAT(client.send(R"({"jsonrpc":"2.0","id":3,"method":"tools/list"})"), Contains("secret"));
}

TEST_CASE("an exception of a tool is an internal error that gives nothing away") {
    Fixture f;
    CHECK(f.call("throws") ==
          R"({"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Internal error in throws"}})");
    CHECK(f.call("throws_early") ==
          R"({"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Internal error in throws_early"}})");
    CHECK(f.server.open_calls() == 0);
}

TEST_CASE("progress rises, carries the token, and ends with the response") {
    Fixture f;
    f.initialize("2025-06-18");
    CHECK(f.call("hold", R"(,"_meta":{"progressToken":"t"})").empty());
    REQUIRE(f.seen.wants_progress());
    CHECK(f.seen.caller->name == "cli\\x1bent 2");
    f.seen.progress(1, 4.0, "one");
    f.seen.progress(1, 4.0, "again");
    f.seen.progress(0.5, 4.0, "back");
    f.seen.progress(2.5, std::nullopt, "");
    CHECK(
        f.send(R"({"jsonrpc":"2.0","method":"x"})") ==
        R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1,"total":4,"message":"one"}})"
        "\n"
        R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":2.5}})");
    f.gate.notify_all();
    CHECK_THAT(f.send(R"({"jsonrpc":"2.0","method":"x"})"), Contains("held"));
    f.seen.progress(3, std::nullopt, "late");
    CHECK(f.send(R"({"jsonrpc":"2.0","method":"x"})").empty());
}

TEST_CASE("without a token there is no progress") {
    Fixture f;
    f.call("hold");
    CHECK(!f.seen.wants_progress());
}

TEST_CASE("cancelling ends the call without a response") {
    Fixture f;
    CHECK(f.call("hold", "", "\"c\"").empty());
    CHECK(f.send(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"other"}})").empty());
    CHECK(f.ended == 0);
    CHECK(f.send(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"c"}})").empty());
    CHECK(f.ended == 1);
    CHECK(f.server.open_calls() == 0);
    for (const char* odd : {R"({"requestId":{}})", R"({})", R"([])"})
        CHECK(f.send(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":)" + std::string(odd) + "}")
                  .empty());
}

TEST_CASE("calls beyond the bound wait for their turn") {
    Fixture f;
    f.call("hold", "", "1");
    f.call("hold", "", "2");
    CHECK(f.call("echo", "", "3").empty());
    CHECK(f.call("echo", "", "4").empty());
    CHECK(f.started == 2);
    CHECK(f.server.open_calls() == 4);
    CHECK(f.send(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":4}})").empty());
    CHECK(f.send(R"({"jsonrpc":"2.0","id":5,"method":"ping"})") == R"({"jsonrpc":"2.0","id":5,"result":{}})");
    f.gate.notify_all();
    const std::string rest = f.send(R"({"jsonrpc":"2.0","method":"x"})");
    CHECK_THAT(rest, Contains(R"("id":1)") && Contains(R"("id":2)") && Contains(R"("id":3)") && !Contains(R"("id":4)"));
    CHECK(f.server.open_calls() == 0);
}

TEST_CASE("a call waits for its turn no longer than its caller would") {
    Fixture f(Principal::Role::agent, {.places = 1, .per_party = 1, .waiting_per_party = 9});
    auto patient = Fixture::tool("patient");
    patient.patience = [](const Json& arguments, Audience) -> std::optional<std::chrono::nanoseconds> {
        return std::chrono::seconds(arguments.value("seconds", 0));
    };
    f.server.add_tool(std::move(patient), [&f](Json, CallContext context) { return f.hold(std::move(context)); });
    f.initialize("2025-06-18");
    f.call("hold", "", "1");
    CHECK(f.call("patient", R"(,"arguments":{"seconds":2})", "2").empty());
    CHECK(f.call("patient", R"(,"arguments":{"seconds":2})", "3").empty());
    CHECK(f.call("patient", R"(,"arguments":{"seconds":4})", "4").empty());
    CHECK(f.send(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}})").empty());
    f.clock.advance(std::chrono::seconds(2));
    const std::string over = f.send(R"({"jsonrpc":"2.0","method":"x"})");
    CHECK_THAT(over, Contains(R"("id":2)") && Contains("limit: ") && !Contains(R"("id":3)") && !Contains(R"("id":4)"));
    f.gate.notify_all();
    CHECK_THAT(f.send(R"({"jsonrpc":"2.0","method":"x"})"), Contains(R"("id":1)") && !Contains(R"("id":4)"));
    CHECK(f.started == 2);
    CHECK(f.seen.arrived < f.clock.now());
    // Its time in the line is over: it is not looked at any more.
    CHECK(f.clock.sleepers() == 0);
    f.clock.advance(std::chrono::seconds(9));
    f.gate.notify_all();
    CHECK_THAT(f.send(R"({"jsonrpc":"2.0","method":"x"})"), Contains(R"("id":4)") && Contains("held"));
    CHECK(f.server.open_calls() == 0);
}

TEST_CASE("where places are scarce, a call comes in when its process has been found") {
    Fixture f(Principal::Role::agent, {.places = 2, .per_party = 2, .per_group = 1, .waiting_per_party = 3});
    f.initialize("2025-06-18");
    async::Notifier found(f.io.get_executor());
    int asked = 0;
    const auto look = [](async::Notifier& until) -> Task<pid_t> {
        co_await until.wait();
        co_return 7;
    };
    f.server.set_process_finder([&](Principal) {
        ++asked;
        return look(found);
    });
    f.call("hold", "", "1");
    CHECK(asked == 0);
    f.call("hold", "", "2");
    f.call("hold", "", "3");
    CHECK(asked == 2);
    CHECK(f.started == 1);
    CHECK(f.send(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}})").empty());
    CHECK(f.server.open_calls() == 2);
    found.notify_all();
    settle(f.io);
    // The process has its share.
    CHECK(f.started == 1);
    f.gate.notify_all();
    settle(f.io);
    CHECK(f.started == 2);
    f.gate.notify_all();
    settle(f.io);
    CHECK(f.server.open_calls() == 0);
    CHECK(f.ended == 2);
}

TEST_CASE("a queue that is full refuses one more call, and that one alone") {
    Fixture f;
    for (const char* id : {"1", "2", "3", "4", "5"}) CHECK(f.call("hold", "", id).empty());
    CHECK_THAT(f.call("echo", "", "6"),
               Contains(R"("id":6)") && Contains(R"("isError":true)") && Contains("limit: too many calls"));
    CHECK(f.server.open_calls() == 5);
    f.send(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}})");
    CHECK(f.call("echo", "", "7").empty());
    CHECK(f.server.open_calls() == 5);
    for (int i = 0; i < 3; ++i) {
        f.gate.notify_all();
        settle(f.io);
    }
    CHECK(f.server.open_calls() == 0);
}

TEST_CASE("a batch answers once, with all responses") {
    Fixture f;
    f.initialize("2025-03-26");
    CHECK(
        f.send(
             R"([{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hold"}},{"jsonrpc":"2.0","id":2,"method":"ping"},{"x":1},{"jsonrpc":"2.0","method":"n"}])")
            .empty());
    f.gate.notify_all();
    const auto answer = *read_json(f.send(R"({"jsonrpc":"2.0","method":"x"})"));
    REQUIRE(answer.size() == 3);
    CHECK(answer[0]["error"]["code"] == -32600);
    CHECK(answer[1]["id"] == 2);
    CHECK(answer[2]["id"] == 1);
    CHECK(f.send(R"([{"jsonrpc":"2.0","method":"n"}])").empty());
    CHECK_THAT(f.send(R"([{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}])"),
               Contains("-32600"));
}

TEST_CASE("what a batch asks for together is bounded") {
    Fixture f;
    f.initialize("2025-03-26");
    const auto batch = [](std::size_t size, const std::string& one) {
        std::string out;
        for (std::size_t i = 0; i < size; ++i)
            out += (i == 0 ? "" : ",") + (R"({"jsonrpc":"2.0","id":)" + std::to_string(i) + "," + one + "}");
        return "[" + out + "]";
    };
    CHECK_THAT(f.send(batch(1001, R"("method":"ping")")), Contains("1000 messages at most"));
    const std::string text(600'000, 'x');
    const auto answer = *read_json(
        f.send(batch(10, R"("method":"tools/call","params":{"name":"echo","arguments":{"text":")" + text + "\"}}")));
    REQUIRE(answer.size() == 10);
    std::set<int> ids;
    std::size_t whole = 0, refused = 0;
    for (const auto& each : answer) {
        ids.insert(each["id"].get<int>());
        if (each.contains("result") && each["result"].contains("structuredContent")) ++whole;
        if (!each.contains("error")) continue;
        ++refused;
        CHECK_THAT(each["error"]["message"].get<std::string>(), Contains("too large together"));
    }
    CHECK(ids.size() == 10);
    // It stands twice in an answer: as text, and as structured content.
    CHECK(whole == 3);
    CHECK(refused > 0);
}

TEST_CASE("a client that leaves ends its calls") {
    Fixture f;
    f.call("hold");
    f.client->close();
    settle(f.io);
    CHECK(f.ended == 1);
    CHECK(f.server.open_calls() == 0);
}

TEST_CASE("at the end calls are waited for, then answered with an error") {
    Fixture f;
    f.call("hold", "", "1");
    bool finished = false;
    boost::asio::co_spawn(f.io, f.server.finish_calls(f.clock.now() + std::chrono::seconds(5), f.clock),
                          [&](std::exception_ptr) { finished = true; });
    settle(f.io);
    CHECK(!finished);
    f.clock.advance(std::chrono::seconds(5));
    settle(f.io);
    CHECK(finished);
    CHECK_THAT(f.send(R"({"jsonrpc":"2.0","method":"x"})"), Contains("-32603") && Contains("shutting down"));
    CHECK(f.ended == 1);
}

TEST_CASE("two tools of one name are a bug") {
    Fixture f;
    CHECK_THROWS_AS(f.server.add_tool(Fixture::tool("echo"),
                                      [](Json arguments, CallContext) { return Fixture::echo(std::move(arguments)); }),
                    std::logic_error);
}

}  // namespace server_test
