#pragma once
/// The two pages for whoever watches over the daemon, plain text of one line each: `/healthz` is 200 as long as it
/// serves,
/// `/readyz` is 200 once it has taken over what ran before it, 503 with how far it is until then.
#include <cstddef>
#include <optional>
#include <string_view>

#include "common/mcp/http/connection.hpp"

namespace persistproc::daemon::http {

struct Readiness {
    bool is_ready = false;
    std::size_t adopted = 0;  // of `total` processes
    std::size_t total = 0;    // 0: not known yet
};

/// Pure. `path` is the path of a GET or HEAD, without its query. No value: no page of ours.
std::optional<mcp::http::PlainAnswer> find_health_page(std::string_view path, const Readiness& readiness);

}  // namespace persistproc::daemon::http
