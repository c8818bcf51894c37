#pragma once
/// The operations that are tools of agents, in the order they are listed.
#include <string_view>

#include "common/ops/get_process_output.hpp"
#include "common/ops/list_processes.hpp"
#include "common/ops/restart_process.hpp"
#include "common/ops/run_project.hpp"
#include "common/ops/start_process.hpp"
#include "common/ops/stop_process.hpp"
#include "common/ops/wait_for_process.hpp"

namespace persistproc::ops {

/// Calls `each.template operator()<Request>()` with the request of each.
template <class Each>
constexpr void for_each_agent_request(Each&& each) {
    each.template operator()<StartRequest>();
    each.template operator()<StopRequest>();
    each.template operator()<RestartRequest>();
    each.template operator()<ListRequest>();
    each.template operator()<OutputRequest>();
    each.template operator()<WaitRequest>();
    each.template operator()<RunProjectRequest>();
}

/// By the name of its tool; nullptr: there is none of that name.
constexpr const Operation* find_agent_operation(std::string_view name) noexcept {
    const Operation* out = nullptr;
    for_each_agent_request([&]<class Request>() {
        if (name == Request::operation.name) out = &Request::operation;
    });
    return out;
}

}  // namespace persistproc::ops
