#pragma once
/// The one project of a history, as its file is edited: four processes, one of which ends by itself.
///
///     data <- fill (a oneshot) <- serve <- page        data <- serve
#include <set>
#include <string>
#include <vector>

#include "daemon/core/plans.hpp"

namespace persistproc::simulation {

inline constexpr const char* project_file = "/simulated/persistproc.toml";
inline constexpr unsigned project_versions = 4;

/// All of the file in that version; `chosen`: what is to come up, with what it needs.
core::UpOrder project_order(unsigned version, const std::set<std::string>& named);

/// The names that the file has in any version.
const std::vector<std::string>& project_names();

/// What must hold before `name` is begun, in every version.
std::vector<domain::Dependency> project_edges(const std::string& name);

}  // namespace persistproc::simulation
