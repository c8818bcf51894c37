#include "daemon/core/process_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "common/base/text.hpp"
#include "common/domain/actor.hpp"

namespace persistproc::core {

namespace {

constexpr std::size_t cut_label_bytes = 180;  // leaves room for the id behind it

}  // namespace

ProcessPtr ProcessTable::find(ProcessId id) const {
    const auto found = processes_.find(id);
    return found == processes_.end() ? nullptr : found->second;
}

bool ProcessTable::holds(const Process& process) const { return find(process.record.id).get() == &process; }

Result<ProcessPtr> ProcessTable::resolve(const std::string& target) const {
    // The usual case, an id, needs no list of candidates.
    if (const auto id = domain::find_process_id(target))
        if (auto found = find(*id)) return found;
    std::vector<Candidate> candidates;
    candidates.reserve(processes_.size());
    for (const auto& [id, process] : processes_) {
        const Definition& definition = process->record.definition;
        candidates.push_back({id, definition.label, definition.command, definition.working_directory,
                              process->run_state.pid, process->life.is_live()});
    }
    const auto id = resolve_target(target, candidates);
    if (!id) return id.error();
    return processes_.at(*id);
}

Error ProcessTable::label_taken(const Process& holder, const Definition& asked, bool replaces) const {
    const Definition& theirs = holder.record.definition;
    std::string text =
        fmt::format("label {} is in use by {} ({} in {}", base::quote(asked.label), holder.name(),
                    base::shortened(domain::command_line(theirs.command)), base::escape_line(theirs.working_directory));
    const bool is_person = domain::is_own_client(asked.started_by);
    const bool is_own = is_person && domain::is_own_client(theirs.started_by);
    if (!theirs.started_by.empty())
        text += fmt::format(", started by {}", is_own ? "you" : base::escape_line(theirs.started_by));
    text += ')';
    if (replaces)
        text += fmt::format("; {} replaces a process with the same command only",
                            is_person ? "--fresh" : "if_running \"restart\"");
    text += fmt::format("; {} is free", free_label(asked.label));
    // In another directory, or by another agent, it is somebody else's work.
    const bool is_for_them = is_person || theirs.started_by.empty() || theirs.started_by == asked.started_by;
    if (is_for_them && theirs.working_directory == asked.working_directory)
        text += fmt::format(", or stop {} first, and it takes the new command", holder.name());
    return {ErrorCode::conflict, std::move(text)};
}

std::string ProcessTable::free_label(std::string_view taken) const {
    const std::size_t dash = taken.find_last_not_of("0123456789");
    std::uint32_t number = 1;
    if (dash != std::string_view::npos && taken[dash] == '-' && dash > 0) {
        const auto digits = taken.substr(dash + 1);
        const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
        if (failed == std::errc() && end == digits.data() + digits.size()) taken = taken.substr(0, dash);
    }
    // Of so many one is free.
    for (std::size_t tries = 0; tries <= processes_.size(); ++tries) {
        std::string label = fmt::format("{}-{}", taken, ++number);
        const auto has_label = [&](const auto& each) { return each.second->record.definition.label == label; };
        if (std::any_of(processes_.begin(), processes_.end(), has_label)) continue;
        if (domain::check_label(label)) return base::quote(label);
        break;
    }
    return "another label";
}

Result<ProcessPtr> ProcessTable::find_meant(const Identity& identity, bool replaces) const {
    ProcessPtr match;
    if (identity.definition.label_given) {
        for (const auto& [id, process] : processes_)
            if (process->record.definition.label == identity.definition.label) match = process;
        if (match && match->life.is_live() && !identity.is_same_command(match->record.definition))
            return label_taken(*match, identity.definition, replaces);
        return match;
    }
    // Also that of a process somebody has given a label, where it is the only one.
    std::vector<ProcessPtr> same, live;
    for (const auto& [id, process] : processes_) {
        if (!identity.is_same_command(process->record.definition)) continue;
        same.push_back(process);
        if (process->life.is_live()) live.push_back(process);
        if (!process->record.definition.label_given) match = process;
    }
    if (!match && live.size() == 1) match = live.front();
    if (!match && live.empty() && same.size() == 1) match = same.front();
    return match;
}

Result<ProcessPtr> ProcessTable::create(Definition definition, WallTime now) {
    if (next_ > domain::last_number)
        return Error{ErrorCode::limit,
                     fmt::format("no ids are left: p{} has been used; start one that is there anew, or give the daemon "
                                 "another --data-dir",
                                 domain::last_number)};
    ProcessRecord record;
    record.id = ProcessId{next_};
    record.definition = std::move(definition);
    record.wanted = Wanted::down;  // until it is started
    record.created_at = now;
    auto process = insert(std::move(record));
    process->standing = Standing::provisional;
    if (!process->record.definition.label_given) tell_apart(*process);
    return process;
}

bool ProcessTable::tell_apart(Process& process) const {
    std::string& label = process.record.definition.label;
    const auto has_label = [&](const auto& each) {
        return each.second.get() != &process && each.second->record.definition.label == label;
    };
    if (std::none_of(processes_.begin(), processes_.end(), has_label)) return false;
    label = fmt::format("{} ({})", label.substr(0, cut_label_bytes), process.record.id.number);
    return true;
}

ProcessPtr ProcessTable::insert(ProcessRecord record) {
    const ProcessId id = record.id;
    reserve(id.number + 1);
    auto process = std::make_shared<Process>(executor_, std::move(record));
    processes_.emplace_hint(processes_.end(), id, process);
    return process;
}

}  // namespace persistproc::core
