#include "common/mcp/http/access.hpp"

#include <algorithm>
#include <charconv>

namespace persistproc::mcp::http {

namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

/// Cuts the part before `separator` off `rest`.
std::string_view next_part(std::string_view& rest, char separator) noexcept {
    const auto end = rest.find(separator);
    const auto part = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    return trim_blanks(part);
}

/// "q=0", "q=0.0", …
bool is_excluded(std::string_view parameters) noexcept {
    while (!parameters.empty()) {
        const auto one = next_part(parameters, ';');
        if (one.size() > 2 && lower(one[0]) == 'q' && one[1] == '=')
            return one.substr(2).find_first_not_of("0.") == std::string_view::npos;
    }
    return false;
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    // Most are spelled as they are looked for.
    return a == b || std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim_blanks(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

std::optional<std::uint16_t> find_loopback_port(std::string_view host) noexcept {
    host = trim_blanks(host);
    const auto name_end = host.starts_with('[') ? host.find(']') : host.find(':');
    const auto name = host.starts_with('[') && name_end != std::string_view::npos ? host.substr(0, name_end + 1)
                                                                                  : host.substr(0, name_end);
    if (name != "127.0.0.1" && name != "[::1]" && !equals_ignoring_case(name, "localhost")) return std::nullopt;
    const auto rest = host.substr(name.size());
    if (rest.empty()) return std::uint16_t{80};
    std::uint16_t port = 0;
    const auto [end, failed] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), port);
    if (rest.front() != ':' || failed != std::errc() || end != rest.data() + rest.size()) return std::nullopt;
    return port;
}

OriginKind find_origin_kind(std::string_view origin, std::uint16_t host_port,
                            const std::vector<std::string>& extra) noexcept {
    origin = trim_blanks(origin);
    if (std::find(extra.begin(), extra.end(), origin) != extra.end()) return OriginKind::extra;
    constexpr std::string_view scheme = "http://";
    if (!origin.starts_with(scheme)) return OriginKind::other;
    return find_loopback_port(origin.substr(scheme.size())) == host_port ? OriginKind::own : OriginKind::other;
}

std::optional<std::string> parse_origin(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), lower);
    const auto scheme_end = out.find("://");
    if (scheme_end == std::string::npos || scheme_end == 0) return std::nullopt;
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz", digits = "0123456789";
    const auto is_of = [](std::string_view part, std::string_view a, std::string_view b, std::string_view c) {
        return std::all_of(part.begin(), part.end(), [&](char each) {
            return a.find(each) != a.npos || b.find(each) != b.npos || c.find(each) != c.npos;
        });
    };
    const std::string_view whole = out, scheme = whole.substr(0, scheme_end);
    if (!is_of(scheme, letters, digits, "+-.")) return std::nullopt;
    std::string_view host = whole.substr(scheme_end + 3);
    std::optional<std::uint16_t> port;
    const auto colon = host.find(':', host.starts_with('[') ? std::min(host.find(']'), host.size()) : 0);
    if (colon != std::string_view::npos) {
        const auto number = host.substr(colon + 1);
        const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), port.emplace());
        if (failed != std::errc() || end != number.data() + number.size()) return std::nullopt;
        host = host.substr(0, colon);
    }
    const bool is_address = host.size() > 2 && host.starts_with('[') && host.ends_with(']');
    const bool is_host = is_address ? is_of(host.substr(1, host.size() - 2), "abcdef", digits, ":.")
                                    : !host.empty() && is_of(host, letters, digits, "-._");
    if (!is_host) return std::nullopt;
    const bool is_usual = (scheme == "http" && port == 80) || (scheme == "https" && port == 443);
    out.resize(scheme_end + 3 + host.size());
    if (port && !is_usual) out += ':' + std::to_string(*port);
    return out;
}

std::string_view find_bearer_token(std::string_view authorization) noexcept {
    auto rest = trim_blanks(authorization);
    const auto end = rest.find(' ');
    if (end == std::string_view::npos || !equals_ignoring_case(rest.substr(0, end), "bearer")) return {};
    return trim_blanks(rest.substr(end));
}

Acceptable read_accept(std::string_view accept) noexcept {
    // What the specification asks clients to send, and nearly all do.
    if (accept == "application/json, text/event-stream") return {};
    if (trim_blanks(accept).empty()) return {};
    Acceptable out{false, false};
    while (!accept.empty()) {
        auto one = next_part(accept, ',');
        const auto type = next_part(one, ';');
        if (is_excluded(one)) continue;
        if (type == "*/*" || equals_ignoring_case(type, "application/*") ||
            equals_ignoring_case(type, "application/json"))
            out.json = true;
        if (type == "*/*" || equals_ignoring_case(type, "text/*") || equals_ignoring_case(type, "text/event-stream"))
            out.events = true;
    }
    return out;
}

bool is_json_type(std::string_view content_type) noexcept {
    return equals_ignoring_case(next_part(content_type, ';'), "application/json");
}

}  // namespace persistproc::mcp::http
