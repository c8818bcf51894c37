#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

constexpr std::string_view own = "persistproc";

/// Of letters that look like no others, and single blanks.
bool is_plain(std::string_view name) {
    return std::all_of(name.begin(), name.end(), [](char c) {
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        return is_letter || (c >= '0' && c <= '9') || std::string_view(" -_./@+").find(c) != std::string_view::npos;
    });
}

/// Two of them part the columns of the audit.
std::string squeeze_blanks(std::string_view name) {
    std::string out;
    for (const char c : name)
        if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
    if (out.ends_with(' ')) out.pop_back();
    return out;
}

}  // namespace

std::string actor_of(const mcp::CallContext& context) {
    const std::string_view given = context.caller->name;
    if (context.principal.role == mcp::Principal::Role::client) return std::string(given.empty() ? own : given);
    const std::string name = squeeze_blanks(given);
    if (name.empty()) return "agent";
    // Clients call themselves by name and version.
    std::size_t end = std::min(name.rfind(' '), name.size());
    const std::string_view version = std::string_view(name).substr(std::min(end + 1, name.size()));
    if (version.empty() || version[0] < '0' || version[0] > '9' || !is_plain(version)) end = name.size();
    return fmt::format("agent {}{}", base::quote(name.substr(0, end)), name.substr(end));
}

mcp::Json without_absent(mcp::Json json) {
    if (json.is_array())
        for (auto& each : json) each = without_absent(std::move(each));
    if (!json.is_object()) return json;
    auto& members = json.get_ref<mcp::Json::object_t&>();
    const auto is_absent = [](const auto& each) { return each.second.is_null(); };
    const bool is_complete = std::none_of(members.begin(), members.end(), is_absent);
    mcp::Json::object_t kept;
    for (auto& [name, member] : members) {
        if (member.is_null()) continue;
        auto present = without_absent(std::move(member));
        if (is_complete)
            member = std::move(present);
        else  // Names are there once: the container need not look for each of them.
            kept.emplace_back(name, std::move(present));
    }
    if (!is_complete) members = std::move(kept);
    return json;
}

mcp::Json view_output_schema() {
    mcp::Json out = {{"type", "object"}, {"properties", mcp::Json::object()}, {"required", mcp::Json::array()}};
    for (const char* always : {"id", "label", "state"}) {
        out["properties"][always] = {{"type", "string"}};
        out["required"].push_back(always);
    }
    return out;
}

void add_all(mcp::Server& server, Backend backend, const ToolChange& change) {
    for (const auto make : {start_process, stop_process, restart_process, list_processes, get_process_output,
                            wait_for_process, run_project}) {
        Tool tool = make(backend);
        if (change) tool = change(std::move(tool));
        server.add_tool(std::move(tool.definition), std::move(tool.handler));
    }
    add_client_operations(server, backend);
    add_project_operations(server, backend);
}

}  // namespace persistproc::tools
