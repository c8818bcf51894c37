#pragma once
/// A server whose every byte the test writes, on the other end of socket pairs; time stands still.
#include <fcntl.h>
#include <sys/socket.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/mcp/client/client.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_clock.hpp"

namespace persistproc::tests {

using mcp::client::CallOptions;
using mcp::client::Client;
using mcp::client::Json;
using mcp::client::Options;
using mcp::client::Reply;

/// Something the client does while the test goes on.
template <class T>
struct Running {
    std::optional<T> value;
    std::exception_ptr failed;
    boost::asio::cancellation_signal cancel;
    bool is_done() const { return value.has_value() || failed; }
};

struct ScriptedPeer {
    boost::asio::io_context io{1};
    std::shared_ptr<FakeClock> clock = std::make_shared<FakeClock>(io.get_executor());
    /// The server's ends of the connections, in the order in which they were opened.
    std::vector<base::UniqueFd> ends;
    bool is_listening = true;
    int dials = 0;
    Options options;
    std::unique_ptr<Client> client;

    ScriptedPeer() {
        options.name = "t";
        options.version = "1";
        options.quick = true;
    }
    ~ScriptedPeer() {
        client.reset();
        settle();
    }

    Task<Result<base::UniqueFd>> dial() {
        ++dials;
        if (!is_listening) {
            Error nobody;
            nobody.code = ErrorCode::unavailable;
            nobody.message = "nobody listens";
            co_return nobody;
        }
        int pair[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        ends.emplace_back(pair[1]);
        co_return base::UniqueFd(pair[0]);
    }

    void settle() {
        do io.restart();
        while (io.poll() > 0);
    }
    void pass(std::chrono::nanoseconds time) {
        clock->advance(time);
        settle();
    }

    template <class T>
    std::shared_ptr<Running<T>> start(Task<T> task) {
        auto running = std::make_shared<Running<T>>();
        boost::asio::co_spawn(
            io, std::move(task),
            boost::asio::bind_cancellation_slot(running->cancel.slot(), [running](std::exception_ptr failed, T value) {
                running->failed = failed;
                if (!failed) running->value = std::move(value);
            }));
        settle();
        return running;
    }

    using Connecting = Running<std::optional<Result<std::unique_ptr<Client>>>>;
    static mcp::client::Endpoint endpoint() {
        mcp::client::Endpoint out;
        out.port = 7;
        return out;
    }
    static Task<std::optional<Result<std::unique_ptr<Client>>>> connecting(ScriptedPeer* self) {
        mcp::client::Endpoint endpoint = self->endpoint();
        mcp::client::Dial dial = [self] { return self->dial(); };
        auto result = co_await Client::connect(self->io.get_executor(), std::move(endpoint), self->options,
                                               std::move(dial), self->clock);
        std::optional<Result<std::unique_ptr<Client>>> out;
        out.emplace(std::move(result));
        co_return out;
    }
    std::shared_ptr<Connecting> start_connecting() { return start(connecting(this)); }

    using Calling = Running<std::optional<Result<Reply>>>;
    static Task<std::optional<Result<Reply>>> calling(Client* client, std::string method, Json params,
                                                      CallOptions options) {
        auto result = co_await client->request(std::move(method), std::move(params), std::move(options));
        std::optional<Result<Reply>> out;
        out.emplace(std::move(result));
        co_return out;
    }
    std::shared_ptr<Calling> request(std::string method, Json params = Json::object(), CallOptions how = {}) {
        return start(calling(client.get(), std::move(method), std::move(params), std::move(how)));
    }
    std::shared_ptr<Calling> call(CallOptions how = {}) {
        return request("tools/call", Json{{"name", "do"}, {"arguments", Json::object()}}, std::move(how));
    }

    /// What has come on a connection and was not read yet.
    std::string hear(std::size_t end) {
        settle();
        std::string out;
        char buffer[65536];
        REQUIRE(end < ends.size());
        for (ssize_t got = 0; (got = ::recv(ends[end].get(), buffer, sizeof(buffer), 0)) > 0;)
            out.append(buffer, static_cast<std::size_t>(got));
        return out;
    }
    /// The body of the one request that has come.
    Json hear_body(std::size_t end) {
        const std::string text = hear(end);
        const auto at = text.rfind("\r\n\r\n");
        INFO(text);
        REQUIRE(at != std::string::npos);
        return Json::parse(text.substr(at + 4));
    }
    void say(std::size_t end, std::string_view bytes) {
        REQUIRE(::send(ends[end].get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
        settle();
    }
    void hang_up(std::size_t end) {
        ends[end].reset();
        settle();
    }
    /// The death of the server: every connection ends and nobody listens.
    void die() {
        is_listening = false;
        for (auto& end : ends) end.reset();
        settle();
    }
    bool is_closed(std::size_t end) {
        settle();
        char byte = 0;
        return ::recv(ends[end].get(), &byte, 1, MSG_PEEK) == 0;
    }

    static std::string http(std::string_view status, std::string_view headers, std::string_view body) {
        return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(headers) +
               "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
    }
    static std::string json(std::string_view body, std::string_view headers = "") {
        return http("200 OK", "Content-Type: application/json\r\n" + std::string(headers), body);
    }
    static std::string result(const Json& id, std::string_view value = R"({"n":1})") {
        return R"({"jsonrpc":"2.0","id":)" + id.dump() + R"(,"result":)" + std::string(value) + "}";
    }
    static std::string refusal(const Json& id, int code, std::string_view data = "") {
        return R"({"jsonrpc":"2.0","id":)" + id.dump() + R"(,"error":{"code":)" + std::to_string(code) +
               R"(,"message":"no")" + (data.empty() ? "" : R"(,"data":)" + std::string(data)) + "}}";
    }
    static inline const std::string stream_head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
    static std::string chunk(std::string_view bytes) {
        char size[20];
        std::snprintf(size, sizeof(size), "%zx\r\n", bytes.size());
        return size + std::string(bytes) + "\r\n";
    }
    static std::string event(std::string_view data, std::string_view id = "") {
        return (id.empty() ? "" : "id: " + std::string(id) + "\n") + "data: " + std::string(data) + "\n\n";
    }
    static inline const std::string last_chunk = "0\r\n\r\n";

    static std::string session_result(std::string_view version = "2025-11-25") {
        return R"({"protocolVersion":")" + std::string(version) +
               R"(","capabilities":{"tools":{}},"serverInfo":{"name":"srv","version":"4.5"}})";
    }
    /// Connects with a session; the first connection is idle afterwards.
    void open_session(std::string_view version = "2025-11-25") {
        const auto running = start_connecting();
        const Json body = hear_body(0);
        REQUIRE(body["method"] == "initialize");
        say(0, json(result(body["id"], session_result(version)), "Mcp-Session-Id: s-1\r\n"));
        take(running);
    }
    /// The same without shortcuts: the introduction is answered, and the stream opened or refused.
    void open_whole_session(bool with_stream) {
        options.quick = false;
        const auto running = start_connecting();
        const Json body = hear_body(0);
        say(0, json(result(body["id"], session_result()), "Mcp-Session-Id: s-1\r\n"));
        REQUIRE(hear_body(0)["method"] == "notifications/initialized");
        say(0, http("202 Accepted", "", ""));
        take(running);
        REQUIRE_THAT(hear(0), Catch::Matchers::StartsWith("GET /mcp HTTP/1.1\r\n"));
        say(0, with_stream ? stream_head : http("405 Method Not Allowed", "Allow: POST\r\n", ""));
    }
    void take(const std::shared_ptr<Connecting>& running) {
        REQUIRE(running->value);
        Result<std::unique_ptr<Client>>& connected = **running->value;
        if (!connected) FAIL(connected.error().message);
        client = std::move(*connected);
    }
};

/// The outcome of a request that has ended.
inline const Result<Reply>& outcome(const std::shared_ptr<ScriptedPeer::Calling>& running) {
    if (running->failed) std::rethrow_exception(running->failed);
    REQUIRE(running->value);
    return **running->value;
}

}  // namespace persistproc::tests
