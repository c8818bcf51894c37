#include "daemon/core/projects/up_order.hpp"

#include "common/project/graph.hpp"

namespace persistproc::core::projects {

namespace {

UpProcess up_process_of(const LoadedProject& project, const project::Process& process) {
    UpProcess out;
    out.definition = process.definition;
    domain::Membership membership;
    membership.file = project.file;
    membership.name = project.project().name;
    membership.process = process.name;
    membership.found = !project.replaces.empty();
    membership.oneshot = process.oneshot;
    membership.autostart = process.autostart;
    membership.depends_on = process.depends_on;
    for (const auto& port : project.ports)
        if (port.process == process.name)
            membership.ports.push_back({.name = port.name, .wish = port.wish, .number = port.number, .unknown = {}});
    membership.base_port = project.base_port;
    out.definition.membership = std::move(membership);
    out.environment = process.environment;
    out.unset_variables = process.unset_variables;
    if (const auto digests = project.digests.find(process.name); digests != project.digests.end())
        out.digests = digests->second;
    return out;
}

}  // namespace

Result<ChosenProject> up_order_of(const LoadedProject& project, const UpChoice& choice) {
    auto selection = project::select(project.project(), choice.names, choice.with_dependencies);
    if (!selection) return selection.error();
    ChosenProject out;
    out.named = std::move(selection->named);
    if (choice.names.empty() && out.named.empty()) out.note = project::nothing_starts_text(project.project());
    UpOrder& order = out.order;
    order.file = project.file;
    order.name = project.project().name;
    order.replaces = project.replaces;
    for (const auto* const each : project::start_order(project.project()))
        order.processes.push_back(up_process_of(project, *each));
    order.chosen = std::move(selection->processes);
    if (!choice.names.empty()) order.again.insert(out.named.begin(), out.named.end());
    if (choice.anew) order.anew.insert(out.named.begin(), out.named.end());
    return out;
}

}  // namespace persistproc::core::projects
