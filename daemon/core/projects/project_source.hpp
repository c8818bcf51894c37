#pragma once
/// Projects as they lie on disk: which file is meant, whether it may be believed, what it says. Nothing is run,
/// connected to or written; a file that is not to be believed is not read.
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/async/clock.hpp"
#include "common/project/digest.hpp"
#include "common/project/load.hpp"
#include "daemon/core/look_turns.hpp"
#include "daemon/core/projects/port_book.hpp"

namespace persistproc::core::projects {

/// Which project, as whom.
struct ProjectQuery {
    std::string directory;            // absolute; the file is looked for there and above
    std::optional<std::string> file;  // instead: this one, relative to the directory
    // What `${env.X}` and expanded environment files see, "NAME=value" each; nothing: what programs inherit from the
    // daemon.
    std::optional<std::vector<std::string>> environment;
    Asker who = {};          // whose turn to read it is
    bool brings_up = false;  // PORT of `environment` is where a Procfile's ports begin from now on
};

struct LoadedProject {
    std::string file;                 // canonical path: who the project is
    std::vector<std::string> others;  // files of other tools beside it, which are not read
    // Where it was found by its directory: the other files that such a project may have had there, in whose place this
    // one has come. Whether they are there or not; theirs is its own now.
    std::set<std::string> replaces;
    std::vector<std::string> passed_over;             // files that are not believed: which, and why
    project::Loaded loaded;                           // without `project` where its files have problems
    std::map<std::string, project::Digests> digests;  // by process
    // Of all bytes, and of what they come to at their path with the values of variables that they name (`${env.X}`),
    // whatever else is inherited and whatever numbers ports have; empty where there are problems. It is what somebody
    // consents to.
    std::string consent;
    // The same with the values that are inherited from the daemon, as agents have them who bring none; empty: it comes
    // to nothing with these.
    std::string inherited_consent;
    // Where it lies in a linked worktree that its repository knows: the file of the main working copy, and what the
    // same bytes would be there.
    struct MainCopy {
        std::string file, consent;
    };
    std::optional<MainCopy> main_copy;
    std::vector<BookedPort> ports;  // of all its processes; the book may not hold them yet
    std::optional<int> base_port;   // as the book is to have it
    // Projects whose ports they take: because their directories are gone, or this one has come in their place.
    std::set<std::string> gone;

    bool is_good() const noexcept { return loaded.project.has_value(); }
    const project::Project& project() const { return *loaded.project; }
};
using LoadedPtr = std::shared_ptr<const LoadedProject>;

/// Where projects come from: the disk, or what a test has instead.
class ProjectSource {
public:
    virtual ~ProjectSource() = default;
    /// `book`: as it is now; numbers for ports that are not in it are chosen, and not put into it. A project with
    /// problems is no failure. Errors: not_found (no project's file there or above), denied (it is not to be believed:
    /// says why), io, limit (too many wait to be read, or an agent's takes too long). Cancelled, it reads no further.
    virtual Task<Result<LoadedPtr>> load(ProjectQuery query, std::shared_ptr<const PortBook> book) = 0;
};

}  // namespace persistproc::core::projects
