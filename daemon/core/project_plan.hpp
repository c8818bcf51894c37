#pragma once
/// What may be started and stopped now of the processes of one project: the rules of its dependencies, as a pure
/// machine. What becomes of one process is its own rules' matter (lifecycle.hpp): they tell what they know of it, each
/// fact as it is now, and carry out what this asks for.
///
///   stage      meaning                                                  what ends it
///   idle       nothing is asked of it                                   up
///   waiting    wanted up, and something it needs is not there yet       all that it needs: starting; one of that is
///                                                                       final: failed; down: idle
///   starting   it was asked to start                                    its word: up; down: stopping
///   up         it runs, or runs again by itself, or has done its work   down: stopping; final: failed or idle
///   stopping   wanted down; what needs it is still there, or it is      an empty tree: idle
///   failed     it cannot come up, or needs one that cannot              up
///
/// A set, not levels: whoever has what it needs is started, whatever else is slow. Precedence: down beats anything in
/// flight. What has failed is never started by this machine itself. Dependencies are acyclic (project/graph.hpp).
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "common/domain/membership.hpp"

namespace persistproc::core {

/// What is known of a process now. Of its present run, where there is one.
struct PlanFacts {
    std::uint32_t run = 0;          // the newest there was; 0: none
    bool has_tree = false;          // something of it lives
    bool may_have_strays = false;   // or may live without a keeper: a stop ends it
    bool has_started = false;       // its program runs, or ran in this run
    bool is_ready = false;          // its checks hold; a oneshot: it has ended with success
    bool has_ended = false;         // the present run, however
    bool ended_well = false;        // with a success code
    bool is_final = false;          // it does not run again by itself: gave up, failed, stopped by somebody, ended
    bool is_past = false;           // all that: it was asked for since, and did not come
    std::set<std::string> printed;  // patterns of edges that a line of this run has matched
};

// What is to be done.
struct StartProcess {
    std::string process;
};
struct StopProcess {
    std::string process;
};
/// It is down because of another one.
struct FailProcess {
    std::string process, because;
};
/// It runs on while what it needs is new; the edge says that it is to begin anew.
struct RestartProcess {
    std::string process, because;
};
/// It starts without what it can do without.
struct WarnOf {
    std::string process, missing;
};
using PlanAction = std::variant<StartProcess, StopProcess, FailProcess, RestartProcess, WarnOf>;

struct PlannedProcess {
    std::string name;
    bool oneshot = false;
    std::vector<domain::Dependency> depends_on;
    bool alone = false;  // begins without what nobody wants up
};

class ProjectPlan {
public:
    enum class Stage { idle, waiting, starting, up, stopping, failed };
    using Actions = std::vector<PlanAction>;

    explicit ProjectPlan(std::vector<PlannedProcess> processes);

    /// Wants these up; which they are, with or without what they need, is decided by who asks. What runs already is not
    /// started again, nor a oneshot that has done its work, unless `again` names it.
    Actions up(const std::set<std::string>& names, const std::set<std::string>& again = {});
    /// Wants these down: each is stopped once no process that needs it has a tree.
    Actions down(const std::set<std::string>& names);
    /// Stops at once all that wait for others to be gone.
    Actions hasten();
    /// The stop that was asked for came to nothing: it is asked for again by the next `down` that names it, and by
    /// nothing else.
    void refuse_stop(const std::string& process);
    /// Something about a process has changed.
    Actions learn(const std::string& process, PlanFacts facts);

    /// Somebody stopped it while it waited: it does not come, nor what needs it.
    Actions withdraw(const std::string& process);
    /// The start that was asked for came to nothing: there is no run of it.
    Actions refuse(const std::string& process);
    /// As it stood when the daemon before this one died: `waiting` is carried through by the next `learn`, once. Before
    /// anything else.
    void adopt(const std::string& process, Stage stage, PlanFacts facts);

    /// What this one knew of restarts to come goes on, as far as the dependencies are the same.
    void remember(const ProjectPlan& before);

    /// Whatever is not there, but for these, is nobody's to wait for.
    void leave_out(const std::set<std::string>& but);

    Stage stage(const std::string& process) const;
    /// Whether a restart by policy or watch may begin now: nothing that it needs, and that is wanted up, is missing.
    bool may_restart(const std::string& process) const;
    /// What a process waits for: names of others, in order.
    std::vector<std::string> missing(const std::string& process) const;
    /// What it cannot do without and has not now, wanted or not: names of others, in order.
    std::vector<std::string> lacking(const std::string& process) const;
    /// What it needs and cannot have any more: the first such process. Nothing: it may be begun. `of_work`: that was to
    /// end first.
    std::optional<std::string> obstacle(const std::string& process, bool of_work = false) const;
    /// Those with which a process that runs is about to be restarted (Dependency::restart): each has another run, or
    /// will. None: it runs on.
    std::vector<std::string> restarts_with(const std::string& process) const;
    /// The restart that was asked for came to nothing, or is somebody else's.
    void refuse_restart(const std::string& process);
    /// Nothing is on its way: all are up, idle or failed.
    bool is_settled() const;

private:
    enum class Edge { holds, open, never };
    std::vector<std::string> restarts_with(const std::string& process, std::map<std::string, bool>& known) const;
    struct Item {
        PlannedProcess process;
        PlanFacts facts;
        Stage stage = Stage::idle;
        bool is_asked = false;                           // starting, stopping: the action went out
        bool was_stop_refused = false;                   // stopping: and came to nothing
        bool awaits_run = false;                         // that start has no run yet
        std::uint32_t run_before = 0;                    // the newest when it was asked to start
        std::map<std::string, std::uint32_t> seen_runs;  // of those it is restarted with: the run it knows
        std::uint32_t known_run = 0;                     // of its own: the newest that was heard of
        std::uint32_t restarted_run = 0;                 // that was asked to be replaced, and is the newest; 0: none
        std::vector<std::string> restarted_with;         // and why
    };

    static bool is_wanted_up(const Item& item) {
        return item.stage == Stage::waiting || item.stage == Stage::starting || item.stage == Stage::up;
    }
    Edge judge(const domain::Dependency& edge) const;
    bool is_left_out(const domain::Dependency& edge) const;
    bool has_done_its_work(const Item& item) const;
    static void fail(Item& item);
    void note_own_run(Item& item);
    void move_on(Actions& into);
    bool move_waiting(Item& item, Actions& into);
    bool move_stopping(Item& item, Actions& into);
    bool restart_dependents(Actions& into);
    void start(Item& item, Actions& into);

    std::vector<std::string> order_;  // each behind those it needs
    std::map<std::string, Item> items_;
};

}  // namespace persistproc::core
