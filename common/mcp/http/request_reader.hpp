#pragma once
/// Reads HTTP/1.1 requests from bytes (Beast's parser, without I/O) and refuses whatever two parties could read in
/// two ways. Passive: the caller owns the connection and the clock.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/mcp/http/limits.hpp"

namespace persistproc::mcp::http {

/// The parts of a request that the endpoint goes by. Views point into the reader and hold until `next`.
struct RequestHead {
    std::string_view method;
    std::string_view target;
    std::string_view host, origin, sec_fetch_site, content_type, accept, session_id, protocol_version, last_event_id;
    std::string_view mcp_method, mcp_name, audience;
    std::string_view authorization;
    std::string_view expect;
    bool has_host = false, has_origin = false, has_session_id = false, has_protocol_version = false,
         has_last_event_id = false, has_mcp_method = false, has_mcp_name = false;
    bool is_encoded = false;  // Content-Encoding other than identity
    bool has_body = false;
    bool body_too_large = false;  // by its Content-Length
    bool is_http_1_0 = false;
    bool keep_alive = true;
};

/// Why a request could not be read; the connection ends after the answer.
struct Unreadable {
    unsigned status = 400;
    std::string_view reason;
};

class RequestReader {
public:
    enum class Progress { need_more, head, body, failed };

    explicit RequestReader(const Limits& limits);
    ~RequestReader();
    RequestReader(RequestReader&&) noexcept;

    /// Adds bytes from the peer.
    void feed(std::string_view bytes);
    /// Advances as far as the bytes allow: `head` once per request, then `body` when it is complete, `need_more`
    /// between; call again after `head`.
    Progress advance();
    const RequestHead& head() const noexcept;
    /// The value of a field of the head by its name, without regard to case.
    std::optional<std::string_view> find_header(std::string_view name) const;
    /// The whole body, after `body`.
    const std::string& body() const noexcept;
    /// Frees the body before `next`, with the room that it came through: the answer may take long.
    void drop_body() noexcept;
    /// Frees all that has come: nothing more is read.
    void drop_all() noexcept;
    const Unreadable& failure() const noexcept;
    /// Begins the next request; bytes that are already here are kept.
    void next();
    /// Bytes not yet consumed.
    std::size_t buffered() const noexcept;
    /// What is kept of the request so far and of what came after it, bytes.
    std::size_t held_bytes() const noexcept;
    /// Whether a request has begun to arrive; a few empty lines are none.
    bool is_started() const noexcept;
    bool is_in_body() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace persistproc::mcp::http
