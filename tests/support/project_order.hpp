#pragma once
/// What the core is asked for when a project is brought up, without its file.
#include <string>
#include <utility>
#include <vector>

#include "daemon/core/plans.hpp"

namespace persistproc::tests {

/// A process of the project "shop" in `file`, that runs this command in `directory`.
inline core::UpProcess make_member(std::string file, std::string name, std::vector<std::string> command,
                                   std::string directory, std::vector<domain::Dependency> depends_on = {}) {
    core::UpProcess out;
    out.definition.command = std::move(command);
    out.definition.working_directory = std::move(directory);
    domain::Membership membership;
    membership.file = std::move(file);
    membership.name = "shop";
    membership.process = std::move(name);
    membership.depends_on = std::move(depends_on);
    out.definition.membership = std::move(membership);
    return out;
}

/// That these, of which there is one at least, are all of their project, and come up.
inline core::UpOrder make_order(std::vector<core::UpProcess> processes) {
    core::UpOrder out;
    out.file = processes.front().definition.membership->file;
    out.name = processes.front().definition.membership->name;
    for (const auto& each : processes) out.chosen.insert(each.definition.membership->process);
    out.processes = std::move(processes);
    return out;
}

}  // namespace persistproc::tests
