#pragma once
/// Which HTTP requests are let in: pages of a browser and rebound names stay out. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace persistproc::mcp::http {

/// The port of a Host header that names 127.0.0.1, localhost or [::1] (80 when it has none); no value: another host.
std::optional<std::uint16_t> find_loopback_port(std::string_view host) noexcept;

/// Where a request comes from that a browser sends.
enum class OriginKind {
    own,    // an http page of this very endpoint (loopback, the port of `host_port`)
    extra,  // one of `extra`, which the user allowed
    other,
};
OriginKind find_origin_kind(std::string_view origin, std::uint16_t host_port,
                            const std::vector<std::string>& extra) noexcept;

struct Acceptable {
    bool json = true;
    bool events = true;
};
/// What an Accept header takes; absent or empty: everything. Quality 0 excludes.
Acceptable read_accept(std::string_view accept) noexcept;

/// Whether a Content-Type's media type is application/json, whatever its parameters.
bool is_json_type(std::string_view content_type) noexcept;

/// An origin as a browser sends it: scheme, host, and a port where it is not the scheme's own; "http://localhost:5173"
/// of "HTTP://LocalHost:5173", "http://x" of "http://x:80". No value: it is none.
std::optional<std::string> parse_origin(std::string_view text);

/// The token of an "Authorization: Bearer …" field (RFC 6750); empty: it has none.
std::string_view find_bearer_token(std::string_view authorization) noexcept;

/// ASCII, without regard to case.
bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;
std::string_view trim_blanks(std::string_view text) noexcept;

}  // namespace persistproc::mcp::http
