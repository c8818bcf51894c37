#include "daemon/http/health_pages.hpp"

#include <fmt/format.h>

namespace persistproc::daemon::http {

namespace {

mcp::http::PlainAnswer readiness_page(const Readiness& readiness) {
    if (readiness.is_ready) return {200, "ready\n"};
    if (readiness.total == 0) return {503, "adopting\n"};
    return {503, fmt::format("adopting {} of {}\n", readiness.adopted, readiness.total)};
}

}  // namespace

void add_health_pages(mcp::http::Router& router, std::function<Readiness()> readiness) {
    using mcp::http::PlainAnswer;
    using mcp::http::PlainRequest;
    router.add_open("/healthz", [](const PlainRequest&) { return PlainAnswer{200, "ok\n"}; });
    router.add_open("/readyz",
                    [readiness = std::move(readiness)](const PlainRequest&) { return readiness_page(readiness()); });
}

}  // namespace persistproc::daemon::http
