#include "daemon/tools/take_start.hpp"

#include "daemon/tools/reading.hpp"

namespace persistproc::tools {

Task<Result<void>> take_start(Backend backend, mcp::Principal principal, std::size_t count) {
    pid_t process = 0;
    const bool is_agent = principal.audience() == mcp::Audience::agent;
    if (is_agent && backend.agent_starts.is_crowded()) process = co_await process_of(backend.socket_owners, principal);
    co_return backend.agent_starts.take(principal, process, count);
}

}  // namespace persistproc::tools
