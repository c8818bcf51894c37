#include "tests/simulation/database.hpp"

#include "tests/simulation/world.hpp"

namespace persistproc::simulation {

core::StoreSnapshot Database::load() {
    core::StoreSnapshot out;
    out.epoch = ++epoch_;
    out.next_process = next_process_;
    for (const auto& [id, record] : processes_) out.processes.push_back(record);
    for (auto each = runs_.begin(); each != runs_.end(); ++each) {
        const auto after = std::next(each);
        if (after == runs_.end() || after->first.process != each->first.process) out.last_runs.push_back(each->second);
    }
    for (const auto& [file, record] : projects_) out.projects.push_back(record);
    return out;
}

void Database::write(const core::StoreChange& change) {
    for (const auto& record : change.processes) {
        world_.judge.committed(record);
        processes_[record.id] = record;
        next_process_ = std::max(next_process_, record.id.number + 1);
    }
    for (const auto& run : change.runs) {
        world_.judge.committed(run);
        runs_[run.id] = run;
        // History beyond the newest runs is trimmed.
        std::erase_if(runs_, [&](const auto& each) {
            return each.first.process == run.id.process && each.first.number + 20 < run.id.number;
        });
    }
    for (const ProcessId id : change.removed) {
        world_.judge.forgotten(id);
        processes_.erase(id);
        std::erase_if(runs_, [id](const auto& each) { return each.first.process == id; });
        next_process_ = std::max(next_process_, id.number + 1);
    }
    for (const auto& project : change.projects) {
        if (project.says_nothing())
            projects_.erase(project.file);
        else
            projects_[project.file] = project;
    }
    for (const auto& entry : change.audit) {
        world_.judge.audited(entry);
        world_.record.note("database: {} {} {}{}", entry.actor, entry.action, entry.process,
                           entry.detail.empty() ? "" : " (" + entry.detail + ")");
    }
}

}  // namespace persistproc::simulation
