#pragma once
/// What the daemon remembers of projects, by the canonical path of their file: who has consented to what, and the book
/// of ports. Nothing is read or run by itself. One executor, one thread.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/async/mutex.hpp"
#include "common/domain/membership.hpp"
#include "daemon/core/projects/project_source.hpp"
#include "daemon/core/store.hpp"

namespace persistproc::core::projects {

/// Whose consent was taken back.
struct Revoked {
    std::string file;
    bool was_allowed = false;
};

/// Whether a project that was read is what its reader may have. It does not wait.
using ProjectCheck = std::function<Result<void>(const LoadedProject& project)>;

class Projects {
public:
    /// References outlive it.
    Projects(boost::asio::any_io_executor executor, async::Clock& clock, Store& store, ProjectSource& source);

    /// What the store knew when the daemon began, before anything below is called.
    void take(std::vector<ProjectRecord> records);

    /// What the store has lost and the spec of a run still says: the ports of this member, and where those of a
    /// Procfile begin, unless the book has them. The record that this changes; nothing: none.
    std::optional<ProjectRecord> relearn(const domain::Membership& member);

    /// nullptr: nothing is known of it. Valid until the next wait.
    const ProjectRecord* find(const std::string& file) const;
    const std::map<std::string, ProjectRecord>& all() const noexcept { return records_; }
    /// Valid until the next wait.
    const PortBook& book() const noexcept { return *book_; }

    /// Reads the project's files; changes nothing. Ports that are not booked yet have the numbers that they would get.
    /// Errors: those of ProjectSource::load.
    Task<Result<LoadedPtr>> look(ProjectQuery query);
    /// The same, and its ports are booked, which is on record when it completes; nothing is for one with problems, or
    /// that `check` refuses. Errors besides: io, those of `check`.
    Task<Result<LoadedPtr>> load(ProjectQuery query, ProjectCheck check);

    /// Whether a person has consented to exactly this, or to the same in the main copy of a linked worktree.
    bool is_allowed(const LoadedProject& project) const;
    /// Errors: denied, which lists all that would run (of very much the beginning), and says who may allow it how.
    Result<void> check_allowed(const LoadedProject& project) const;
    /// A person consents to exactly this: by `allow`, or by an `up`. On record when it completes; at once where it is
    /// already. Errors: invalid (it has problems), io.
    Task<Result<void>> allow(LoadedPtr project, std::string actor);
    /// Takes back a consent, also of a project whose files are wrong, not believed or gone: the directory or the file
    /// tells it. Errors: those of ProjectSource::load where nothing is known of it, io.
    Task<Result<Revoked>> revoke(ProjectQuery query, std::string actor);

    /// Changes what is remembered of a project (one that was not known is begun). On record when it completes; what
    /// could not be recorded is as it was. One change at a time. Errors: io.
    Task<Result<void>> change(std::string file, std::function<void(ProjectRecord&)> apply,
                              std::vector<AuditEntry> audit = {});

private:
    void make_book();
    ProjectRecord record_of(const std::string& file) const;
    std::optional<std::string> find_consented(const ProjectQuery& query) const;
    AuditEntry entry(const std::string& actor, std::string_view action, const std::string& file) const;
    Task<Result<void>> book_ports(LoadedPtr loaded);
    Task<Result<void>> record(std::vector<ProjectRecord> changed, std::vector<AuditEntry> audit);

    async::Clock& clock_;
    Store& store_;
    ProjectSource& source_;
    async::Mutex mutex_;  // held while a change is on its way to the store
    std::map<std::string, ProjectRecord> records_;
    std::shared_ptr<const PortBook> book_ = std::make_shared<const PortBook>();  // of the records
};

/// All that would run, one command a line with its directory, the names of its variables, its probes and what it
/// watches. No value of a variable. Pure.
std::string consent_text(const project::Project& project);

}  // namespace persistproc::core::projects
