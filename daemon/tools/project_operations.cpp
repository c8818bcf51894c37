#include "common/ops/project_operations.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "common/project/graph.hpp"
#include "daemon/tools/person.hpp"
#include "daemon/tools/reading.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

using core::projects::LoadedProject;

core::projects::ProjectQuery query_of(ops::ProjectPlace place, const core::Asker& who) {
    core::projects::ProjectQuery out;
    out.who = who;
    out.directory = std::move(place.directory);
    out.file = std::move(place.file);
    out.environment = std::move(place.base_environment);
    return out;
}

std::vector<std::string> texts_of(const domain::Checks& checks) {
    std::vector<std::string> out;
    for (const auto& each : checks) out.push_back(domain::check_text(each));
    return out;
}

ops::ProjectProcess shown_process(const project::Process& process) {
    ops::ProjectProcess out;
    out.name = process.name;
    out.description = process.definition.description;
    out.command = process.definition.command;
    out.shell = process.definition.shell;
    out.working_directory = process.definition.working_directory;
    for (const auto& each : process.depends_on)
        out.depends_on.push_back(fmt::format("{}: {}{}", each.process, schema::enum_name(each.until),
                                             each.pattern.empty() ? "" : fmt::format(" /{}/", each.pattern)));
    out.ready = texts_of(process.ready);
    out.health = texts_of(process.health);
    for (const auto& [name, value] : process.environment) out.variables.push_back(name);
    if (process.watch) out.watch = process.watch->paths;
    out.stop_command = process.stop_command;
    out.restart = process.restart.policy;
    out.oneshot = process.oneshot;
    out.autostart = process.autostart;
    return out;
}

ops::CheckResponse checked(const core::projects::Projects& projects, const LoadedProject& project) {
    ops::CheckResponse out;
    out.file = project.file;
    for (const auto& each : project.loaded.problems) out.problems.push_back(project.loaded.text(each));
    for (const auto& each : project.loaded.notes) out.notes.push_back(project.loaded.text(each));
    out.others = project.others;
    out.passed_over = project.passed_over;
    if (!project.is_good()) return out;
    out.name = project.project().name;
    for (const auto* const each : project::start_order(project.project()))
        out.processes.push_back(shown_process(*each));
    const auto& booked = projects.book().find(project.file);
    for (const auto& each : project.ports) {
        const bool is_booked = std::any_of(booked.begin(), booked.end(), [&each](const core::BookedPort& other) {
            return other.process == each.process && other.name == each.name && other.number == each.number;
        });
        out.ports.push_back({each.process, each.name, each.wish, each.number, is_booked});
        for (const auto& other : projects.book().holders(each.number, project.file))
            if (!project.gone.contains(other.file))
                out.notes.push_back(fmt::format("process.{}.port: {} is also {}'s in {}: one of them runs at a time",
                                                each.process, each.number, other.port.process,
                                                base::escape_line(other.file)));
    }
    out.digest = project.consent;
    out.allowed = projects.is_allowed(project);
    return out;
}

Task<mcp::ToolResult> check(Backend backend, ops::CheckRequest request, mcp::CallContext context) {
    const core::Asker who = co_await asker_of(backend, context.principal, false);
    auto query = query_of(std::move(request.place), who);
    auto loaded = co_await backend.supervisor.look_at_project(std::move(query));
    if (!loaded) co_return mcp::tool_failure(loaded.error());
    const auto out = checked(backend.supervisor.projects(), **loaded);
    co_return structured(out, fmt::format("{} processes, {} problems", out.processes.size(), out.problems.size()));
}

Task<mcp::ToolResult> allow(Backend backend, ops::AllowRequest request, mcp::CallContext context) {
    auto person = co_await check_person(backend, context.principal);
    if (!person) co_return mcp::tool_failure(person.error());
    const core::Asker who = co_await asker_of(backend, context.principal, false);
    auto query = query_of(std::move(request.place), who);
    std::string actor = actor_of(context);
    auto loaded = co_await backend.supervisor.allow_project(std::move(query), std::move(actor));
    if (!loaded) co_return mcp::tool_failure(loaded.error());
    co_return structured(checked(backend.supervisor.projects(), **loaded), "Allowed.");
}

Task<mcp::ToolResult> revoke(Backend backend, ops::RevokeRequest request, mcp::CallContext context) {
    const core::Asker who = co_await asker_of(backend, context.principal, false);
    auto query = query_of(std::move(request.place), who);
    std::string actor = actor_of(context);
    auto revoked = co_await backend.supervisor.revoke_project(std::move(query), std::move(actor));
    if (!revoked) co_return mcp::tool_failure(revoked.error());
    ops::RevokeResponse out;
    out.file = revoked->file;
    out.was_allowed = revoked->was_allowed;
    co_return structured(out, out.was_allowed ? "Revoked." : "It was not allowed.");
}

Error no_such_process(const project::Project& project, const std::string& name) {
    std::vector<std::string> known;
    for (const auto& each : project.processes) known.push_back(each.name);
    const std::string near = base::nearest_word(name, known);
    return Error{ErrorCode::not_found,
                 fmt::format("{} has no process {}{}", project.name, base::quote(base::shortened(name)),
                             near.empty() ? "" : "; nearest: " + near)};
}

Task<mcp::ToolResult> port(Backend backend, ops::PortRequest request, mcp::CallContext context) {
    const core::Asker who = co_await asker_of(backend, context.principal, false);
    auto query = query_of(std::move(request.place), who);
    core::projects::ProjectCheck unchecked;
    auto loaded = co_await backend.supervisor.load_project(std::move(query), std::move(unchecked));
    if (!loaded) co_return mcp::tool_failure(loaded.error());
    const LoadedProject& project = **loaded;
    if (!project.is_good()) co_return mcp::tool_failure(project.loaded.error());
    const project::Process* const process = project.project().find_typed(request.process);
    if (process == nullptr) co_return mcp::tool_failure(no_such_process(project.project(), request.process));
    ops::PortResponse out;
    for (const auto& each : project.ports)
        if (each.process == process->name && (!request.name || each.name == *request.name))
            out.ports.push_back({each.process, each.name, each.wish, each.number, true});
    if (out.ports.empty()) {
        Error none{ErrorCode::not_found,
                   fmt::format("{} has no port{}", request.process,
                               request.name ? " " + base::quote(base::shortened(*request.name)) : "")};
        co_return mcp::tool_failure(none);
    }
    co_return structured(out, fmt::format("{}", out.ports.front().number));
}

}  // namespace

void add_project_operations(mcp::Server& server, Backend backend) {
    add_operation<ops::CheckRequest>(server, backend, check);
    add_operation<ops::AllowRequest>(server, backend, allow);
    add_operation<ops::RevokeRequest>(server, backend, revoke);
    add_operation<ops::PortRequest>(server, backend, port);
}

}  // namespace persistproc::tools
