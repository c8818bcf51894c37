#include "tests/conformance/extra/modern.hpp"

#include "tests/conformance/extra/answer_with_defaults.hpp"
#include "tests/support/scripted_peer.hpp"

namespace modern_test {

using namespace persistproc;
using namespace persistproc::tests;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

struct ModernPeer : ScriptedPeer {
    explicit ModernPeer(Options how = Options()) {
        how.name = "t";
        how.version = "1";
        mcp::client::Dial dialling = [this] { return dial(); };
        conversation = std::make_shared<conformance::ModernConversation>(io.get_executor(), endpoint(),
                                                                         std::move(dialling), clock, std::move(how));
        client = std::make_unique<Client>(conversation);
    }
    std::shared_ptr<conformance::ModernConversation> conversation;
};

/// What every request carries; the id is left to the test.
void check_context(const Json& body) {
    const Json& meta = body["params"]["_meta"];
    CHECK(meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28");
    CHECK(meta["io.modelcontextprotocol/clientCapabilities"].is_object());
    CHECK(meta["io.modelcontextprotocol/clientInfo"] == Json{{"name", "t"}, {"version", "1"}});
}

const std::string complete = R"({"resultType":"complete","content":[]})";

Task<Result<Json>> accept_defaults(Json params) {
    co_return mcp::client::json_value(conformance::answer_with_defaults(params));
}

}  // namespace

TEST_CASE("a modern request carries its context in body and headers") {
    ModernPeer p;
    CHECK(p.dials == 0);
    const auto call =
        p.request("tools/call", Json{{"name", "é"}, {"arguments", {{"a", 1}}}, {"_meta", {{"traceparent", "00-1"}}}});
    const std::string text = p.hear(0);
    CHECK_THAT(text, StartsWith("POST /mcp HTTP/1.1\r\n") && Contains("MCP-Protocol-Version: 2026-07-28\r\n") &&
                         Contains("Mcp-Method: tools/call\r\n") && Contains("Mcp-Name: =?base64?w6k=?=\r\n") &&
                         !Contains("Mcp-Session-Id"));
    const Json body = Json::parse(text.substr(text.rfind("\r\n\r\n") + 4));
    check_context(body);
    CHECK(body["params"]["_meta"]["traceparent"] == "00-1");
    CHECK(body["params"]["arguments"] == Json{{"a", 1}});
    // A session is no business of this era.
    p.say(0, p.json(p.result(body["id"], complete), "Mcp-Session-Id: s-9\r\n"));
    REQUIRE(outcome(call).has_value());

    const auto read = p.request("resources/read", Json{{"uri", "x://a b"}});
    CHECK_THAT(p.hear(0), Contains("Mcp-Name: x://a b\r\n") && !Contains("Mcp-Session-Id"));
    p.say(0, p.json(p.result(2, complete)));
    CHECK(outcome(read).has_value());
    const auto list = p.request("prompts/list");
    CHECK_THAT(p.hear(0), Contains("Mcp-Method: prompts/list\r\n") && !Contains("Mcp-Name"));
    p.say(0, p.json(p.result(3, complete)));
    CHECK(outcome(list).has_value());
    CHECK(outcome(p.request("a\r\nEvil: b")).error().code == ErrorCode::invalid);
}

TEST_CASE("tools that no client may use are left out, and marked arguments travel as headers") {
    ModernPeer p;
    const auto listed = p.request("tools/list");
    p.hear(0);
    p.say(0, p.json(p.result(1, R"({"resultType":"complete","tools":[
        {"name":"bad","inputSchema":{"type":"object","properties":{"a":{"type":"number","x-mcp-header":"A"}}}},
        {"name":"do","inputSchema":{"type":"object","properties":{"where":{"type":"string","x-mcp-header":"Region"},
          "n":{"type":"integer","x-mcp-header":"N"},"off":{"type":"boolean","x-mcp-header":"Off"}}}},
        {"name":"plain","inputSchema":{"type":"object"}}]})")));
    REQUIRE(outcome(listed).has_value());
    const Json& tools = outcome(listed)->result["tools"];
    REQUIRE(tools.size() == 2);
    CHECK(tools[0]["name"] == "do");
    CHECK(tools[1]["name"] == "plain");
    p.request("tools/call", Json{{"name", "do"}, {"arguments", {{"where", " eu "}, {"n", 42}, {"off", nullptr}}}});
    CHECK_THAT(p.hear(0), Contains("Mcp-Param-Region: =?base64?IGV1IA==?=\r\n") && Contains("Mcp-Param-N: 42\r\n") &&
                              !Contains("Mcp-Param-Off"));
}

TEST_CASE("a header that the server misses is learnt from its list, once") {
    ModernPeer p;
    const auto call = p.call();
    p.hear(0);
    const std::string mismatch = p.http("400 Bad Request", "Content-Type: application/json\r\n", p.refusal(1, -32020));
    p.say(0, mismatch);
    CHECK_THAT(p.hear(0), Contains("Mcp-Method: tools/list\r\n"));
    p.say(0, p.json(p.result(2, R"({"resultType":"complete","tools":[]})")));
    CHECK_THAT(p.hear(0), Contains(R"("id":3,"method":"tools/call")"));
    p.say(0, p.http("400 Bad Request", "", p.refusal(3, -32020)));
    REQUIRE(outcome(call).has_value());
    CHECK(outcome(call)->refusal->code == -32020);
}

TEST_CASE("a version that the server does not speak is replaced once by one of its own") {
    ModernPeer p;
    const auto call = p.call();
    const auto refused = [&](const Json& id, std::string_view supported) {
        return p.http("400 Bad Request", "",
                      p.refusal(id, -32022, R"({"supported":)" + std::string(supported) + R"(,"requested":"x"})"));
    };
    p.say(0, refused(1, R"(["2027-01-01","2026-07-28"])"));
    const std::string again = p.hear(0);
    CHECK_THAT(again, Contains(R"("id":2,)"));
    p.say(0, refused(2, R"(["2026-07-28"])"));
    REQUIRE(outcome(call).has_value());
    CHECK(outcome(call)->refusal->code == -32022);

    ModernPeer other;
    const auto hopeless = other.call();
    other.say(0, refused(1, R"(["2025-11-25"])"));
    REQUIRE(outcome(hopeless).has_value());
    CHECK(outcome(hopeless)->refusal->code == -32022);
}

TEST_CASE("a broken stream loses its request: reissued under a new id where it may be repeated, never resumed") {
    const std::string answer =
        ScriptedPeer::stream_head +
        ScriptedPeer::chunk(ScriptedPeer::event(R"({"jsonrpc":"2.0","method":"notifications/x"})", "e-1") +
                            ScriptedPeer::event(ScriptedPeer::result(1, complete)));
    const std::size_t whole = answer.rfind("\n\n") + 2;
    for (const bool may_repeat : {false, true}) {
        for (std::size_t cut = 0; cut <= whole; ++cut) {
            INFO(cut);
            ModernPeer p;
            CallOptions how;
            how.repeatable = may_repeat;
            const auto call = p.call(how);
            p.hear(0);
            if (cut > 0) p.say(0, answer.substr(0, cut));
            if (!call->is_done()) p.hang_up(0);
            if (cut == whole) {
                CHECK(outcome(call).has_value());
            } else if (may_repeat) {
                p.pass(milliseconds(10));
                const std::string again = p.hear(1);
                CHECK_THAT(again, StartsWith("POST") && Contains(R"("id":2,"method":"tools/call")"));
                p.say(1, p.json(p.result(2, complete)));
                CHECK(outcome(call).has_value());
            } else {
                REQUIRE(!outcome(call));
                CHECK(outcome(call).error().code == ErrorCode::unavailable);
                CHECK(p.dials == 1);
            }
        }
    }
}

TEST_CASE("a modern call that is cancelled closes its connection and says nothing") {
    ModernPeer p;
    const auto call = p.call();
    p.hear(0);
    call->cancel.emit(boost::asio::cancellation_type::terminal);
    CHECK(p.is_closed(0));
    CHECK(call->failed);
    CHECK(p.dials == 1);

    CallOptions how;
    how.timeout = seconds(3);
    const auto late = p.call(how);
    p.hear(1);
    p.pass(seconds(3));
    CHECK(outcome(late).error().code == ErrorCode::timeout);
    CHECK(p.is_closed(1));
}

TEST_CASE("what a result's type says") {
    const struct {
        const char* result;
        const char* fails;
    } rows[] = {
        {R"({"resultType":"complete"})", nullptr},
        {R"({"content":[]})", nullptr},
        {R"({"resultType":"task","taskId":"x"})", "is of type \"task\""},
        {R"({"resultType":7})", "is of type 7"},
        {R"({"resultType":"input_required"})", "does not say for which"},
        {R"({"resultType":"input_required","inputRequests":{"a":{"method":"sampling/createMessage"}}})",
         "does not answer sampling/createMessage"},
        {R"({"resultType":"input_required","inputRequests":{"a":7}})", "without a method"},
    };
    for (const auto& row : rows) {
        INFO(row.result);
        ModernPeer p;
        const auto call = p.call();
        p.say(0, p.json(p.result(1, row.result)));
        REQUIRE(call->is_done());
        CHECK(outcome(call).has_value() == (row.fails == nullptr));
        if (row.fails != nullptr) CHECK_THAT(outcome(call).error().message, Contains(row.fails));
    }
    // Only three methods may ask back.
    ModernPeer p;
    const auto list = p.request("tools/list");
    p.say(0, p.json(p.result(1, R"({"resultType":"input_required","requestState":"x"})")));
    CHECK(!outcome(list));
}

TEST_CASE("questions within a call are answered under a new id, with the state unchanged and nowhere else") {
    Options options;
    options.capabilities["elicitation"] = Json::object();
    options.questions["elicitation/create"] = accept_defaults;
    ModernPeer p(std::move(options));
    const auto call = p.call();
    CHECK(p.hear_body(0)["id"] == 1);
    p.say(0, p.json(p.result(1, R"({"resultType":"input_required","requestState":"v1.\u00e9\/=","inputRequests":{
        "b":{"method":"elicitation/create","params":{"requestedSchema":{"properties":{"ok":{"type":"boolean","default":true}}}}},
        "a":{"method":"elicitation/create","params":{"mode":"url","url":"x"}}}})")));
    const Json second = p.hear_body(0);
    CHECK(second["id"] == 2);
    CHECK(second["params"]["requestState"] == "v1.é/=");
    CHECK(second["params"]["inputResponses"].dump() ==
          R"({"b":{"action":"accept","content":{"ok":true}},"a":{"action":"decline"}})");
    CHECK(second["params"]["name"] == "do");
    check_context(second);
    // Another request meanwhile knows nothing of it.
    const auto other = p.call();
    const Json apart = p.hear_body(1);
    CHECK(!apart["params"].contains("requestState"));
    CHECK(!apart["params"].contains("inputResponses"));
    // The next round has a new state, or none.
    p.say(0, p.json(p.result(2, R"({"resultType":"input_required","inputRequests":{
        "c":{"method":"elicitation/create","params":{"requestedSchema":{}}}}})")));
    const Json third = p.hear_body(0);
    CHECK(!third["params"].contains("requestState"));
    CHECK(third["params"]["inputResponses"].dump() == R"({"c":{"action":"accept","content":{}}})");
    p.say(0, p.json(p.result(third["id"], complete)));
    CHECK(outcome(call).has_value());
}

TEST_CASE("a server that asks on and on is left") {
    ModernPeer p;
    p.conversation->max_rounds = 3;
    const auto call = p.call();
    int asked = 0;
    while (!call->is_done() && asked < 20) {
        const Json body = p.hear_body(0);
        ++asked;
        p.say(0, p.json(p.result(body["id"], R"({"resultType":"input_required","requestState":"x"})")));
    }
    REQUIRE(!outcome(call));
    CHECK_THAT(outcome(call).error().message, Contains("asks on after 3 answers"));
    CHECK(asked == 4);
}

}  // namespace modern_test
