#pragma once
/// The two pages for whoever watches over the daemon, plain text of one line each: `/healthz` is 200 as long as it
/// serves, `/readyz` is 200 once it has taken over what ran before it, 503 with how far it is until then.
#include <cstddef>
#include <functional>

#include "common/mcp/http/router.hpp"

namespace persistproc::daemon::http {

struct Readiness {
    bool is_ready = false;
    std::size_t adopted = 0;  // of `total` processes
    std::size_t total = 0;    // 0: not known yet
};

/// `readiness` is asked with each request.
void add_health_pages(mcp::http::Router& router, std::function<Readiness()> readiness);

}  // namespace persistproc::daemon::http
