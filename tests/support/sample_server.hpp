#pragma once
/// An MCP server with one of everything it can offer, without a transport. Time stands still; what waits goes on when
/// the test says so.
#include <boost/asio/io_context.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "common/mcp/server.hpp"
#include "tests/support/fake_clock.hpp"

namespace persistproc::tests {

/// Three resources, the third on a page of its own; `test://gone` is not found, `test://broken` fails.
class SampleResources final : public mcp::ResourceProvider {
public:
    /// "+uri" when the first subscriber came, "-uri" when the last had left.
    std::vector<std::string> heard;

    Task<Result<mcp::ResourcePage>> list(std::optional<std::string> cursor, mcp::CallContext) override {
        mcp::ResourcePage out;
        if (cursor && *cursor != "second") co_return Error{ErrorCode::invalid, "unknown cursor"};
        mcp::Resource one;
        for (const char* name : {"a", "b", "c"}) {
            if ((*name == 'c') != cursor.has_value()) continue;
            one.uri = std::string("test://") + name;
            one.name = name;
            out.resources.push_back(one);
        }
        if (!cursor) out.next_cursor = "second";
        co_return out;
    }
    std::vector<mcp::ResourceTemplate> templates() const override {
        return {mcp::ResourceTemplate{"test://{id}", "thing", "Thing", "Any thing.", "text/plain"}};
    }
    Task<Result<mcp::ReadResource>> read(std::string uri, mcp::CallContext) override {
        if (uri == "test://gone") co_return Error{ErrorCode::not_found, "no such resource"};
        if (uri == "test://broken") co_return Error{ErrorCode::io, "cannot read it"};
        mcp::ReadResource out;
        mcp::ResourceContents text;
        text.uri = std::move(uri);
        text.mime_type = "text/plain";
        text.data = "hello\n";
        out.contents.push_back(std::move(text));
        co_return out;
    }
    void interest(const std::string& uri, bool wanted) override { heard.push_back((wanted ? '+' : '-') + uri); }
};

class SampleServer {
public:
    using Json = mcp::Json;

    static Json marked_schema() {
        return Json::parse(R"({"type":"object","properties":{
            "region":{"type":"string","x-mcp-header":"Region"},"count":{"type":"integer","x-mcp-header":"Count"},
            "dry":{"type":"boolean","x-mcp-header":"Dry"},
            "where":{"type":"object","properties":{"zone":{"type":"string","x-mcp-header":"Zone"}}}}})");
    }

    explicit SampleServer(mcp::ServerLimits limits = {}, mcp::ServerFeatures features = {true, true, true})
        : server(io.get_executor(), clock, mcp::ServerInfo{"srv", "Server", "1", "Use it."}, limits, features) {
        add("echo", [](Json arguments, mcp::CallContext) { return echo(std::move(arguments)); });
        add("hold", [this](Json, mcp::CallContext context) { return hold(std::move(context)); });
        add("talk", [](Json, mcp::CallContext context) { return talk(std::move(context)); });
        add("ask", [](Json arguments, mcp::CallContext context) { return ask(std::move(arguments), context); });
        add("again", [](Json, mcp::CallContext context) { return again(std::move(context)); });
        add("needs_sampling", [](Json, mcp::CallContext) { return needs_sampling(); });
        add("let_go", [this](Json, mcp::CallContext context) { return let_go(std::move(context)); });
        add("task", [this](Json arguments, mcp::CallContext context) { return task(std::move(arguments), context); });
        mcp::ToolDefinition marked = define("marked");
        marked.input_schema = marked_schema();
        server.add_tool(std::move(marked), [](Json arguments, mcp::CallContext) { return echo(std::move(arguments)); });
        mcp::PromptDefinition triage;
        triage.name = "triage";
        triage.description = "Finds out what is wrong.";
        triage.arguments = {{"label", "Which process", true}, {"since", "How far back", false}};
        server.add_prompt(std::move(triage), [](std::map<std::string, std::string> arguments, mcp::CallContext) {
            return prompt(std::move(arguments));
        });
        mcp::PromptDefinition plain;
        plain.name = "plain";
        server.add_prompt(std::move(plain), [](std::map<std::string, std::string> arguments, mcp::CallContext) {
            return prompt(std::move(arguments));
        });
        server.set_resources(resources);
        server.set_completion(
            [](mcp::CompletionRequest request, mcp::CallContext) { return complete(std::move(request)); });
    }
    ~SampleServer() { shut(); }
    SampleServer(const SampleServer&) = delete;
    SampleServer& operator=(const SampleServer&) = delete;

    boost::asio::io_context io{1};
    FakeClock clock{io.get_executor()};
    SampleResources resources;
    mcp::Server server;
    async::Notifier gate{io.get_executor()};
    mcp::CallContext seen;  // of the last call of `hold`, `let_go` or `task`
    int started = 0;        // of these calls
    int ended = 0;          // their coroutines
    async::TaskGroup tasks{io.get_executor()};

    /// Runs until nothing can move without time or input.
    void settle() {
        io.restart();
        io.poll();
    }
    /// Lets `hold`, `let_go` and `task` finish.
    void release() {
        gate.notify_all();
        settle();
    }
    /// Ends every call, so that no coroutine outlives what it refers to.
    void shut() {
        seen = {};
        tasks.spawn("finish_calls", server.finish_calls(clock.now(), clock));
        release();
    }

    static mcp::ToolDefinition define(std::string name) {
        mcp::ToolDefinition out;
        out.name = std::move(name);
        out.title = "T";
        out.description = "D";
        out.input_schema = Json{{"type", "object"}};
        return out;
    }
    static mcp::ToolResult said(std::string text) {
        mcp::ToolResult out;
        out.text = std::move(text);
        return out;
    }

protected:
    struct Count {
        explicit Count(SampleServer& s) : sample(s) { ++sample.started; }
        ~Count() { ++sample.ended; }
        Count(const Count&) = delete;
        Count& operator=(const Count&) = delete;
        SampleServer& sample;
    };

private:
    void add(std::string name, mcp::ToolHandler handler) {
        server.add_tool(define(std::move(name)), std::move(handler));
    }

    static Task<mcp::ToolResult> echo(Json arguments) { co_return said(arguments.dump()); }

    Task<mcp::ToolResult> hold(mcp::CallContext context) {
        const Count count(*this);
        seen = context;
        co_await gate.wait();
        co_return said("held");
    }

    /// Progress, then a log message of every level, then the answer.
    static Task<mcp::ToolResult> talk(mcp::CallContext context) {
        context.progress(1, 2, "half");
        for (auto level = mcp::LogLevel::debug; level <= mcp::LogLevel::emergency;
             level = static_cast<mcp::LogLevel>(static_cast<int>(level) + 1))
            context.log(level, "sample", Json(std::string(mcp::log_level_name(level))));
        co_return said("talked");
    }

    /// Asks what `arguments` hold as `method` (elicitation/create by default) and tells the answer.
    static Task<mcp::ToolResult> ask(Json arguments, mcp::CallContext context) {
        Json requests = Json::object();
        requests["it"] = Json{{"method", arguments.value("method", "elicitation/create")},
                              {"params", Json{{"message", "Sure?"}, {"requestedSchema", Json{{"type", "object"}}}}}};
        auto answered = co_await context.channel->ask(std::move(requests));
        if (!answered) co_return mcp::tool_failure(answered.error());
        co_return said(answered->dump());
    }

    /// Ends with a question, unless it comes with an answer.
    static Task<mcp::ToolResult> again(mcp::CallContext context) {
        if (context.input_responses.is_object() && context.input_responses.contains("it"))
            co_return said(context.request_state.value_or("no state") + " " + context.input_responses["it"].dump());
        mcp::InputRequired asks;
        asks.requests["it"] = Json{{"method", "elicitation/create"}, {"params", Json{{"message", "Sure?"}}}};
        asks.state = "v1.\"state\"";
        mcp::ToolResult out;
        out.instead = std::move(asks);
        co_return out;
    }

    static Task<mcp::ToolResult> needs_sampling() {
        mcp::ToolResult out;
        out.instead = mcp::missing_capability(Json{{"sampling", Json::object()}});
        co_return out;
    }

    Task<mcp::ToolResult> let_go(mcp::CallContext context) {
        const Count count(*this);
        seen = context;
        const bool went = context.channel->let_connection_go();
        co_await gate.wait();
        co_return said(went ? "came back" : "stayed");
    }

    /// Goes on as a task where it can; then waits (`"do":"hold"`), asks two questions (`"ask"`) or throws (`"throw"`).
    Task<mcp::ToolResult> task(Json arguments, mcp::CallContext context) {
        const Count count(*this);
        seen = context;
        const bool is_task = context.channel->become_task(mcp::TaskTerms());
        const std::string what = arguments.value("do", "hold");
        if (what == "throw") throw std::runtime_error("a bug");
        if (what == "ask") {
            Json requests = Json::object();
            for (const char* key : {"one", "two"})
                requests[key] = Json{{"method", "elicitation/create"}, {"params", Json{{"message", key}}}};
            auto answered = co_await context.channel->ask(std::move(requests));
            if (!answered) co_return mcp::tool_failure(answered.error());
            co_return said(answered->dump());
        }
        co_await gate.wait();
        co_return said(is_task ? "done as a task" : "done");
    }

    static Task<Result<mcp::PromptResult>> prompt(std::map<std::string, std::string> arguments) {
        mcp::PromptResult out;
        mcp::PromptMessage message;
        message.content = mcp::text_block(Json(arguments).dump());
        out.messages.push_back(std::move(message));
        co_return out;
    }

    /// 150 labels "w000"… for the prompt's label, those that begin with what was typed.
    static Task<Result<mcp::Completion>> complete(mcp::CompletionRequest request) {
        if (request.argument != "label" && request.argument != "id")
            co_return Error{ErrorCode::invalid, "no such argument"};
        mcp::Completion out;
        for (int each = 0; each < 150; ++each) {
            std::string label = std::to_string(1000 + each);
            label.front() = 'w';
            if (label.starts_with(request.value)) out.values.push_back(std::move(label));
        }
        out.total = out.values.size();
        co_return out;
    }
};

}  // namespace persistproc::tests
