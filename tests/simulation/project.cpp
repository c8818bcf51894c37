#include "tests/simulation/project.hpp"

namespace persistproc::simulation {

namespace {

domain::Dependency on(const char* process, domain::Condition until) {
    domain::Dependency out;
    out.process = process;
    out.until = until;
    return out;
}

void choose(const std::string& name, std::set<std::string>& into) {
    into.insert(name);
    for (const auto& edge : project_edges(name)) choose(edge.process, into);
}

}  // namespace

const std::vector<std::string>& project_names() {
    static const std::vector<std::string> names{"data", "fill", "serve", "page"};
    return names;
}

std::vector<domain::Dependency> project_edges(const std::string& name) {
    using domain::Condition;
    if (name == "fill") return {on("data", Condition::started)};
    if (name == "serve") return {on("data", Condition::started), on("fill", Condition::done)};
    if (name == "page") return {on("serve", Condition::started)};
    return {};
}

core::UpOrder project_order(unsigned version, const std::set<std::string>& named) {
    core::UpOrder out;
    out.file = project_file;
    out.name = "simulated";
    for (const auto& name : project_names()) {
        // Edits: one has another command, one another policy, one is not there any more.
        const bool is_gone = version == 3 && name == "page";
        if (is_gone) continue;
        core::UpProcess each;
        each.definition.command = {"project-" + name};
        each.definition.working_directory = "/";
        each.definition.grace_seconds = 1;
        if (version == 2 && name == "data") each.definition.restart = domain::RestartPolicy::on_failure;
        domain::Membership membership;
        membership.file = out.file;
        membership.name = out.name;
        membership.process = name;
        membership.oneshot = name == "fill";
        membership.depends_on = project_edges(name);
        each.definition.membership = std::move(membership);
        const std::string changed = version == 1 && (name == "serve" || name == "data") ? "changed" : "first";
        each.environment = {{"VERSION", changed}};
        each.digests = {{"run", "same"}, {"env", changed}, {"restart", std::to_string(version)}};
        if (named.empty() || named.contains(name)) choose(name, out.chosen);
        out.processes.push_back(std::move(each));
    }
    return out;
}

}  // namespace persistproc::simulation
