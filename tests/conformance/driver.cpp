// The client library as the official conformance suite drives it: mcp-driver URL, with the scenario's name, the
// revision and what else it says in the environment. Exit status 0: it did what the scenario asks for.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "common/mcp/client/client.hpp"
#include "tests/conformance/extra/answer_with_defaults.hpp"
#include "tests/conformance/extra/modern.hpp"

using namespace persistproc;
using conformance::answer_with_defaults;
using namespace persistproc::mcp::client;

namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

template <class T>
T need(Result<T> result, const char* what) {
    if (!result) throw std::runtime_error(fmt::format("{}: {}", what, result.error().message));
    return std::move(*result);
}
/// Accepts with the form's defaults, and with something fitting where there is none.
Task<Result<Json>> elicit(Json params) {
    Json answer = answer_with_defaults(params);
    if (answer["action"] == "accept") co_return json_value(std::move(answer));
    answer["action"] = "accept";
    Json& content = answer["content"] = Json::object();
    const Json schema = params.value("requestedSchema", Json::object());
    const Json properties = schema.value("properties", Json::object());
    for (const auto& [name, property] : properties.items()) {
        const std::string type = property.value("type", "string");
        if (property.contains("default"))
            content[name] = property["default"];
        else if (type == "boolean")
            content[name] = true;
        else if (type == "integer" || type == "number")
            content[name] = property.value("minimum", Json(1));
        else if (type == "array")
            content[name] = Json::array();
        else
            content[name] = property.contains("enum") ? property["enum"][0] : Json("text");
    }
    co_return json_value(std::move(answer));
}

/// An argument that fits the property.
Json argument_for(const std::string& name, const Json& property) {
    const std::string type = property.value("type", "string");
    if (type == "number" || type == "integer") return 2;
    if (type == "boolean") return true;
    if (type == "array") return Json::array();
    if (type == "object") return Json::object();
    return name == "region" ? "us-west1" : "text";
}

Json arguments_for(const Json& tool) {
    Json arguments = Json::object();
    const Json schema = tool.value("inputSchema", Json::object());
    const Json properties = schema.value("properties", Json::object());
    for (const auto& [name, property] : properties.items()) arguments[name] = argument_for(name, property);
    return arguments;
}

constexpr int max_pages = 1000;

Task<Json> result_of(Client& client, std::string method, Json params) {
    CallOptions options;
    options.repeatable = true;
    const std::string what = method;
    auto reply = co_await client.request(std::move(method), std::move(params), std::move(options));
    if (reply && reply->refusal) reply = error_of(*reply);
    co_return need(std::move(reply), what.c_str()).result;
}

/// All pages of a list.
Task<Json> list(Client& client, std::string method, std::string member) {
    Json all = Json::array();
    Json params = Json::object();
    for (int page = 0; page < max_pages; ++page) {
        Json result = co_await result_of(client, method, params);
        for (auto& each : result[member]) all.push_back(std::move(each));
        // An empty cursor is one like any other.
        if (!result.contains("nextCursor")) co_return all;
        params["cursor"] = result["nextCursor"];
    }
    throw std::runtime_error(method + ": does not end");
}

Task<> call(Client& client, std::string tool, Json arguments) {
    CallOptions options;
    auto result = co_await client.call_tool(std::move(tool), std::move(arguments), std::move(options));
    need(std::move(result), "tools/call");
}

Task<> call_every_tool(Client& client, Json tools) {
    for (const auto& tool : tools) {
        auto calling = call(client, tool["name"].get<std::string>(), arguments_for(tool));
        co_await std::move(calling);
    }
}

/// Sends one tool's schema back through the other.
Task<> echo_schema(Client& client, Json tools) {
    Json arguments = Json::object();
    for (const auto& tool : tools)
        if (tool["name"] != "json_schema_echo") arguments["schema"] = tool["inputSchema"];
    auto calling = call(client, "json_schema_echo", std::move(arguments));
    co_await std::move(calling);
}

Task<> make_calls_of_context(Client& client) {
    const Json context = Json::parse(variable("MCP_CONFORMANCE_CONTEXT"), nullptr, false);
    for (const auto& each : context["toolCalls"]) {
        auto calling = call(client, each["name"].get<std::string>(), each["arguments"]);
        co_await std::move(calling);
    }
}

Task<> use_one_of_each(Client& client) {
    const Json resources = co_await list(client, "resources/list", "resources");
    for (const auto& each : resources) {
        Json params = Json::object();
        params["uri"] = each["uri"];
        co_await result_of(client, "resources/read", std::move(params));
    }
    const Json prompts = co_await list(client, "prompts/list", "prompts");
    for (const auto& each : prompts) {
        Json params = Json::object();
        params["name"] = each["name"];
        co_await result_of(client, "prompts/get", std::move(params));
    }
}

Task<> play(Client& client, std::string scenario) {
    Json tools = co_await list(client, "tools/list", "tools");
    if (scenario == "initialize" || scenario == "json-schema-ref-no-deref") co_return;
    if (scenario == "json-schema-2020-12-preservation") co_return co_await echo_schema(client, std::move(tools));
    if (scenario == "http-custom-headers") co_return co_await make_calls_of_context(client);
    co_await call_every_tool(client, std::move(tools));
    if (scenario == "http-standard-headers") co_await use_one_of_each(client);
}

Task<int> run(boost::asio::any_io_executor executor, std::string url) {
    const std::string scenario = variable("MCP_CONFORMANCE_SCENARIO");
    const auto revision = mcp::find_revision(variable("MCP_CONFORMANCE_PROTOCOL_VERSION"));
    Options options;
    options.name = "persistproc-driver";
    options.version = "1.0.0";
    if (revision && mcp::has_sessions(*revision)) options.revision = *revision;
    options.capabilities["elicitation"] = Json::object();
    options.questions["elicitation/create"] = elicit;
    auto endpoint = need(parse_endpoint(url), "URL");
    std::unique_ptr<Client> client;
    if (revision && !mcp::has_sessions(*revision)) {
        Dial dial = [executor, endpoint] { return open_connection(executor, endpoint); };
        client = std::make_unique<Client>(std::make_shared<conformance::ModernConversation>(
            executor, std::move(endpoint), std::move(dial), std::make_shared<async::SystemClock>(),
            std::move(options)));
    } else {
        auto connected = co_await Client::connect(executor, std::move(endpoint), std::move(options));
        client = need(std::move(connected), "connect");
    }
    auto playing = play(*client, scenario);
    co_await std::move(playing);
    co_await client->close();
    co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: mcp-driver URL\n", stderr);
        return 2;
    }
    boost::asio::io_context loop(1);
    int status = 1;
    boost::asio::co_spawn(loop, run(loop.get_executor(), argv[1]), [&](std::exception_ptr failed, int value) {
        status = value;
        if (failed) {
            status = 1;
            try {
                std::rethrow_exception(failed);
            } catch (const std::exception& error) {
                fmt::print(stderr, "mcp-driver: {}\n", error.what());
            }
        }
        loop.stop();
    });
    loop.run();
    return status;
}
