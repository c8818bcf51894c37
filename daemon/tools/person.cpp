#include "daemon/tools/person.hpp"

#include <fmt/format.h>

#include "common/async/offload.hpp"
#include "daemon/core/run_roots.hpp"

namespace persistproc::tools {

Task<Result<void>> check_person(Backend backend, mcp::Principal principal) {
    // In another PID namespace, where nothing of ours runs.
    if (principal.process == 0) co_return Result<void>();
    auto roots = co_await backend.supervisor.run_roots();
    if (!roots) co_return roots.error();
    auto look = [roots = std::move(*roots), pid = principal.process]() -> Result<void> {
        const core::Above above = core::look_above(pid, roots);
        if (above.is_gone)
            return Error{ErrorCode::denied, "whoever asked for consent is gone: it cannot be told who that was"};
        if (above.is_ours)
            return Error{ErrorCode::denied,
                         fmt::format("consent is a person's, and this comes from a program {}; type it in a "
                                     "terminal that persistproc does not run",
                                     above.root ? "of " + above.root->shown : "that persistproc has started")};
        return {};
    };
    co_return co_await async::offload(backend.workers.reading, std::move(look));
}

}  // namespace persistproc::tools
