#pragma once
/// Brings the processes of projects up and down in the order of their dependencies: what a project's plan
/// (project_plan.hpp) asks for is done here, and what becomes of its processes is told to it. What was asked for is on
/// record before it is done (ProcessRecord::planned), with the values of a process that waits in the directory of its
/// run to come: the next daemon carries it through, once. Nothing here reads a project's file: what counts is what was
/// applied. One executor, one thread.
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/project/digest.hpp"
#include "daemon/core/operations/operations.hpp"
#include "daemon/core/project_plan.hpp"
#include "daemon/core/readiness_driver.hpp"

namespace persistproc::core {

/// A process as its project's file defines it now.
struct UpProcess {
    Definition definition;  // with its membership; without a label
    Environment environment;
    std::vector<std::string> unset_variables;
    project::Digests digests;
};

struct UpOrder {
    std::string file, name;
    std::set<std::string> replaces;     // other files, in whose place this one has come: their processes are its own
    std::vector<UpProcess> processes;   // all of the file
    std::set<std::string> chosen;       // those that are to come up
    std::set<std::string> again;        // oneshots among them that run again although they are done
    std::set<std::string> anew;         // those that begin anew, whatever has changed
    bool without_dependencies = false;  // what is not chosen, and not there, is not waited for
    Environment set;                    // besides, for all of them
    // Values of variables that its file names are those that a process had the last time, where the file says the same
    // of them as then: what others have is no reason to change what runs.
    bool keeps_values = false;
    // What is inherited; nothing: what the process inherited the last time, else what the daemon gives.
    std::optional<std::vector<std::string>> base_environment;
    std::optional<mode_t> umask;
    std::vector<std::vector<std::int64_t>> limits;  // as requests have them; none: the daemon's own
};

/// What an `up` does, or would do, with one process.
struct UpStep {
    enum class What {
        kept,       // it runs, or has done its work, and is what it should be
        begun,      // once what it needs is there
        replaced,   // it runs, and is not what it should be any more: `keys`
        adopted,    // it ran already, started by itself
        restarted,  // it runs on as it is until what it is restarted with has begun anew: `after`
        removed,    // the file has it no more
    };
    std::string process;
    What what = What::kept;
    std::vector<std::string> keys;   // that have changed
    std::vector<std::string> after;  // others of the project: of a look, that it would wait for
};

/// How far processes of a project are. Names of processes.
struct UpProgress {
    std::vector<std::string> failed;   // that cannot come up, or need one that cannot
    std::vector<std::string> pending;  // neither that nor ready
    bool is_settled() const noexcept { return pending.empty(); }
};

/// Processes of a project that were restarted one after the other. Names of processes.
struct RestartedInOrder {
    std::vector<std::string> restarted;
    std::vector<std::string> left;  // it took too long until what they need was ready
};
using RestartedPtr = std::shared_ptr<RestartedInOrder>;

class Plans {
public:
    /// References outlive it.
    Plans(run::RunWorld& world, Store& store, ProcessTable& table, Events& events, ProcessDriver& driver,
          Operations& operations, Adoption& adoption, ReadinessDriver& readiness, const SupervisorOptions& options);

    /// What an earlier daemon was asked for goes on, and what was up when the machine was restarted comes up again, in
    /// its turn. After the adoption.
    void begin();
    /// Ends the looks for lines; completes when there is none.
    Task<> close();

    /// What `up` would do; changes nothing.
    Task<Result<std::vector<UpStep>>> look(UpOrder order);
    /// Applies the order, which is on record when it completes; what then begins is told by `progress`. What its file
    /// has no more is stopped first, and waited for. Errors: io, unavailable, limit, timeout (that does not end).
    Task<Result<std::vector<UpStep>>> up(UpOrder order, std::string actor);
    /// Stops those named, none: all, with what needs them unless `only`, each once nothing that needs it has a tree;
    /// `force`: without waiting for that, by SIGKILL. Completes when nothing of them is left. Answers with their names.
    /// Errors: not_found (a name, nearest); of a process that does not end: as Operations::stop.
    Task<Result<std::vector<std::string>>> down(std::string file, std::vector<std::string> names, bool only, bool force,
                                                std::string actor);

    /// Restarts those named, which are members, in the order of their dependencies, each once what it needs of those
    /// before it is ready, until `until`. What waits to be begun waits on. Whoever is restarted with another
    /// (Dependency::restart) is so once. `done` is told of each. Errors: as Operations::restart, with what was done
    /// before; conflict (what it needs was restarted and is not there any more).
    Task<Result<void>> restart_in_order(std::string file, std::vector<std::string> names, std::string actor,
                                        MonoTime until, RestartedPtr done);
    /// As Operations::restart, and then in the same way whatever needs it in its project, and runs; however long that
    /// takes.
    Task<Result<ops::RestartResponse>> restart_with_dependents(ops::RestartRequest request, std::string actor);

    /// `names`: none: all of the project.
    UpProgress progress(const std::string& file, const std::vector<std::string>& names) const;
    /// Completes when one of them has failed, all are ready, or `until` has come.
    Task<UpProgress> settled(std::string file, std::vector<std::string> names, MonoTime until);

    /// Completes once nothing that the process needs, and that is wanted up, is missing: it may be restarted by
    /// whatever is no request. False: it need not be, since it waits to be begun, or is gone. Of no project: at once.
    Task<bool> may_restart(ProcessId id);

    /// The processes of a project, by name; ids of those that are known.
    std::map<std::string, ProcessId> members(const std::string& file) const;
    /// Those that wait for `process`, or for what waits for it.
    std::vector<std::string> dependents(const std::string& file, const std::string& process) const;
    /// Each behind those it waits for, and once.
    std::vector<std::string> in_start_order(const std::string& file, const std::vector<std::string>& names) const;
    /// The projects that there are, by their files; and what one is called.
    std::vector<std::string> files() const;
    std::string name(const std::string& file) const;
    /// Whether the files say by now what they said when they were last applied to the process; true where nobody knows.
    bool is_as_applied(const std::string& file, const std::string& process, const project::Digests& now) const;
    /// What was found out while its processes came up, since the last `up`.
    std::vector<std::string> warnings(const std::string& file) const;

private:
    struct Project;
    struct Applying;
    struct Restarting;
    using ProjectPtr = std::shared_ptr<Project>;
    struct Step;
    using StepPtr = std::shared_ptr<Step>;
    using OrderPtr = std::shared_ptr<const UpOrder>;

    ProjectPtr find(const std::string& file) const;
    ProjectPtr project_of(const std::string& file);
    void tell_apart();
    /// The plan as its processes are now.
    void rebuild(Project& project);
    ProcessPtr find_member(const std::string& file, const std::string& name) const;
    ProcessPtr find_former(const UpOrder& order, const std::string& name) const;
    static bool is_former_of(const UpOrder& order, const Process& process);
    ProcessPtr find_adoptable(const Definition& definition) const;
    /// One for each process that is to come up, in the order of their ids; those without a process last.
    std::vector<StepPtr> steps_of(const OrderPtr& order) const;
    std::vector<std::string> gone_from(const UpOrder& order) const;
    bool is_of(const UpOrder& order, const Process& process) const;
    Task<> take_over(ProjectPtr project, OrderPtr order);
    Task<> decide(StepPtr step, OrderPtr order);
    void look_ahead(const UpOrder& order, const std::vector<StepPtr>& steps) const;
    static void tell_restart(const ProjectPlan& plan, UpStep& told);
    Task<Result<void>> prepare(StepPtr step, OrderPtr order, std::string actor);
    static void keep_values(const Process& process, const project::Digests& applied, Environment& all,
                            project::Digests& digests);
    static void enter(Step& step, const UpOrder& order, const std::string& actor);
    Task<> take_back(std::shared_ptr<const std::vector<StepPtr>> steps);
    Task<Result<void>> remove_gone(ProjectPtr project, std::vector<std::string> names, std::string actor);
    Task<> begin_down(ProjectPtr project, std::set<std::string> names, bool force, std::string actor);
    Task<Result<void>> await_down(ProjectPtr project, std::set<std::string> names);
    std::string free_label(const UpProcess& wanted, const Process* but) const;
    void wake_waiting(const Project& project) const;
    Task<> begin_again(ProjectPtr project);
    Task<Result<void>> wait_again(ProcessPtr process);
    void learn(const ProcessPtr& process);
    void perform(const ProjectPtr& project, const ProjectPlan::Actions& actions);
    void follow(Project& project);
    void watch_lines(const ProjectPtr& project, const std::string& name);
    Task<> watch_line(ProjectPtr project, ProcessPtr process, std::string pattern);
    void fail(const ProcessPtr& process, Cause why);
    Task<> start(ProjectPtr project, ProcessPtr process);
    Task<> stop(ProjectPtr project, ProcessPtr process, bool force);
    Task<> restart(ProjectPtr project, ProcessPtr process);
    Task<Result<void>> restart_next(ProjectPtr project, std::string name, std::string actor,
                                    std::optional<MonoTime> until, RestartedPtr done);

    run::RunWorld& world_;
    Store& store_;
    ProcessTable& table_;
    Events& events_;
    ProcessDriver& driver_;
    Operations& operations_;
    Adoption& adoption_;
    ReadinessDriver& readiness_;
    const SupervisorOptions& options_;
    bool has_begun_ = false;
    std::map<std::string, ProjectPtr> projects_;  // by file
};

}  // namespace persistproc::core
