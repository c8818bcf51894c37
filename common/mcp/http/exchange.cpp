#include "common/mcp/http/exchange.hpp"

#include "common/mcp/http/sse.hpp"

namespace persistproc::mcp::http {

namespace {

constexpr std::uint64_t retry_ms = 1000;

/// The status of a response of 2026-07-28 that is the whole answer.
unsigned status_of(int error) noexcept {
    switch (error) {
        case rpc::method_not_found: return 404;
        case rpc::invalid_request:
        case rpc::header_mismatch:
        case rpc::missing_capability:
        case rpc::unsupported_version: return 400;
        default: return 200;
    }
}

std::string event_text(std::string message) {
    SseEvent event;
    event.data = std::move(message);
    return sse_text(event);
}

}  // namespace

/// The connection, if this is still what it carries.
std::shared_ptr<Connection> Connection::Exchange::carrier() const {
    auto connection = connection_.lock();
    return connection && connection->exchange_.get() == this ? connection : nullptr;
}

void Connection::Exchange::upgrade() {
    const auto self = shared_from_this();
    if (is_streaming_ || gave_up_) return;
    const auto connection = carrier();
    if (!connection) {
        gave_up_ = true;
        return;
    }
    if (session_) {
        stream_ = connection->accept_.events && connection->can_chunk_ ? sessions_->open_stream(*session_) : nullptr;
        if (stream_ && connection->begin_stream()) stream_->attach(connection);
        // Older clients would parse the empty data as JSON.
        if (stream_ && session_->protocol->revision() >= Revision::r2025_11_25) stream_->push({}, retry_ms);
        is_streaming_ = stream_ != nullptr;
    } else {
        is_streaming_ = connection->begin_stream();
    }
    gave_up_ = !is_streaming_;
}

bool Connection::Exchange::notify(std::string message) {
    const auto self = shared_from_this();
    upgrade();
    if (!is_streaming_) return false;
    if (stream_) {
        stream_->push(std::move(message));
        return true;
    }
    if (const auto connection = carrier()) connection->send_event(event_text(std::move(message)));
    // To send may be to find out that nobody reads.
    return carrier() != nullptr;
}

bool Connection::Exchange::is_stream() {
    const auto self = shared_from_this();
    if (const auto connection = carrier(); connection && !connection->accept_.json) upgrade();
    return is_streaming_;
}

void Connection::Exchange::finish(std::string response, int error) {
    const auto self = shared_from_this();
    // A cancelled request has no response, but its POST must end: with an empty stream.
    if (response.empty()) upgrade();
    if (stream_) {
        if (!response.empty()) stream_->push(std::move(response));
        return sessions_->end_stream(session_, stream_);
    }
    const auto connection = carrier();
    if (!connection) return;
    if (is_streaming_) {
        if (!response.empty()) connection->send_event(event_text(std::move(response)));
        return connection->end_stream();
    }
    if (response.empty()) return connection->accepted();
    connection->respond_message(alone_ ? status_of(error) : 200, response);
    connection->request_done();
}

bool Connection::Exchange::let_connection_go() {
    const auto self = shared_from_this();
    if (!session_ || session_->protocol->revision() < Revision::r2025_11_25) return false;
    upgrade();
    if (!stream_) return false;
    stream_->let_carrier_go();
    return true;
}

void Connection::Exchange::connection_lost(Server& server) {
    if (alone_) return server.cancel_calls(*alone_);
    // Who has heard of no event knows none to come back with.
    if (!stream_ || !stream_->has_events()) server.abandon(*this);
}

}  // namespace persistproc::mcp::http
