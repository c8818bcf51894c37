#pragma once
/// Which process waits for which: what must hold of a project's dependencies, in which order it starts and stops, and
/// what belongs to a selection. Pure.
#include <set>
#include <string>
#include <vector>

#include "common/project/node.hpp"
#include "common/project/project.hpp"

namespace persistproc::project {

/// Something that is wrong with the dependencies of `process`.
struct GraphProblem {
    std::string process;
    std::string dependency;  // the edge it is about
    std::string what;
};

/// Completes conditions that are not stated, and finds unknown names (with the nearest), processes that wait for
/// themselves, cycles (with their path), and conditions that can never hold.
std::vector<GraphProblem> settle_dependencies(std::vector<Process>& processes);

/// All processes, each behind those it waits for; what is free in the order of the files. No cycles.
std::vector<const Process*> start_order(const Project& project);

/// What a call is about.
struct Selection {
    std::vector<std::string> named;   // processes, groups taken apart, in the order given
    std::set<std::string> processes;  // and what they need
};

/// `names`: processes and groups; none: what starts by itself. With `dependencies`, all they wait for comes along,
/// whatever else it belongs to. Errors: not_found (nearest).
Result<Selection> select(const Project& project, const std::vector<std::string>& names, bool dependencies);

/// Of a project of which nothing starts by itself: what can be named, as it is typed. One line.
std::string nothing_starts_text(const Project& project);

/// The same for a stop: with all that wait for them.
Result<Selection> select_with_dependents(const Project& project, const std::vector<std::string>& names);

}  // namespace persistproc::project
