#include "daemon/http/health_pages.hpp"

#include <fmt/format.h>

namespace persistproc::daemon::http {

std::optional<mcp::http::PlainAnswer> find_health_page(std::string_view path, const Readiness& readiness) {
    if (path == "/healthz") return mcp::http::PlainAnswer{200, "ok"};
    if (path != "/readyz") return std::nullopt;
    if (readiness.is_ready) return mcp::http::PlainAnswer{200, "ready"};
    if (readiness.total == 0) return mcp::http::PlainAnswer{503, "adopting"};
    return mcp::http::PlainAnswer{503, fmt::format("adopting {} of {}", readiness.adopted, readiness.total)};
}

}  // namespace persistproc::daemon::http
