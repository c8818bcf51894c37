#pragma once
/// A project's file found, read and resolved. Blocks on the disk; any thread.
#include <functional>

#include "common/project/draft.hpp"
#include "daemon/core/projects/project_source.hpp"

namespace persistproc::core::projects {

struct Surroundings {
    std::vector<std::string> environment;            // "NAME=value", inherited from the daemon
    std::string secret;                              // of digests
    std::function<std::set<int>()> listening_ports;  // of the machine; asked where a port needs a number
    std::function<bool()> is_abandoned = {};         // nobody waits for it any more; nothing: somebody does
};

struct DraftedProject {
    std::string file;  // where persistproc.toml belongs
    std::string from;  // what it is made of; empty: nothing
    project::Draft draft;
};
/// What persistproc.toml may begin with in a directory: what `from` says (relative to the directory), else another
/// tool's file that lies there, else an example. Errors: not_found, denied, invalid (the file is wrong).
Result<DraftedProject> draft_project(const std::string& directory, const std::optional<std::string>& from);

/// See ProjectSource::load.
Result<LoadedPtr> load_project(const ProjectQuery& query, const PortBook& book, const Surroundings& surroundings);

}  // namespace persistproc::core::projects
