#include "common/mcp/http/connection.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/mcp/http/exchange.hpp"
#include "common/mcp/http/sse.hpp"

namespace persistproc::mcp::http {

namespace {

constexpr std::size_t read_ahead_bytes = 64u << 10;
constexpr std::string_view json_type = "application/json";
constexpr std::string_view text_type = "text/plain; charset=utf-8";
constexpr std::string_view allow = "Allow: POST, GET, DELETE\r\n";
constexpr std::string_view allow_post = "Allow: POST\r\n";

std::string_view reason_phrase(unsigned status) noexcept {
    switch (status) {
        case 200: return "OK";
        case 202: return "Accepted";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 406: return "Not Acceptable";
        case 408: return "Request Timeout";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 417: return "Expectation Failed";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 503: return "Service Unavailable";
        default: return "Error";
    }
}

}  // namespace

Connection::Connection(Endpoint endpoint, Admission admission, std::function<void()> on_change)
    : endpoint_(std::move(endpoint)),
      admission_(std::move(admission)),
      on_change_(std::move(on_change)),
      reader_(endpoint_.limits),
      since_(endpoint_.clock.rough_now()) {}

Connection::~Connection() = default;

// ---- input ----

void Connection::receive(std::string_view bytes) {
    if (phase_ == Phase::draining) {
        thrown_away_ += bytes.size();
        if (thrown_away_ > endpoint_.limits.linger_bytes) lost();
        return;
    }
    if (phase_ == Phase::over) return;
    reader_.feed(bytes);
    pump();
}

void Connection::end_of_input() {
    input_ended_ = true;
    switch (phase_) {
        case Phase::reading:
            // What has come whole is answered once there is room for its answers.
            if (!is_behind()) half_close();
            break;
        case Phase::waiting:
            // In 2026-07-28 to hang up is to cancel; else the answer may still be read by who is there.
            if ((exchange_ && exchange_->is_alone()) || (admission_.has_left && admission_.has_left())) lost();
            break;
        case Phase::streaming: lost(); break;
        case Phase::draining: phase_ = Phase::over; break;
        case Phase::over: break;
    }
}

void Connection::lost() {
    phase_ = Phase::over;
    output_.clear();
    const auto exchange = std::exchange(exchange_, nullptr);
    if (const auto session = std::exchange(standing_session_, nullptr))
        endpoint_.sessions->leave_standing(*session, this);
    if (exchange) exchange->connection_lost(endpoint_.server);
    changed();
}

void Connection::give_way(std::string_view reason) {
    if (phase_ != Phase::reading || !reader_.is_started() || !output_.empty()) return lost();
    has_given_way_ = true;
    keep_alive_ = false;
    reader_.drop_all();
    answer_text(503, reason);
}

void Connection::finish() {
    finishing_ = true;
    if (phase_ == Phase::reading && !reader_.is_started()) return half_close();
    // The client comes back to the next daemon; until then there is nothing more to say.
    if (standing_session_) end_stream();
}

void Connection::pump() {
    if (pumping_) return;
    pumping_ = true;
    while (phase_ == Phase::reading && !is_behind()) {
        const auto progress = reader_.advance();
        if (progress == RequestReader::Progress::need_more) {
            const bool started = reader_.is_started();
            if (started != request_started_) since_ = endpoint_.clock.rough_now();
            request_started_ = started;
            if (input_ended_) half_close();
            break;
        }
        if (progress == RequestReader::Progress::failed) {
            keep_alive_ = false;
            answer_text(reader_.failure().status, reader_.failure().reason);
            break;
        }
        if (progress == RequestReader::Progress::head) {
            since_ = endpoint_.clock.rough_now();
            request_started_ = true;
            check_head();
        } else {
            handle_request();
        }
    }
    pumping_ = false;
}

/// A body that comes with what is refused is not read: the connection ends instead.
bool Connection::refuse_head(unsigned status, std::string_view reason, std::string_view headers) {
    if (reader_.head().has_body) keep_alive_ = false;
    // Whoever is turned away at the door may be told in the protocol's own words, without an id.
    if (status == 403)
        refuse_rpc(status, RpcError{rpc::invalid_request, std::string(reason), "null", nullptr});
    else
        answer_text(status, reason, headers);
    return false;
}

/// Whether who asks may ask at all.
bool Connection::check_access() {
    const RequestHead& head = reader_.head();
    const auto port = find_loopback_port(head.host);
    if (!port) return refuse_head(403, "Host must be 127.0.0.1, localhost or [::1]");
    const auto origin =
        head.has_origin ? find_origin_kind(head.origin, *port, endpoint_.extra_origins) : OriginKind::own;
    if (origin == OriginKind::other) return refuse_head(403, "Origin is not allowed");
    if (origin == OriginKind::extra) {
        allowed_origin_ = trim_blanks(head.origin);
        // The browser asks before it sends anything of the page's own, the token included.
        if (head.method == "OPTIONS") {
            answer_preflight();
            return false;
        }
    } else if (!head.sec_fetch_site.empty() &&
               (head.has_origin || !equals_ignoring_case(head.sec_fetch_site, "none"))) {
        // Also a page of this very origin: whoever held the port before, or holds it at another address of
        // "localhost", has served it. Browsers alone send that header; "none" is what a person typed or opened.
        return refuse_head(403, "requests of web pages are not allowed");
    }
    // Clients ask there how to get a token by OAuth, and must find nothing.
    if (!admission_.needs_token || head.target.starts_with("/.well-known/")) return true;
    if (endpoint_.router.is_open(head.method, head.target.substr(0, head.target.find('?')))) return true;
    // Without a token nobody can show it: to show nothing is not to show that.
    const bool is_right = is_same_secret(find_bearer_token(head.authorization), endpoint_.token);
    if (!endpoint_.token.empty() && is_right) return true;
    return refuse_head(401, "the token is needed: `persistproc setup CLIENT` writes it into an agent's entry",
                       "WWW-Authenticate: Bearer\r\n");
}

/// Source: the Fetch standard, "CORS protocol".
void Connection::answer_preflight() {
    const RequestHead& head = reader_.head();
    if (head.has_body) keep_alive_ = false;
    respond(200, {}, {},
            "Access-Control-Allow-Methods: POST, GET, DELETE\r\n"
            "Access-Control-Allow-Headers: Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, "
            "MCP-Protocol-Version, Mcp-Method, Mcp-Name\r\n"
            "Access-Control-Max-Age: 600\r\n");
    request_done();
}

bool Connection::check_head() {
    const RequestHead& head = reader_.head();
    // An agent behind the stdio bridge comes over the client's socket and is no more than an agent.
    is_bridge_ = admission_.role == Principal::Role::client && head.audience == "agent";
    keep_alive_ = head.keep_alive;
    can_chunk_ = !head.is_http_1_0;
    page_ = nullptr;
    allowed_origin_.clear();
    if (!check_access()) return false;
    const auto path = head.target.substr(0, head.target.find('?'));
    const bool is_endpoint = path == "/mcp" || path == "/mcp/";
    if (!is_endpoint) {
        const auto found = endpoint_.router.find(head.method, path);
        if (found.handler == nullptr && found.allow.empty()) return refuse_head(404, "not found; the endpoint is /mcp");
        if (found.handler == nullptr) return refuse_head(405, "use " + found.allow, "Allow: " + found.allow + "\r\n");
        page_ = found.handler;
    }
    const bool is_post = head.method == "POST";
    if (is_endpoint) {
        if (!is_post && head.method != "GET" && head.method != "DELETE")
            return refuse_head(405, "use POST, GET or DELETE", allow);
        if (!is_post && head.protocol_version == revision_name(modern_revision))
            return refuse_head(405, "2026-07-28 has no GET and no DELETE; use POST", allow_post);
        accept_ = read_accept(head.accept);
    }
    if (is_post && !is_json_type(head.content_type)) return refuse_head(415, "Content-Type must be application/json");
    if (is_post && head.is_encoded) return refuse_head(415, "compressed bodies are not accepted");
    if (is_endpoint && is_post && !accept_.json && !accept_.events)
        return refuse_head(406, "Accept must allow application/json or text/event-stream");
    if (head.body_too_large)
        return refuse_head(413, fmt::format("body is larger than {} bytes", endpoint_.limits.body_bytes));
    if (!head.expect.empty()) {
        if (!equals_ignoring_case(head.expect, "100-continue"))
            return refuse_head(417, "only 100-continue can be expected");
        if (head.has_body && can_chunk_ && reader_.buffered() == 0) {
            begin_output();
            output_ += "HTTP/1.1 100 Continue\r\n\r\n";
        }
    }
    return true;
}

void Connection::handle_request() {
    has_asked_ = true;
    const std::string_view method = reader_.head().method;
    if (page_ != nullptr)
        answer_page(*page_);
    else if (method == "POST")
        post();
    else if (method == "GET")
        open_get();
    else
        delete_session();
}

void Connection::answer_page(const Router::Handler& handler) {
    const RequestHead& head = reader_.head();
    const auto question = std::min(head.target.find('?'), head.target.size());
    PlainRequest request;
    request.method = head.method;
    request.path = head.target.substr(0, question);
    request.query = head.target.substr(std::min(question + 1, head.target.size()));
    request.body = reader_.body();
    const PlainAnswer answer = handler(request);
    respond(answer.status, answer.content_type, answer.body);
    request_done();
}

// ---- requests ----

std::shared_ptr<HttpSession> Connection::find_session(std::string_view rpc_id) {
    const RequestHead& head = reader_.head();
    if (head.has_protocol_version && !find_revision(head.protocol_version)) {
        RpcError error{rpc::unsupported_version, "Unsupported MCP-Protocol-Version", std::string(rpc_id), nullptr};
        error.data = Json{{"supported", Json::array({revision_name(modern_revision)})},
                          {"requested", std::string(head.protocol_version)}};
        refuse_rpc(400, error);
        return nullptr;
    }
    if (!head.has_session_id) {
        refuse_rpc(400, RpcError{rpc::invalid_request, "No Mcp-Session-Id: send initialize first", std::string(rpc_id),
                                 nullptr});
        return nullptr;
    }
    auto session = endpoint_.sessions->find(head.session_id, principal(nullptr));
    if (!session) {
        refuse_rpc(404, RpcError{rpc::session_not_found, "Session not found: send initialize again",
                                 std::string(rpc_id), nullptr});
        return nullptr;
    }
    return session;
}

void Connection::open_get() {
    const RequestHead& head = reader_.head();
    if (!head.has_session_id) return answer_text(405, "a stream needs an Mcp-Session-Id", allow);
    if (!accept_.events || !can_chunk_) return answer_text(406, "Accept must allow text/event-stream");
    const auto session = find_session("null");
    if (!session) return;
    const auto self = shared_from_this();
    if (head.has_last_event_id && !head.last_event_id.empty()) {
        const auto id = find_event_id(head.last_event_id);
        const auto found = id ? session->streams.find(id->stream) : session->streams.end();
        if (found != session->streams.end() && found->second->can_resume(id->position)) {
            const auto stream = found->second;
            begin_stream_head();
            if (stream != session->standing) return stream->resume(id->position, self);
            standing_session_ = session;
            if (!endpoint_.sessions->resume_standing(*session, id->position, self)) end_stream();
            return;
        }
        // What a GET's stream said while nobody listened, or in an earlier process, is gone. What it will say is not:
        // the SDKs' clients never listen again after a refusal.
        if (!id || id->kind != StreamKind::standing) return answer_text(400, "Last-Event-ID cannot be resumed");
    }
    if (!endpoint_.sessions->open_standing(*session, self))
        return answer_text(429, "limit: too many event streams are open; end some of yours, or ask again later");
    standing_session_ = session;
    begin_stream_head();
    // The sessions own what calls this.
    const std::weak_ptr<Sessions> sessions = endpoint_.sessions;
    endpoint_.server.set_outlet(session->protocol, [sessions, weak = std::weak_ptr(session)](std::string message) {
        const auto all = sessions.lock();
        const auto live = weak.lock();
        if (all && live) all->say(*live, std::move(message));
    });
}

void Connection::delete_session() {
    if (!reader_.head().has_session_id) return answer_text(400, "DELETE needs an Mcp-Session-Id");
    const auto session = find_session("null");
    if (!session) return;
    endpoint_.sessions->end(session);
    respond(200, {}, {});
    request_done();
}

// ---- answers ----

void Connection::begin_output() {
    if (output_.empty()) output_since_ = unsent_since_ = endpoint_.clock.rough_now();
}

/// A browser shows an answer to a page of another origin only if it is named, and of its fields those that are.
void Connection::name_allowed_origin() {
    if (allowed_origin_.empty()) return;
    output_ += "Access-Control-Allow-Origin: " + allowed_origin_ +
               "\r\nAccess-Control-Expose-Headers: Mcp-Session-Id\r\nVary: Origin\r\n";
}

void Connection::respond(unsigned status, std::string_view type, std::string_view body, std::string_view headers) {
    begin_output();
    output_.reserve(output_.size() + body.size() + headers.size() + 160);
    output_ += "HTTP/1.1 ";
    output_ += std::to_string(status);
    output_ += ' ';
    output_ += reason_phrase(status);
    output_ += "\r\nContent-Length: ";
    output_ += std::to_string(body.size());
    output_ += "\r\n";
    if (!type.empty()) {
        output_ += "Content-Type: ";
        output_ += type;
        output_ += "\r\n";
    }
    output_ += headers;
    name_allowed_origin();
    if (finishing_) keep_alive_ = false;
    if (!keep_alive_)
        output_ += "Connection: close\r\n";
    else if (!can_chunk_)
        output_ += "Connection: keep-alive\r\n";
    output_ += "\r\n";
    // The answer to HEAD ends with its head, whatever length it names.
    if (reader_.head().method != "HEAD") output_ += body;
}

void Connection::answer_text(unsigned status, std::string_view reason, std::string_view headers) {
    respond(status, text_type, std::string(reason) + "\n", headers);
    request_done();
}

void Connection::refuse_rpc(unsigned status, const RpcError& error) {
    respond(status, json_type, error_response(error));
    request_done();
}

void Connection::respond_message(unsigned status, std::string_view json, std::string_view headers) {
    // Clients look for events behind 200 alone.
    if (accept_.json || !can_chunk_ || status != 200) return respond(status, json_type, json, headers);
    SseEvent event;
    event.data = json;
    respond(status, "text/event-stream", sse_text(event), headers);
}

void Connection::begin_stream_head() {
    begin_output();
    output_ +=
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"
        "Transfer-Encoding: chunked\r\n";
    name_allowed_origin();
    if (!keep_alive_) output_ += "Connection: close\r\n";
    output_ += "\r\n";
    phase_ = Phase::streaming;
    since_ = endpoint_.clock.rough_now();
    changed();
}

bool Connection::begin_stream() {
    if (!accept_.events || !can_chunk_) return false;
    begin_stream_head();
    return true;
}

void Connection::send_event(std::string_view text) {
    if (phase_ != Phase::streaming) return;
    if (output_.size() > endpoint_.limits.pending_output) return lost();
    begin_output();
    fmt::format_to(std::back_inserter(output_), "{:x}\r\n", text.size());
    output_ += text;
    output_ += "\r\n";
    since_ = endpoint_.clock.rough_now();
    changed();
}

void Connection::end_stream() {
    if (phase_ != Phase::streaming) return;
    if (const auto session = std::exchange(standing_session_, nullptr))
        endpoint_.sessions->leave_standing(*session, this);
    begin_output();
    output_ += "0\r\n\r\n";
    request_done();
}

void Connection::accepted() {
    respond(202, {}, {});
    request_done();
}

void Connection::request_done() {
    exchange_.reset();
    if (phase_ == Phase::over) return;
    phase_ = Phase::reading;
    request_started_ = false;
    since_ = endpoint_.clock.rough_now();
    if (!keep_alive_ || finishing_) {
        half_close();
        return;
    }
    reader_.next();
    pump();
    changed();
}

void Connection::half_close() {
    if (phase_ == Phase::over) return;
    phase_ = input_ended_ && output_.empty() ? Phase::over : Phase::draining;
    since_ = endpoint_.clock.rough_now();
    changed();
}

void Connection::changed() {
    if (!pumping_ && on_change_) on_change_();
}

// ---- time and flow ----

void Connection::output_taken() {
    if (output_.empty()) clear_text(output_);
    output_since_ = endpoint_.clock.rough_now();
    if (phase_ == Phase::reading && !is_behind()) return pump();
    if (phase_ != Phase::draining) return;
    since_ = output_since_;
    if (output_.empty() && input_ended_) phase_ = Phase::over;
}

bool Connection::wants_input() const noexcept {
    if (input_ended_ || phase_ == Phase::over) return false;
    if (phase_ == Phase::reading) return !is_behind();
    return phase_ == Phase::draining || reader_.buffered() < read_ahead_bytes;
}

bool Connection::is_behind() const noexcept { return output_.size() > endpoint_.limits.answers_ahead; }

Audience Connection::audience() const noexcept {
    return role() == Principal::Role::client ? Audience::client : Audience::agent;
}

bool Connection::is_idle() const noexcept {
    return phase_ == Phase::reading && !reader_.is_started() && output_.empty();
}

Connection::Hold Connection::hold() const noexcept {
    switch (phase_) {
        case Phase::waiting: return Hold::call;
        case Phase::streaming: return standing_session_ ? Hold::stream : Hold::call;
        case Phase::reading:
            if (reader_.is_started()) return Hold::request;
            if (!output_.empty()) return Hold::answer;
            return has_asked_ ? Hold::rest : Hold::request;
        case Phase::draining:
            if (has_given_way_) return Hold::refused;
            break;
        case Phase::over: break;
    }
    return Hold::answer;
}

MonoTime Connection::gives_way_at() const noexcept {
    if (output_.empty()) return MonoTime::max();
    return std::min(output_since_ + endpoint_.limits.stalled_of_full, unsent_since_ + endpoint_.limits.unsent_of_full);
}

MonoTime Connection::deadline() const noexcept {
    const Limits& limits = endpoint_.limits;
    MonoTime out = MonoTime::max();
    switch (phase_) {
        case Phase::reading:
            out = since_ + (!request_started_      ? limits.idle
                            : reader_.is_in_body() ? limits.body_deadline
                                                   : limits.header_deadline);
            break;
        case Phase::waiting:
            if (exchange_ && !exchange_->gave_up()) out = since_ + limits.upgrade_after;
            break;
        case Phase::streaming: out = since_ + limits.keep_alive; break;
        case Phase::draining:
            // It begins when the last of our answer has been taken.
            if (output_.empty()) out = since_ + limits.linger;
            break;
        case Phase::over: break;
    }
    if (!output_.empty()) out = std::min(out, output_since_ + limits.stalled);
    return out;
}

void Connection::tick() {
    const auto now = endpoint_.clock.now();
    if (now < deadline()) return;
    if (!output_.empty() && now >= output_since_ + endpoint_.limits.stalled) return lost();
    switch (phase_) {
        case Phase::reading:
            if (!request_started_) return half_close();
            keep_alive_ = false;
            answer_text(408, "the request did not arrive in time");
            return;
        case Phase::waiting: {
            const auto exchange = exchange_;
            exchange->upgrade();
            return;
        }
        case Phase::streaming:
            // Pending output keeps the connection busy by itself, and its stall must be seen.
            if (output_.empty()) send_event(sse_comment);
            since_ = now;
            return;
        case Phase::draining: return lost();
        case Phase::over: return;
    }
}

}  // namespace persistproc::mcp::http
