#pragma once
/// Connections of the MCP endpoint as machines, and what clients send to them. No sockets.
#include <algorithm>
#include <charconv>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/mcp/http/access.hpp"
#include "common/mcp/http/connection.hpp"
#include "common/mcp/http/sse.hpp"
#include "tests/support/sample_server.hpp"

namespace persistproc::tests {

class MemoryGraveyard final : public mcp::http::SessionGraveyard {
public:
    bool contains(const std::string& id) const override { return ids.count(id) > 0; }
    void bury(const std::string& id) override { ids.insert(id); }
    std::set<std::string> ids;
};

/// One HTTP response, taken apart.
struct Answer {
    unsigned status = 0;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;  // of an event stream: what its chunks hold
    std::vector<mcp::http::SseEvent> events;
    bool is_complete = false;  // by its length, or by its last chunk

    /// The value of a header; null when it is not there.
    const std::string* find(std::string_view name) const {
        for (const auto& [key, value] : headers)
            if (mcp::http::equals_ignoring_case(key, name)) return &value;
        return nullptr;
    }
    bool has(std::string_view name) const { return find(name) != nullptr; }
    /// The messages in it: of a stream one per event that has data, else the body.
    std::vector<mcp::Json> messages() const {
        std::vector<mcp::Json> out;
        const std::string* type = find("Content-Type");
        if (type != nullptr && *type == "text/event-stream") {
            for (const auto& event : events)
                if (!event.data.empty()) out.push_back(mcp::Json::parse(event.data));
        } else if (type != nullptr && *type == "application/json") {
            out.push_back(mcp::Json::parse(body));
        }
        return out;
    }
    /// The last of them: the response.
    mcp::Json response() const {
        const auto all = messages();
        return all.empty() ? mcp::Json() : all.back();
    }
};

/// Takes the first response off `bytes`. Throws std::runtime_error on what is none.
inline Answer take_answer(std::string& bytes) {
    Answer out;
    std::string_view rest = bytes;
    const auto line = [&rest] {
        const auto end = rest.find("\r\n");
        if (end == std::string_view::npos) throw std::runtime_error("no line: " + std::string(rest));
        const auto text = rest.substr(0, end);
        rest.remove_prefix(end + 2);
        return text;
    };
    const auto number = [](std::string_view text, int base) {
        std::size_t value = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), value, base).ec != std::errc())
            throw std::runtime_error("no number: " + std::string(text));
        return value;
    };
    const auto status = line();
    if (!status.starts_with("HTTP/1.1 ")) throw std::runtime_error("no response: " + std::string(status));
    out.status = static_cast<unsigned>(number(status.substr(9, 3), 10));
    for (auto field = line(); !field.empty(); field = line()) {
        const auto colon = field.find(": ");
        if (colon == std::string_view::npos) throw std::runtime_error("no header: " + std::string(field));
        out.headers.emplace_back(field.substr(0, colon), field.substr(colon + 2));
    }
    if (const std::string* length = out.find("Content-Length")) {
        const std::size_t bytes_of_body = number(*length, 10);
        if (rest.size() < bytes_of_body) throw std::runtime_error("body cut");
        out.body = rest.substr(0, bytes_of_body);
        rest.remove_prefix(bytes_of_body);
        out.is_complete = true;
    } else if (out.has("Transfer-Encoding")) {
        while (!rest.empty() && !out.is_complete) {
            const std::size_t size = number(line(), 16);
            out.body += rest.substr(0, size);
            rest.remove_prefix(size + 2);
            out.is_complete = size == 0;
        }
    }
    mcp::http::SseReader reader;
    const std::string* type = out.find("Content-Type");
    if (type != nullptr && *type == "text/event-stream") reader.feed(out.body, out.events);
    bytes = std::string(rest);
    return out;
}

class HttpMachine : public SampleServer {
public:
    using Connection = mcp::http::Connection;

    explicit HttpMachine(mcp::ServerLimits server_limits = {}) : SampleServer(server_limits) {
        forget_sessions();
        connection = connect();
    }
    ~HttpMachine() {
        connection.reset();
        shut();
    }

    mcp::http::Limits limits;
    std::vector<std::string> extra_origins{"https://ok.example"};
    mcp::http::Router router;
    std::string token;
    mcp::http::Admission admission;
    std::function<void()> on_change;  // of connections that are made from now on; may be empty
    mcp::http::HeaderCheck header_check;
    mcp::http::ProcessFinder find_process;  // of sessions from the next `forget_sessions` on
    mcp::http::ProcessLook is_there;        // likewise
    MemoryGraveyard graveyard;
    std::shared_ptr<mcp::http::Sessions> sessions;
    std::shared_ptr<Connection> connection;

    /// What a restart of the daemon does.
    void forget_sessions() {
        sessions = std::make_shared<mcp::http::Sessions>(mcp::http::SessionKey{}, limits, graveyard, clock,
                                                         find_process, is_there);
    }
    std::shared_ptr<Connection> connect() {
        const mcp::http::Endpoint endpoint{server, sessions, clock, limits, extra_origins, router, header_check, token};
        return std::make_shared<Connection>(endpoint, admission, on_change);
    }
    std::string take(const std::shared_ptr<Connection>& from) {
        settle();
        std::string out = std::exchange(from->output(), {});
        if (!out.empty()) from->output_taken();
        return out;
    }
    std::string take() { return take(connection); }
    std::string send(const std::shared_ptr<Connection>& to, std::string_view bytes) {
        to->receive(bytes);
        return take(to);
    }
    std::string send(std::string_view bytes) { return send(connection, bytes); }
    /// The one answer to a request on a connection of its own, as far as it has come.
    Answer answer(std::string_view bytes) {
        connection = connect();
        std::string text = send(bytes);
        return take_answer(text);
    }
    void pass(std::chrono::nanoseconds time) {
        clock.advance(time);
        connection->tick();
    }
    /// The id of a new session, opened on a connection of its own; `capabilities` is the JSON text of an object,
    /// `client` what it calls itself.
    std::string open_session(std::string_view version = "2025-11-25", std::string_view capabilities = "{}",
                             std::string_view client = "t") {
        const auto opener = connect();
        std::string text =
            send(opener, post(R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":")" +
                              std::string(version) + R"(","capabilities":)" + std::string(capabilities) +
                              R"(,"clientInfo":{"name":")" + std::string(client) + R"(","version":"1"}}})"));
        const std::string* id = nullptr;
        const Answer opened = take_answer(text);
        id = opened.find("Mcp-Session-Id");
        if (id == nullptr) throw std::runtime_error("no session: " + opened.body);
        const std::string out = *id;
        send(opener, post(R"({"jsonrpc":"2.0","method":"notifications/initialized"})", in(out)));
        return out;
    }

    // ---- what clients send ----

    static constexpr std::string_view both = "Accept: application/json, text/event-stream\r\n";
    static constexpr std::string_view modern_version = "MCP-Protocol-Version: 2026-07-28\r\n";

    static std::string post(std::string_view body, std::string_view headers = both) {
        return "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:8947\r\nContent-Type: application/json\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n" + std::string(headers) + "\r\n" + std::string(body);
    }
    static std::string in(const std::string& session, std::string_view accept = both) {
        return "Mcp-Session-Id: " + session + "\r\n" + std::string(accept);
    }
    static std::string request(std::string_view headers, std::string_view line = "GET /mcp HTTP/1.1",
                               std::string_view host = "127.0.0.1:8947") {
        return std::string(line) + "\r\nHost: " + std::string(host) + "\r\n" + std::string(headers) + "\r\n";
    }
    static std::string legacy_body(std::string_view method, std::string_view params = {}, std::string_view id = "1") {
        std::string out = R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":")" + std::string(method) + '"';
        if (!params.empty()) out += R"(,"params":)" + std::string(params);
        return out + '}';
    }
    /// `members` of the params besides `_meta`, `meta` besides the envelope: JSON text without braces.
    static std::string modern_body(std::string_view method, std::string_view members = {}, std::string_view meta = {},
                                   std::string_view id = "1", std::string_view capabilities = "{}") {
        std::string params = "{";
        if (!members.empty()) params += std::string(members) + ',';
        params += R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                  R"("io.modelcontextprotocol/clientCapabilities":)" +
                  std::string(capabilities);
        if (!meta.empty()) params += ',' + std::string(meta);
        return legacy_body(method, params + "}}", id);
    }
    static std::string modern_headers(std::string_view method, std::string_view name = {}) {
        std::string out =
            std::string(both) + std::string(modern_version) + "Mcp-Method: " + std::string(method) + "\r\n";
        if (!name.empty()) out += "Mcp-Name: " + std::string(name) + "\r\n";
        return out;
    }
    /// A call of a tool, with the headers it needs.
    static std::string modern_call(std::string_view tool, std::string_view arguments = "{}", std::string_view meta = {},
                                   std::string_view id = "1", std::string_view capabilities = "{}") {
        const std::string members = R"("name":")" + std::string(tool) + R"(","arguments":)" + std::string(arguments);
        return post(modern_body("tools/call", members, meta, id, capabilities), modern_headers("tools/call", tool));
    }
    static std::string legacy_call(std::string_view tool, const std::string& session, std::string_view id = "1",
                                   std::string_view meta = {}, std::string_view arguments = "{}") {
        std::string params = R"({"name":")" + std::string(tool) + R"(","arguments":)" + std::string(arguments);
        if (!meta.empty()) params += R"(,"_meta":{)" + std::string(meta) + '}';
        return post(legacy_body("tools/call", params + '}', id), in(session));
    }
};

}  // namespace persistproc::tests
