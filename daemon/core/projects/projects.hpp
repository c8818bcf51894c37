#pragma once
/// What the daemon remembers of projects, by the canonical path of their file: who has consented to what, and the book
/// of ports. Nothing is read or run by itself. One executor, one thread.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/async/mutex.hpp"
#include "daemon/core/projects/project_source.hpp"
#include "daemon/core/store.hpp"

namespace persistproc::core::projects {

class Projects {
public:
    /// References outlive it.
    Projects(boost::asio::any_io_executor executor, async::Clock& clock, Store& store, ProjectSource& source);

    /// What the store knew when the daemon began, before anything below is called.
    void take(std::vector<ProjectRecord> records);

    /// nullptr: nothing is known of it. Valid until the next wait.
    const ProjectRecord* find(const std::string& file) const;
    const std::map<std::string, ProjectRecord>& all() const noexcept { return records_; }

    /// Reads the project's files; changes nothing. Ports that are not booked yet have the numbers that they would get.
    /// Errors: those of ProjectSource::load.
    Task<Result<LoadedPtr>> look(ProjectQuery query);
    /// The same, and its ports are booked, which is on record when it completes; nothing is for one with problems.
    /// Errors besides: io.
    Task<Result<LoadedPtr>> load(ProjectQuery query);

    /// Whether a person has consented to exactly this, or to the same in the main copy of a linked worktree.
    bool is_allowed(const LoadedProject& project) const;
    /// Errors: denied, which lists all that would run, and says who may allow it how.
    Result<void> check_allowed(const LoadedProject& project) const;
    /// A person consents to exactly this: by `allow`, or by an `up`. On record when it completes; at once where it is
    /// already. Errors: invalid (it has problems), io.
    Task<Result<void>> allow(LoadedPtr project, std::string actor);
    /// Takes back a consent. False: there was none. Errors: io.
    Task<Result<bool>> revoke(std::string file, std::string actor);

    /// Changes what is remembered of a project (one that was not known is begun). On record when it completes; what
    /// could not be recorded is as it was. One change at a time. Errors: io.
    Task<Result<void>> change(std::string file, std::function<void(ProjectRecord&)> apply,
                              std::vector<AuditEntry> audit = {});

private:
    boost::asio::any_io_executor executor_;
    async::Clock& clock_;
    Store& store_;
    ProjectSource& source_;
    async::Mutex mutex_;  // held while a change is on its way to the store
    std::map<std::string, ProjectRecord> records_;
};

/// All that would run, one command a line with its directory, the names of its variables, its probes and what it
/// watches. No value of a variable. Pure.
std::string consent_text(const project::Project& project);

}  // namespace persistproc::core::projects
