// A server of two plain tools made of the MCP library and the listener alone: what the official conformance suite
// and the throughput measurement talk to. `plain_server [PORT [SOCKET_DIRECTORY]]` prints its endpoint.
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "common/async/task_group.hpp"
#include "common/base/random.hpp"
#include "daemon/http/listener.hpp"

namespace {

using namespace persistproc;
using mcp::Json;

class MemoryGraveyard final : public mcp::http::SessionGraveyard {
public:
    bool contains(const std::string& id) const override { return ids_.count(id) > 0; }
    void bury(const std::string& id) override { ids_.insert(id); }

private:
    std::set<std::string> ids_;
};

mcp::ToolDefinition definition(std::string name, std::string description, Json properties) {
    mcp::ToolDefinition out;
    out.name = out.title = std::move(name);
    out.description = std::move(description);
    out.input_schema = Json{{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
    out.annotations.read_only = true;
    out.annotations.idempotent = true;
    return out;
}

Task<mcp::ToolResult> echo(Json arguments, mcp::CallContext) {
    mcp::ToolResult out;
    out.text = arguments.value("text", std::string("nothing"));
    co_return out;
}

Task<mcp::ToolResult> count(Json arguments, mcp::CallContext context) {
    const int steps = arguments.value("steps", 3);
    for (int i = 1; i <= steps; ++i)
        if (context.progress) context.progress(i, steps, "step " + std::to_string(i));
    mcp::ToolResult out;
    out.text = std::to_string(steps);
    co_return out;
}

Task<> end_on_signal(boost::asio::io_context& io, async::Clock& clock, daemon::http::Listener& listener,
                     mcp::http::HttpServer& http) {
    boost::asio::signal_set signals(io, SIGINT, SIGTERM);
    co_await signals.async_wait(boost::asio::use_awaitable);
    listener.stop();
    co_await http.close(clock.now() + std::chrono::seconds(5));
    io.stop();
}

}  // namespace

int main(int argc, char** argv) {
    boost::asio::io_context io(1);
    async::SystemClock clock;
    mcp::Server server(io.get_executor(), mcp::ServerInfo{"plain", "Plain server", "1.0.0", "Two plain tools."});
    server.add_tool(definition("echo", "Returns its text.", Json{{"text", Json{{"type", "string"}}}}), echo);
    server.add_tool(definition("count", "Counts, with progress.", Json{{"steps", Json{{"type", "integer"}}}}), count);
    MemoryGraveyard graveyard;
    mcp::http::HttpOptions options;
    base::fill_random(options.session_key);
    mcp::http::HttpServer http(server, clock, options, graveyard);
    daemon::http::ListenOptions where;
    if (argc > 1) where.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
    if (argc > 2) where.socket_directory = argv[2];
    auto listener = daemon::http::Listener::open(http, io.get_executor(), where);
    if (!listener) {
        std::fprintf(stderr, "plain_server: %s\n", listener.error().message.c_str());
        return 1;
    }
    (*listener)->start();
    std::printf("http://127.0.0.1:%u/mcp\n", (*listener)->port());
    std::fflush(stdout);
    async::TaskGroup tasks(io.get_executor());
    tasks.spawn("end", end_on_signal(io, clock, **listener, http));
    io.run();
    return 0;
}
