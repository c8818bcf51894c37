#include "daemon/tools/bridge_environment.hpp"

#include "common/ops/start_process.hpp"

namespace persistproc::tools {

std::optional<std::vector<std::string>> bridge_environment(const mcp::CallContext& context) {
    if (context.principal.role != mcp::Principal::Role::bridge || !context.own_meta.is_object()) return std::nullopt;
    const auto given = context.own_meta.find(ops::environment_meta);
    if (given == context.own_meta.end() || !given->is_array()) return std::nullopt;
    std::vector<std::string> out;
    for (const auto& each : *given)
        if (each.is_string()) out.push_back(each.get<std::string>());
    return out;
}

}  // namespace persistproc::tools
