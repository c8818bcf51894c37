#pragma once
/// A project's file found, read and resolved. Blocks on the disk; any thread.
#include <functional>

#include "daemon/core/projects/project_source.hpp"

namespace persistproc::core::projects {

struct Surroundings {
    std::vector<std::string> environment;            // "NAME=value", inherited from the daemon
    std::string secret;                              // of digests
    std::function<std::set<int>()> listening_ports;  // of the machine; asked where a port needs a number
    /// Asked before each step of a load: why it goes no further, or nothing.
    std::function<std::optional<Error>()> end = {};
};

/// See ProjectSource::load.
Result<LoadedPtr> load_project(const ProjectQuery& query, const PortBook& book, const Surroundings& surroundings);

}  // namespace persistproc::core::projects
