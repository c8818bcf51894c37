#include "common/project/graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "common/base/text.hpp"
#include "common/project/foreign.hpp"

namespace persistproc::project {

namespace {

std::string shown(std::string_view name) { return base::quote(base::shortened(name)); }

template <class List>
std::string nearest_among(std::string_view name, const List& processes) {
    std::vector<std::string> names;
    for (const auto& each : processes) names.push_back(each.name);
    const std::string near = base::nearest_word(name, names);
    return near.empty() ? std::string() : "; nearest: " + near;
}

/// Finds cycles by colouring: a process that is met again while its dependencies are being walked closes one.
class Cycles {
public:
    explicit Cycles(const std::vector<Process>& processes) {
        for (const auto& each : processes) by_name_.emplace(each.name, &each);
    }

    std::vector<GraphProblem> find() {
        for (const auto& [name, process] : by_name_) walk(*process);
        return std::move(found_);
    }

private:
    enum class Colour { white, grey, black };

    void walk(const Process& process) {
        Colour& colour = colours_[process.name];
        if (colour != Colour::white) return;
        colour = Colour::grey;
        path_.push_back(process.name);
        for (const auto& edge : process.depends_on) {
            const auto next = by_name_.find(edge.process);
            if (next == by_name_.end() || edge.process == process.name) continue;  // told by itself
            if (colours_[edge.process] == Colour::grey)
                tell(edge.process);
            else
                walk(*next->second);
        }
        path_.pop_back();
        colours_[process.name] = Colour::black;
    }

    void tell(const std::string& first) {
        const auto begin = std::find(path_.begin(), path_.end(), first);
        std::string what = "waits for itself: ";
        for (auto each = begin; each != path_.end(); ++each) what += *each + " -> ";
        found_.push_back({path_.back(), first, what + first});
    }

    std::map<std::string, const Process*> by_name_;
    std::map<std::string, Colour> colours_;
    std::vector<std::string> path_;
    std::vector<GraphProblem> found_;
};

/// Why an edge can never come true, or "".
std::string why_never(const Dependency& edge, const Process& process, const Process& target) {
    if (edge.until == Condition::ready && edge.is_stated && !has_readiness(target))
        return fmt::format("{} has no check that says when it is ready: give it one, or write {}:started", target.name,
                           target.name);
    if (edge.until == Condition::done && !target.oneshot)
        return fmt::format("{} is no oneshot: nobody expects it to be done; {}:ended takes any end", target.name,
                           target.name);
    if (edge.restart && process.oneshot) return "restart: a oneshot has ended when the other one restarts";
    return {};
}

}  // namespace

std::vector<GraphProblem> settle_dependencies(std::vector<Process>& processes) {
    std::vector<GraphProblem> out;
    std::map<std::string, const Process*> by_name;
    for (const auto& each : processes) by_name.emplace(each.name, &each);
    for (auto& process : processes) {
        for (auto& edge : process.depends_on) {
            const auto target = by_name.find(edge.process);
            if (edge.process == process.name) {
                out.push_back({process.name, edge.process, "waits for itself"});
            } else if (target == by_name.end()) {
                out.push_back(
                    {process.name, edge.process,
                     fmt::format("no process {}{}", shown(edge.process), nearest_among(edge.process, processes))});
            } else {
                if (!edge.is_stated)
                    edge.until = has_readiness(*target->second) ? Condition::ready : Condition::started;
                if (std::string why = why_never(edge, process, *target->second); !why.empty())
                    out.push_back({process.name, edge.process, std::move(why)});
            }
        }
    }
    for (auto& each : Cycles(processes).find()) out.push_back(std::move(each));
    return out;
}

std::vector<const Process*> start_order(const Project& project) {
    std::vector<const Process*> out;
    std::set<std::string> placed;
    const std::function<void(const Process&)> place = [&](const Process& process) {
        if (!placed.insert(process.name).second) return;
        for (const auto& edge : process.depends_on)
            if (const Process* const target = project.find(edge.process)) place(*target);
        out.push_back(&process);
    };
    for (const auto& each : project.processes) place(each);
    return out;
}

namespace {

Result<std::vector<std::string>> named_processes(const Project& project, const std::vector<std::string>& names) {
    std::vector<std::string> out;
    const auto add = [&out](const std::string& name) {
        if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
    };
    for (const auto& name : names) {
        const auto group = project.groups.find(name);
        if (group != project.groups.end()) {
            for (const auto& each : group->second) add(each);
        } else if (const Process* const process = project.find_typed(name)) {
            add(process->name);
        } else {
            std::vector<std::string> known;
            for (const auto& each : project.processes) known.push_back(each.name);
            for (const auto& each : project.groups) known.push_back(each.first);
            const std::string near = base::nearest_word(name, known);
            return Error{ErrorCode::not_found,
                         fmt::format("{} has no process or group {}{}", base::quote(project.name), shown(name),
                                     near.empty() ? fmt::format("; there are: {}", fmt::join(known, ", "))
                                                  : "; nearest: " + near)};
        }
    }
    return out;
}

}  // namespace

Result<Selection> select(const Project& project, const std::vector<std::string>& names, bool dependencies) {
    Selection out;
    if (names.empty()) {
        for (const auto& each : project.processes)
            if (each.autostart) out.named.push_back(each.name);
    } else {
        auto named = named_processes(project, names);
        if (!named) return named.error();
        out.named = std::move(*named);
    }
    std::vector<std::string> open = out.named;
    while (!open.empty()) {
        const std::string name = std::move(open.back());
        open.pop_back();
        if (!out.processes.insert(name).second || !dependencies) continue;
        if (const Process* const process = project.find(name))
            for (const auto& edge : process->depends_on) open.push_back(edge.process);
    }
    return out;
}

std::string nothing_starts_text(const Project& project) {
    constexpr std::size_t most_shown = 16;
    std::vector<std::string> names;
    for (const auto& each : project.groups) names.push_back(each.first);
    for (const auto& each : project.processes) {
        const std::string_view script = script_name(project.file, each.definition.command);
        names.push_back(script.empty() ? each.name : base::escape_line(script));
    }
    const std::size_t left = names.size() - std::min(names.size(), most_shown);
    names.resize(names.size() - left);
    return fmt::format("nothing of {} starts unless it is named; there are: {}{}", project.name, fmt::join(names, ", "),
                       left == 0 ? "" : fmt::format(" and {} more", left));
}

Result<Selection> select_with_dependents(const Project& project, const std::vector<std::string>& names) {
    Selection out;
    if (names.empty()) {
        for (const auto& each : project.processes) out.named.push_back(each.name);
    } else {
        auto named = named_processes(project, names);
        if (!named) return named.error();
        out.named = std::move(*named);
    }
    out.processes.insert(out.named.begin(), out.named.end());
    // Each is met behind those it waits for.
    for (const Process* const process : start_order(project))
        for (const auto& edge : process->depends_on)
            if (out.processes.contains(edge.process)) out.processes.insert(process->name);
    return out;
}

}  // namespace persistproc::project
