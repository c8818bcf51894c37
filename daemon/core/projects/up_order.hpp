#pragma once
/// From a project as its files say to what is asked of the core: one definition for each process. Pure.
#include "daemon/core/plans.hpp"
#include "daemon/core/projects/project_source.hpp"

namespace persistproc::core::projects {

/// What a call is about.
struct UpChoice {
    std::vector<std::string> names;  // processes and groups; none: what starts by itself
    bool with_dependencies = true;
    bool anew = false;  // those named, else all of the choice, begin anew whatever has changed
};

/// All of the project, with what is chosen of it; what is inherited is the caller's to add. `named`: the processes that
/// the names stand for. Errors: not_found (a name, nearest).
struct ChosenProject {
    UpOrder order;
    std::vector<std::string> named;
    std::string note;  // where nothing is chosen: what could be. Empty: something is
};
Result<ChosenProject> up_order_of(const LoadedProject& project, const UpChoice& choice);

}  // namespace persistproc::core::projects
