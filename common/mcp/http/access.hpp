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

/// `origin` is an http page of this very endpoint (loopback, the port of `host_port`), or one of `extra`.
bool is_origin_allowed(std::string_view origin, std::uint16_t host_port,
                       const std::vector<std::string>& extra) noexcept;

struct Acceptable {
    bool json = true;
    bool events = true;
};
/// What an Accept header takes; absent or empty: everything. Quality 0 excludes.
Acceptable read_accept(std::string_view accept) noexcept;

/// Whether a Content-Type's media type is application/json, whatever its parameters.
bool is_json_type(std::string_view content_type) noexcept;

/// ASCII, without regard to case.
bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;
std::string_view trim_blanks(std::string_view text) noexcept;

}  // namespace persistproc::mcp::http
