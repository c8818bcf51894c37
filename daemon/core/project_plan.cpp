#include "daemon/core/project_plan.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace persistproc::core {

using domain::Condition;
using domain::Dependency;

ProjectPlan::ProjectPlan(std::vector<PlannedProcess> processes) {
    for (auto& each : processes) {
        const std::string name = each.name;
        items_[name].process = std::move(each);
    }
    std::set<std::string> placed;
    const std::function<void(const Item&)> place = [&](const Item& item) {
        if (!placed.insert(item.process.name).second) return;
        for (const Dependency& edge : item.process.depends_on)
            if (const auto found = items_.find(edge.process); found != items_.end()) place(found->second);
        order_.push_back(item.process.name);
    };
    for (const auto& each : items_) place(each.second);
}

bool ProjectPlan::has_done_its_work(const Item& item) const {
    return item.process.oneshot && item.facts.has_ended && item.facts.ended_well && !item.facts.is_past;
}

ProjectPlan::Actions ProjectPlan::up(const std::set<std::string>& names, const std::set<std::string>& again) {
    Actions out;
    for (const auto& name : order_) {
        Item& item = items_.at(name);
        if (!names.contains(name)) continue;
        const bool is_anew = again.contains(name) && item.process.oneshot && !item.facts.has_tree;
        switch (item.stage) {
            case Stage::waiting:
            case Stage::starting: break;
            case Stage::up:
                if (is_anew) item.stage = Stage::waiting;
                break;
            case Stage::idle:
            case Stage::failed:
            case Stage::stopping: {
                // One that is being stopped starts again once nothing of it is left.
                const bool runs = item.facts.has_tree && !item.facts.is_final && item.stage != Stage::stopping;
                const bool is_done = item.stage == Stage::failed && has_done_its_work(item) && !is_anew;
                item.stage = runs || is_done ? Stage::up : Stage::waiting;
                item.is_asked = false;
            }
        }
    }
    move_on(out);
    return out;
}

ProjectPlan::Actions ProjectPlan::down(const std::set<std::string>& names) {
    Actions out;
    for (const auto& name : names) {
        const auto found = items_.find(name);
        if (found == items_.end()) continue;
        Item& item = found->second;
        const bool was_refused = std::exchange(item.was_stop_refused, false);
        if (item.stage == Stage::stopping) {
            if (was_refused) item.is_asked = false;
            continue;
        }
        // Between two runs of its own there is no tree, and another to come.
        const bool runs_again = item.facts.run > 0 && !item.facts.is_final;
        const bool has_any = item.facts.has_tree || item.facts.may_have_strays;
        item.stage = has_any || item.awaits_run || runs_again ? Stage::stopping : Stage::idle;
        item.is_asked = false;
    }
    move_on(out);
    return out;
}

ProjectPlan::Actions ProjectPlan::hasten() {
    Actions out;
    for (auto& [name, item] : items_) {
        if (item.stage != Stage::stopping || item.is_asked) continue;
        item.is_asked = true;
        out.emplace_back(StopProcess{name});
    }
    return out;
}

void ProjectPlan::refuse_stop(const std::string& process) {
    const auto found = items_.find(process);
    if (found != items_.end()) found->second.was_stop_refused = found->second.stage == Stage::stopping;
}

ProjectPlan::Actions ProjectPlan::learn(const std::string& process, PlanFacts facts) {
    Actions out;
    const auto found = items_.find(process);
    if (found == items_.end()) return out;
    Item& item = found->second;
    item.facts = std::move(facts);
    const PlanFacts& now = item.facts;
    // What was said of an earlier run is no word about the one that was asked for.
    if (now.run > item.run_before) item.awaits_run = false;
    if (now.run > item.restarted_run || now.is_final) item.restarted_run = 0;
    note_own_run(item);
    switch (item.stage) {
        case Stage::starting:
            if (!item.awaits_run && (now.has_started || now.is_final)) item.stage = Stage::up;
            [[fallthrough]];
        case Stage::up:
            if (item.stage == Stage::up && now.is_final && !has_done_its_work(item)) {
                item.stage = Stage::failed;
                item.is_asked = false;
            }
            break;
        case Stage::stopping:
            if (!item.awaits_run && !now.has_tree && !now.may_have_strays && now.is_final) item.stage = Stage::idle;
            break;
        case Stage::idle:
        case Stage::waiting:
        case Stage::failed: break;
    }
    move_on(out);
    return out;
}

ProjectPlan::Actions ProjectPlan::refuse(const std::string& process) {
    Actions out;
    const auto found = items_.find(process);
    if (found == items_.end() || !found->second.awaits_run) return out;
    Item& item = found->second;
    item.awaits_run = false;
    if (item.stage == Stage::starting) fail(item);
    if (item.stage == Stage::stopping && !item.facts.has_tree) item.stage = Stage::idle;
    move_on(out);
    return out;
}

ProjectPlan::Actions ProjectPlan::withdraw(const std::string& process) {
    Actions out;
    const auto found = items_.find(process);
    if (found == items_.end()) return out;
    Item& item = found->second;
    if (item.stage != Stage::waiting && item.stage != Stage::starting) return out;
    fail(item);
    item.is_asked = false;
    item.awaits_run = false;
    move_on(out);
    return out;
}

void ProjectPlan::adopt(const std::string& process, Stage stage, PlanFacts facts) {
    const auto found = items_.find(process);
    if (found == items_.end()) return;
    Item& item = found->second;
    item.stage = stage;
    item.is_asked = false;
    item.awaits_run = stage == Stage::starting;
    item.run_before = facts.run;
    item.facts = std::move(facts);
}

void ProjectPlan::remember(const ProjectPlan& before) {
    for (auto& [name, item] : items_) {
        const auto found = before.items_.find(name);
        if (found == before.items_.end()) continue;
        for (const Dependency& edge : item.process.depends_on) {
            const auto seen = found->second.seen_runs.find(edge.process);
            const bool is_known = edge.restart && seen != found->second.seen_runs.end();
            if (is_known && items_.contains(edge.process)) item.seen_runs[edge.process] = seen->second;
        }
        item.known_run = found->second.known_run;
        item.restarted_run = found->second.restarted_run;
        item.restarted_with = found->second.restarted_with;
    }
}

void ProjectPlan::leave_out(const std::set<std::string>& but) {
    for (auto& [name, item] : items_)
        if (!but.contains(name) && item.stage == Stage::failed && !item.facts.has_tree) item.stage = Stage::idle;
}

/// An edge to a process that nobody wants and that is not there is not waited for: who left it out has said so.
ProjectPlan::Edge ProjectPlan::judge(const Dependency& edge) const {
    if (is_left_out(edge)) return Edge::holds;
    const Item& target = items_.at(edge.process);
    const PlanFacts& facts = target.facts;
    // What is about to run again is not what it was, nor what was to and could not.
    const bool is_current = target.stage != Stage::waiting && target.stage != Stage::starting && !facts.is_past;
    bool holds = false;
    const bool can_come = target.stage != Stage::failed && target.stage != Stage::stopping;
    switch (edge.until) {
        case Condition::ready: holds = target.process.oneshot ? has_done_its_work(target) : facts.is_ready; break;
        case Condition::started: holds = facts.has_started && (facts.has_tree || target.process.oneshot); break;
        case Condition::done: holds = facts.has_ended && facts.ended_well; break;
        case Condition::ended: holds = facts.has_ended; break;
        case Condition::log: holds = facts.printed.contains(edge.pattern); break;
    }
    if (is_current && holds) {
        // It has ended as it was to, or it is there, and stays.
        const bool is_to_end =
            edge.until == Condition::ended || edge.until == Condition::done || target.process.oneshot;
        const bool stays = facts.has_tree && target.stage != Stage::stopping;
        if (is_to_end || stays) return Edge::holds;
    }
    return can_come ? Edge::open : Edge::never;
}

bool ProjectPlan::is_left_out(const Dependency& edge) const {
    const auto found = items_.find(edge.process);
    return found == items_.end() || (found->second.stage == Stage::idle && !found->second.facts.has_tree);
}

/// What is there when it begins, whoever began it, is what it knows.
void ProjectPlan::note_own_run(Item& item) {
    if (item.facts.run <= item.known_run) return;
    item.known_run = item.facts.run;
    for (const Dependency& edge : item.process.depends_on) {
        const auto target = items_.find(edge.process);
        if (edge.restart && target != items_.end() && judge(edge) == Edge::holds)
            item.seen_runs[edge.process] = target->second.facts.run;
    }
}

void ProjectPlan::move_on(Actions& into) {
    // What one process becomes may be what another waits for: until nothing moves. Each moves a few times at most.
    for (bool has_moved = true; has_moved;) {
        has_moved = false;
        for (const auto& name : order_) {
            Item& item = items_.at(name);
            if (item.stage == Stage::waiting) has_moved = move_waiting(item, into) || has_moved;
            if (item.stage == Stage::stopping) has_moved = move_stopping(item, into) || has_moved;
        }
        has_moved = restart_dependents(into) || has_moved;
    }
}

/// There is no run of what was asked for.
void ProjectPlan::fail(Item& item) {
    item.stage = Stage::failed;
    item.facts.is_past = !item.facts.has_tree;
}

bool ProjectPlan::move_waiting(Item& item, Actions& into) {
    std::vector<std::string> without;
    bool is_open = false;
    for (const Dependency& edge : item.process.depends_on) {
        // Put down or removed since it was asked for with what it needs.
        const bool is_gone = edge.required && !item.process.alone && is_left_out(edge);
        const Edge state = is_gone ? Edge::never : judge(edge);
        if (state == Edge::never && edge.required) {
            fail(item);
            into.emplace_back(FailProcess{item.process.name, edge.process});
            return true;
        }
        is_open = is_open || state == Edge::open;
        if (state == Edge::never) without.push_back(edge.process);
    }
    if (is_open) return false;
    for (auto& each : without) into.emplace_back(WarnOf{item.process.name, std::move(each)});
    start(item, into);
    return true;
}

void ProjectPlan::start(Item& item, Actions& into) {
    item.stage = Stage::starting;
    item.is_asked = true;
    item.awaits_run = true;
    item.run_before = item.facts.run;
    for (const Dependency& edge : item.process.depends_on)
        if (const auto found = items_.find(edge.process); edge.restart && found != items_.end())
            item.seen_runs[edge.process] = found->second.facts.run;
    into.emplace_back(StartProcess{item.process.name});
}

bool ProjectPlan::move_stopping(Item& item, Actions& into) {
    if (item.is_asked) return false;
    for (const auto& [name, other] : items_) {
        const bool needs_it = std::any_of(other.process.depends_on.begin(), other.process.depends_on.end(),
                                          [&](const Dependency& edge) { return edge.process == item.process.name; });
        // Those that stay up have been left out by who asked.
        const bool is_going = other.stage == Stage::stopping;
        if (needs_it && is_going) return false;
    }
    item.is_asked = true;
    into.emplace_back(StopProcess{item.process.name});
    return true;
}

bool ProjectPlan::restart_dependents(Actions& into) {
    bool has_moved = false;
    for (const auto& name : order_) {
        Item& item = items_.at(name);
        if (item.stage != Stage::up || !item.facts.has_tree) continue;
        std::vector<std::string> because;
        bool all_hold = true;
        for (const Dependency& edge : item.process.depends_on) {
            const auto found = items_.find(edge.process);
            if (!edge.restart || found == items_.end()) continue;
            const auto run = found->second.facts.run;
            auto& seen = item.seen_runs.try_emplace(edge.process, run).first->second;
            if (run <= seen) continue;
            all_hold = all_hold && judge(edge) == Edge::holds;
            because.push_back(edge.process);
        }
        if (because.empty() || !all_hold) continue;
        // One batch: several that are new are one reason.
        for (auto& [process, seen] : item.seen_runs) seen = items_.at(process).facts.run;
        into.emplace_back(RestartProcess{name, because.back()});
        item.restarted_run = item.facts.run;
        item.restarted_with = std::move(because);
        has_moved = true;
    }
    return has_moved;
}

ProjectPlan::Stage ProjectPlan::stage(const std::string& process) const {
    const auto found = items_.find(process);
    return found == items_.end() ? Stage::idle : found->second.stage;
}

bool ProjectPlan::may_restart(const std::string& process) const {
    const auto found = items_.find(process);
    if (found == items_.end()) return true;
    return std::none_of(found->second.process.depends_on.begin(), found->second.process.depends_on.end(),
                        [this](const Dependency& edge) {
                            const auto target = items_.find(edge.process);
                            return target != items_.end() && is_wanted_up(target->second) && judge(edge) == Edge::open;
                        });
}

std::vector<std::string> ProjectPlan::missing(const std::string& process) const {
    std::vector<std::string> out;
    const auto found = items_.find(process);
    if (found == items_.end() || found->second.stage != Stage::waiting) return out;
    for (const Dependency& edge : found->second.process.depends_on)
        if (judge(edge) == Edge::open) out.push_back(edge.process);
    return out;
}

std::vector<std::string> ProjectPlan::lacking(const std::string& process) const {
    std::vector<std::string> out;
    const auto found = items_.find(process);
    if (found == items_.end()) return out;
    for (const Dependency& edge : found->second.process.depends_on)
        if (edge.required && (is_left_out(edge) || judge(edge) != Edge::holds)) out.push_back(edge.process);
    return out;
}

std::optional<std::string> ProjectPlan::obstacle(const std::string& process, bool of_work) const {
    const auto found = items_.find(process);
    if (found == items_.end()) return std::nullopt;
    for (const Dependency& edge : found->second.process.depends_on) {
        if (!edge.required || judge(edge) != Edge::never) continue;
        if (!of_work || edge.until == Condition::done || items_.at(edge.process).process.oneshot) return edge.process;
    }
    return std::nullopt;
}

std::vector<std::string> ProjectPlan::restarts_with(const std::string& process) const {
    std::map<std::string, bool> known;
    return restarts_with(process, known);
}

/// `known`: which are restarted, of those that have been asked about. Edges are those of each process's own definition:
/// where files of two times meet they may go round, and one that is asked about is not restarted for itself.
std::vector<std::string> ProjectPlan::restarts_with(const std::string& process,
                                                    std::map<std::string, bool>& known) const {
    std::vector<std::string> out;
    const auto found = items_.find(process);
    if (found == items_.end()) return out;
    known[process] = false;
    const Item& item = found->second;
    if (item.stage != Stage::up || !item.facts.has_tree) return out;
    if (item.restarted_run != 0) {
        known[process] = !item.restarted_with.empty();
        return item.restarted_with;
    }
    for (const Dependency& edge : item.process.depends_on) {
        const auto target = items_.find(edge.process);
        if (!edge.restart || target == items_.end()) continue;
        const Item& needed = target->second;
        const auto seen = item.seen_runs.find(edge.process);
        const bool is_new = seen != item.seen_runs.end() && needed.facts.run > seen->second;
        const bool is_to_come = needed.stage == Stage::waiting || needed.stage == Stage::starting;
        const bool comes = (is_new && judge(edge) != Edge::never) || is_to_come;
        const auto asked = known.find(edge.process);
        const bool goes_with = asked != known.end() ? asked->second : !restarts_with(edge.process, known).empty();
        if (comes || goes_with) out.push_back(edge.process);
    }
    known[process] = !out.empty();
    return out;
}

void ProjectPlan::refuse_restart(const std::string& process) {
    const auto found = items_.find(process);
    if (found != items_.end()) found->second.restarted_run = 0;
}

bool ProjectPlan::is_settled() const {
    return std::none_of(items_.begin(), items_.end(), [](const auto& each) {
        const Stage stage = each.second.stage;
        return stage == Stage::waiting || stage == Stage::starting || stage == Stage::stopping;
    });
}

}  // namespace persistproc::core
