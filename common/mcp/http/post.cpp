// What a POST to the endpoint is: of which era, and whether it may be asked at all. The order of the checks is that of
// mcp 2026-07-28, "Streamable HTTP"; a body decides its era, never the connection.
#include "common/mcp/batch.hpp"
#include "common/mcp/http/exchange.hpp"
#include "common/mcp/http/header_value.hpp"

namespace persistproc::mcp::http {

namespace {

/// Takes the one response of a request that is answered at once.
class Captured final : public Reply {
public:
    std::string response;
    bool notify(std::string) override { return false; }
    void finish(std::string text, int) override { response = std::move(text); }
};

RpcError mismatch(std::string message, const Message& about) {
    return RpcError{rpc::header_mismatch, "Header mismatch: " + std::move(message), about.id, nullptr};
}

}  // namespace

Principal Connection::principal(const Session* session) const {
    return {role(), session != nullptr ? static_cast<const void*>(session) : this, admission_.process,
            admission_.socket};
}

void Connection::post() {
    auto json = read_json(reader_.body());
    reader_.drop_body();
    if (!json)
        return refuse_rpc(400, RpcError{rpc::parse_error, "Parse error: " + json.error().message, "null", nullptr});
    if (json->is_array()) return post_batch(std::move(*json));
    auto read = read_message(std::move(*json));
    const RequestHead& head = reader_.head();
    const bool has_modern_header = head.protocol_version == revision_name(modern_revision);
    if (const auto* refused = std::get_if<RpcError>(&read)) return refuse_rpc(400, *refused);
    auto& message = std::get<Message>(read);
    switch (message.kind) {
        case MessageKind::request:
            if (has_envelope(message.params)) return post_modern(std::move(message));
            if (has_modern_header) return post_without_envelope(message);
            if (message.method == "initialize") return post_initialize(std::move(message));
            break;
        case MessageKind::notification:
            // 2026-07-28 has no notifications of clients over HTTP.
            if (has_modern_header) return accepted();
            break;
        case MessageKind::response: break;
    }
    post_in_session(std::move(message));
}

void Connection::post_batch(Json array) {
    const auto refused = [this](const char* why) {
        refuse_rpc(400, RpcError{rpc::invalid_request, std::string("Invalid request: ") + why, "null", nullptr});
    };
    auto read = read_batch(std::move(array));
    if (const auto* error = std::get_if<RpcError>(&read)) return refuse_rpc(400, *error);
    if (reader_.head().protocol_version == revision_name(modern_revision)) return refused("2026-07-28 has no batches");
    const auto session = find_session("null");
    if (!session) return;
    if (session->protocol->revision() != Revision::r2025_03_26) return refused("batches ended with 2025-03-26");
    auto& batch = std::get<Batch>(read);
    if (batch.has_requests) {
        const auto exchange = begin_exchange(session, nullptr);
        handle_batch(endpoint_.server, session->protocol, principal(session->protocol.get()), std::move(batch),
                     exchange);
    } else {
        handle_batch(endpoint_.server, session->protocol, principal(session->protocol.get()), std::move(batch),
                     nullptr);
        accepted();
    }
}

void Connection::post_modern(Message message) {
    const RequestHead& head = reader_.head();
    if (const std::string* version = claimed_version(message.params)) {
        if (head.has_protocol_version && head.protocol_version != *version)
            return refuse_rpc(400, mismatch("MCP-Protocol-Version is not the body's", message));
        if (head.has_mcp_method && head.mcp_method != message.method)
            return refuse_rpc(400, mismatch("Mcp-Method is not the body's", message));
    }
    auto read = read_envelope(message.params);
    if (auto* refused = std::get_if<RpcError>(&read)) {
        refused->id = message.id;
        return refuse_rpc(400, *refused);
    }
    if (const auto refused = check_modern_headers(message)) return refuse_rpc(400, *refused);
    if (endpoint_.header_check && endpoint_.server.knows_modern(message.method))
        if (const auto refused = endpoint_.header_check(message, reader_)) return refuse_rpc(400, *refused);
    auto alone = std::make_shared<Session>();
    // The exchange may end inside the call and is needed until it returns.
    const auto exchange = begin_exchange(nullptr, alone);
    endpoint_.server.handle_modern(alone, principal(nullptr), std::move(message), std::move(std::get<Caller>(read)),
                                   exchange);
}

/// Headers that must be there, and what they repeat.
std::optional<RpcError> Connection::check_modern_headers(const Message& message) const {
    const RequestHead& head = reader_.head();
    if (!head.has_protocol_version) return mismatch("MCP-Protocol-Version is missing", message);
    if (!head.has_mcp_method) return mismatch("Mcp-Method is missing", message);
    const auto member = named_member(message.method);
    if (member.empty()) return std::nullopt;
    const std::string* repeated = find_text(message.params, member);
    if (repeated == nullptr) {
        if (head.has_mcp_name) return mismatch("Mcp-Name repeats nothing", message);
        return std::nullopt;
    }
    if (!head.has_mcp_name) return mismatch("Mcp-Name is missing", message);
    const auto name = decode_header_value(head.mcp_name);
    if (!name) return mismatch("Mcp-Name is not base64", message);
    if (*name != *repeated) return mismatch("Mcp-Name is not the body's", message);
    return std::nullopt;
}

/// The headers say 2026-07-28, the body says nothing.
void Connection::post_without_envelope(const Message& message) {
    if (message.method == "initialize") return refuse_rpc(400, mismatch("2026-07-28 has no initialize", message));
    if (!endpoint_.server.knows_modern(message.method))
        return refuse_rpc(404, RpcError{rpc::method_not_found, "Method not found", message.id, nullptr});
    refuse_rpc(
        400, RpcError{rpc::invalid_params, "Invalid params: `_meta` must hold io.modelcontextprotocol/protocolVersion",
                      message.id, nullptr});
}

void Connection::post_in_session(Message message) {
    const bool is_request = message.kind == MessageKind::request;
    const auto session = find_session(is_request ? message.id : "null");
    if (!session) return;
    if (is_request) {
        const auto exchange = begin_exchange(session, nullptr);
        return endpoint_.server.handle(session->protocol, principal(session->protocol.get()), std::move(message),
                                       exchange);
    }
    endpoint_.server.handle(session->protocol, principal(session->protocol.get()), std::move(message), nullptr);
    accepted();
}

/// Who begins sessions while there are many is known first: they count as its process's.
void Connection::post_initialize(Message message) {
    const Principal from = principal(nullptr);
    if (!endpoint_.sessions->must_ask(from)) return begin_session(std::move(message));
    phase_ = Phase::waiting;
    since_ = endpoint_.clock.rough_now();
    const auto held = std::make_shared<Message>(std::move(message));
    endpoint_.sessions->ask(from, [weak = weak_from_this(), held](pid_t process) {
        const auto self = weak.lock();
        if (!self || self->phase_ != Phase::waiting) return;
        self->admission_.process = process;
        self->begin_session(std::move(*held));
    });
}

void Connection::begin_session(Message message) {
    auto protocol = std::make_shared<Session>();
    const auto reply = std::make_shared<Captured>();
    const bool complete = find_text(message.params, "protocolVersion") != nullptr;
    endpoint_.server.handle(protocol, principal(nullptr), std::move(message), reply);
    std::string header;
    if (complete)
        header = "Mcp-Session-Id: " + endpoint_.sessions->add(std::move(protocol), principal(nullptr))->id + "\r\n";
    respond_message(200, reply->response, header);
    request_done();
}

std::shared_ptr<Connection::Exchange> Connection::begin_exchange(std::shared_ptr<HttpSession> session,
                                                                 std::shared_ptr<Session> alone) {
    exchange_ = session ? std::make_shared<Exchange>(weak_from_this(), std::move(session), endpoint_.sessions)
                        : std::make_shared<Exchange>(weak_from_this(), std::move(alone));
    phase_ = Phase::waiting;
    since_ = endpoint_.clock.rough_now();
    return exchange_;
}

}  // namespace persistproc::mcp::http
