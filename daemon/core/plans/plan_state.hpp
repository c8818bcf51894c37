#pragma once
/// What the parts of Plans share: the state of one project, what is asked of one of its processes, and how the plan of
/// a process follows from what is known of it.
#include "common/async/mutex.hpp"
#include "daemon/core/plans.hpp"

namespace persistproc::core {

struct Plans::Project {
    Project(boost::asio::any_io_executor executor, std::string path)
        : file(std::move(path)), mutex(executor), moved(executor) {}

    std::string file;
    ProjectPlan plan{{}};
    std::map<std::string, ProcessId> members;
    std::map<std::string, std::vector<domain::Dependency>> edges;
    std::map<std::string, PlanFacts> told;
    struct Lines {
        std::uint32_t run = 0;
        std::set<std::string> watched, printed;   // patterns
        std::shared_ptr<async::TaskGroup> looks;  // for the watched ones; ended with what it is of
    };
    std::map<std::string, Lines> lines;        // that others wait for, by who prints them
    std::map<std::string, Error> stop_errors;  // of those that did not end
    std::vector<std::string> warnings;
    std::multiset<std::string> restarting;  // by somebody, in order: no edge does so meanwhile
    bool is_hastened = false;               // what is still to be stopped is killed
    bool comes_again = false;  // what was up before the machine was restarted is not on record as waiting yet
    bool is_applying = false;  // an up has seen what runs, and is not on record yet: its plan stops nothing meanwhile
    async::Mutex mutex;        // held while an order is applied
    async::Notifier moved;     // after whatever its plan heard
};

struct Plans::Applying {
    explicit Applying(ProjectPtr of) : project(std::move(of)) { project->is_applying = true; }
    ~Applying() {
        project->is_applying = false;
        project->moved.notify_all();
    }
    Applying(const Applying&) = delete;
    Applying& operator=(const Applying&) = delete;
    ProjectPtr project;
};

struct Plans::Restarting {
    Restarting(ProjectPtr of, std::vector<std::string> which) : project(std::move(of)), names(std::move(which)) {
        project->restarting.insert(names.begin(), names.end());
    }
    ~Restarting() {
        for (const auto& name : names) project->restarting.erase(project->restarting.find(name));
    }
    Restarting(const Restarting&) = delete;
    Restarting& operator=(const Restarting&) = delete;
    ProjectPtr project;
    std::vector<std::string> names;
};

/// What an up does with one process.
struct Plans::Step {
    bool begins() const { return told.what == UpStep::What::begun || told.what == UpStep::What::replaced; }

    UpStep told;
    const UpProcess* wanted = nullptr;  // of the order
    ProcessPtr process;
    bool is_new = false;
    std::optional<async::Mutex::Guard> guard;
    std::uint64_t stops = 0;
    // As it is to be.
    Definition definition;
    std::optional<LaunchContext> asked_launch;
    std::uint32_t run = 0;  // to come, whose files are there; 0: none
    // As it was, for one that could not be recorded.
    bool is_changed = false;
    ProcessRecord record;
    std::optional<LaunchContext> launch;
};

/// Digests as they are kept.
project::Digests shortened(const project::Digests& digests);
PlanFacts facts_of(const Process& process);
bool is_same(const PlanFacts& a, const PlanFacts& b);
bool is_still_to_come(const Process& process);
/// A oneshot that has ended with success.
bool is_done(const Process& process);
/// Nobody knows yet whether there is anything of it: its adoption may still find that there is not.
bool is_undecided(const Process& process);
bool is_member(const Process& process, const std::string& file);
/// How one ended that somebody needs: "exited with code 3". Nothing: it is not there.
std::optional<std::string> end_text(const Process& process);
/// Where its plan stands, by what is on record of it and what it is.
ProjectPlan::Stage stage_of(const Process& process);
/// Whether the files say the same of what this key is about as when they were applied.
bool has_same(const project::Digests& applied, const project::Digests& wanted, const std::string& key);
/// Whether they say the same of its environment, whatever variables have by now.
bool is_as_written(const project::Digests& applied, const project::Digests& wanted);

}  // namespace persistproc::core
