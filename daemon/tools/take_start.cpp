#include "daemon/tools/take_start.hpp"

#include "daemon/tools/reading.hpp"

namespace persistproc::tools {

Task<Result<void>> take_start(Core core, mcp::Principal principal, std::size_t count) {
    pid_t process = 0;
    const bool is_agent = principal.audience() == mcp::Audience::agent;
    if (is_agent && core.agent_starts.is_crowded()) process = co_await process_of(core.socket_owners, principal);
    co_return core.agent_starts.take(principal, process, count);
}

}  // namespace persistproc::tools
