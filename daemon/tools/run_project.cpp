#include "common/ops/run_project.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/base/text.hpp"
#include "common/project/graph.hpp"
#include "daemon/core/projects/up_order.hpp"
#include "daemon/tools/describe.hpp"
#include "daemon/tools/person.hpp"
#include "daemon/tools/reading.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

using core::projects::LoadedPtr;
using ops::ProjectAction;
using Request = ops::RunProjectRequest;
using Response = ops::RunProjectResponse;

constexpr double usual_patience_seconds = 45;  // an agent's client gives a call up after a minute

std::string_view word_of(core::UpStep::What what) {
    using What = core::UpStep::What;
    switch (what) {
        case What::kept: return "kept";
        case What::begun: return "begun";
        case What::replaced: return "replaced";
        case What::adopted: return "adopted";
        case What::removed: return "removed";
        case What::restarted: return "restarted";
    }
    return {};
}

bool is_start(const core::UpStep& step) {
    using What = core::UpStep::What;
    return step.what == What::begun || step.what == What::replaced || step.what == What::restarted;
}

bool is_person(const mcp::CallContext& context) { return context.principal.role == mcp::Principal::Role::client; }

MonoTime patience_of(const Backend& backend, const Request& request, double usual) {
    const std::chrono::duration<double> asked(request.timeout_seconds.value_or(usual));
    return backend.clock.now() + std::chrono::duration_cast<std::chrono::nanoseconds>(asked);
}

core::projects::ProjectQuery query_of(const Request& request, const core::Asker& who) {
    core::projects::ProjectQuery out;
    out.directory = request.directory;
    out.file = request.file;
    out.environment = request.base_environment;
    out.who = who;
    return out;
}

/// All that is wrong with its files, as FILE:LINE:COLUMN, one a line.
Error wrong_files(const core::projects::LoadedProject& project) {
    std::string text;
    for (const auto& each : project.loaded.problems) text += (text.empty() ? "" : "\n") + project.loaded.text(each);
    return {ErrorCode::invalid, std::move(text)};
}

/// How those are that the call is about.
Task<Response> described(Backend backend, Response out) {
    ops::ListRequest all;
    auto views = co_await backend.supervisor.list(std::move(all));
    // Without names it would be about all.
    if (!out.chosen.empty()) {
        auto progress = backend.supervisor.plans().progress(out.file, out.chosen);
        out.failed = std::move(progress.failed);
        out.pending = std::move(progress.pending);
    }
    for (auto& each : backend.supervisor.plans().warnings(out.file)) out.notes.push_back(std::move(each));
    if (!views) co_return out;
    for (auto& view : *views) {
        const bool is_one = view.project && view.project->file == out.file &&
                            std::find(out.chosen.begin(), out.chosen.end(), view.project->process) != out.chosen.end();
        if (is_one) out.processes.push_back(std::move(view));
    }
    co_return out;
}

/// What was stopped on request has not failed. `all`: none of them has.
void tell_stopped(Response& answer, bool all) {
    if (all) return answer.failed.clear();
    using domain::ProcessState;
    for (const auto& view : answer.processes) {
        const bool has_ended_well = view.state == ProcessState::exited && view.exit_code == 0;
        const bool is_down = view.state == ProcessState::stopped || has_ended_well;
        if (is_down && std::erase(answer.failed, view.project->process) > 0)
            answer.stopped.push_back(view.project->process);
    }
}

std::string step_text(const ops::ProjectStep& step) {
    std::string out = step.process + " " + step.done;
    if (!step.after.empty()) out += fmt::format(" after {}", fmt::join(step.after, ", "));
    if (!step.keys.empty()) out += fmt::format(" ({} changed)", fmt::join(step.keys, ", "));
    return out;
}

std::string text_of(const Response& answer, ProjectAction action, WallTime now) {
    const auto& stopped = answer.stopped;
    const std::size_t others = answer.failed.size() + answer.pending.size() + stopped.size();
    const std::size_t ready = answer.chosen.size() - std::min(answer.chosen.size(), others);
    std::string out = answer.name + ": ";
    if (answer.chosen.empty())
        out += "nothing of it was brought up";
    else if (action == ProjectAction::down)
        out += fmt::format("{} stopped", answer.chosen.size());
    else
        out += fmt::format("{} of {} ready", ready, answer.chosen.size());
    if (action != ProjectAction::down && !stopped.empty()) out += fmt::format("; down: {}", fmt::join(stopped, ", "));
    if (!answer.failed.empty()) out += fmt::format("; failed: {}", fmt::join(answer.failed, ", "));
    if (!answer.pending.empty()) out += fmt::format("; still_waiting: {}", fmt::join(answer.pending, ", "));
    std::string changes;
    for (const auto& step : answer.steps)
        if (step.done != "kept") changes += (changes.empty() ? "\n" : ", ") + step_text(step);
    out += changes;
    for (const auto& view : answer.processes) out += "\n" + line_of(view, now);
    for (const auto& note : answer.notes) out += "\n" + note;
    return out;
}

mcp::ToolResult answered(Backend backend, const Response& answer, ProjectAction action,
                         const mcp::CallContext& context) {
    std::string text = text_of(answer, action, backend.clock.wall());
    if (is_person(context)) return structured(answer, std::move(text));
    mcp::ToolResult out;
    out.text = std::move(text);
    return out;
}

/// Which project is meant, although its file may be gone or wrong by now: what was applied counts.
Task<Result<std::string>> applied_project(Backend backend, Request request, LoadedPtr loaded) {
    const core::Plans& plans = backend.supervisor.plans();
    // Another file may have come in the place of the one that was applied.
    if (loaded && plans.members(loaded->file).empty())
        for (const auto& file : loaded->replaces)
            if (!plans.members(file).empty()) co_return file;
    if (loaded) co_return loaded->file;
    std::string best;
    for (const auto& file : plans.files()) {
        const std::string root = file.substr(0, file.rfind('/') + 1);
        const bool is_it = request.file ? file == *request.file : (request.directory + "/").starts_with(root);
        if (is_it && root.size() > best.substr(0, best.rfind('/') + 1).size()) best = file;
    }
    if (!best.empty()) co_return best;
    co_return Error{ErrorCode::not_found,
                    fmt::format("no project of {} has been brought up", base::escape_line(request.directory))};
}

Task<mcp::ToolResult> up(Backend backend, Request request, mcp::CallContext context) {
    constexpr bool is_scarce = true;  // one of all agents' is read at a time
    const core::Asker who = co_await asker_of(backend, context.principal, is_scarce);
    auto query = query_of(request, who);
    query.brings_up = true;
    const bool looks = request.dry_run;
    // A person who types it has decided; a program that an agent has started decides nothing.
    Result<void> person = boost::system::in_place_value;
    if (is_person(context)) person = co_await check_person(backend, context.principal);
    const bool is_decided = is_person(context) && person;
    core::projects::UpChoice choice;
    choice.names = request.names;
    choice.with_dependencies = !request.no_dependencies;
    choice.anew = request.anew;
    // By value: whoever gives up does not end what is being read.
    const auto check = [backend, choice, is_decided,
                        person](const core::projects::LoadedProject& project) -> Result<void> {
        const auto allowed = is_decided ? Result<void>() : backend.supervisor.projects().check_allowed(project);
        if (!allowed) return person ? allowed.error() : person.error();
        const auto chosen = core::projects::up_order_of(project, choice);
        return chosen ? Result<void>() : chosen.error();
    };
    // What is refused has no port booked.
    core::projects::ProjectCheck booking_check = check;
    auto read = looks ? backend.supervisor.look_at_project(std::move(query))
                      : backend.supervisor.load_project(std::move(query), std::move(booking_check));
    const auto loaded = co_await std::move(read);
    if (!loaded) co_return mcp::tool_failure(loaded.error());
    const LoadedPtr project = *loaded;
    if (!project->is_good()) co_return mcp::tool_failure(wrong_files(*project));
    if (auto fine = check(*project); !fine) co_return mcp::tool_failure(fine.error());
    std::string actor = actor_of(context);
    if (is_decided && !looks) {
        auto consent = co_await backend.supervisor.projects().allow(project, actor);
        if (!consent) co_return mcp::tool_failure(consent.error());
    }
    auto chosen = core::projects::up_order_of(*project, choice);
    if (!chosen) co_return mcp::tool_failure(chosen.error());
    core::UpOrder& order = chosen->order;
    order.set = request.environment;
    order.base_environment = request.base_environment;
    if (request.umask) order.umask = static_cast<mode_t>(*request.umask);
    order.limits = request.limits;
    order.without_dependencies = request.no_dependencies;
    order.keeps_values = !is_decided;
    Response out;
    out.file = project->file;
    out.name = project->project().name;
    out.chosen.assign(order.chosen.begin(), order.chosen.end());
    for (const auto& note : project->loaded.notes) out.notes.push_back(project->loaded.text(note));
    if (!chosen->note.empty()) out.notes.push_back(chosen->note);
    std::size_t counted = 1;
    if (!looks && !is_person(context)) {
        core::UpOrder planned = order;
        const auto would_be = co_await backend.supervisor.look_up(std::move(planned));
        if (!would_be) co_return mcp::tool_failure(would_be.error());
        // It is recorded and audited also where nothing begins.
        const auto begun = std::count_if(would_be->begin(), would_be->end(), is_start);
        counted = std::max<std::size_t>(1, static_cast<std::size_t>(begun));
        auto allowed = backend.agent_starts.take(context.principal, static_cast<pid_t>(who.process), counted);
        if (!allowed) co_return mcp::tool_failure(allowed.error());
    }
    auto asked = looks ? backend.supervisor.look_up(std::move(order)) : backend.supervisor.up(std::move(order), actor);
    auto steps = co_await std::move(asked);
    if (!steps) {
        // Whoever asks for what is refused still pays for one.
        backend.agent_starts.give_back(context.principal, counted - 1);
        co_return mcp::tool_failure(steps.error());
    }
    for (auto& step : *steps)
        out.steps.push_back(
            {step.process, std::string(word_of(step.what)), std::move(step.keys), std::move(step.after)});
    if (looks) {
        std::string text = out.name + ":";
        for (const auto& step : out.steps) text += "\n" + step_text(step);
        for (const auto& note : out.notes) text += "\n" + note;
        if (is_person(context)) co_return structured(out, std::move(text));
        mcp::ToolResult told;
        told.text = std::move(text);
        co_return told;
    }
    const MonoTime until = patience_of(backend, request, usual_patience_seconds);
    if (!chosen->named.empty()) co_await backend.supervisor.plans().settled(out.file, chosen->named, until);
    auto described_out = described(backend, std::move(out));
    const Response answer = co_await std::move(described_out);
    co_return answered(backend, answer, request.action, context);
}

/// The names without groups, each once, and those of scripts as they are here: known as long as the file can be read.
std::vector<std::string> without_groups(const std::vector<std::string>& names, const LoadedPtr& loaded) {
    std::vector<std::string> out;
    std::set<std::string> seen;
    const auto take = [&](const std::string& name) {
        if (seen.insert(name).second) out.push_back(name);
    };
    for (const auto& name : names) {
        if (!loaded || !loaded->is_good()) {
            take(name);
            continue;
        }
        const auto& groups = loaded->project().groups;
        const auto group = groups.find(name);
        const project::Process* const process = loaded->project().find_typed(name);
        if (group != groups.end())
            std::for_each(group->second.begin(), group->second.end(), take);
        else
            take(process != nullptr ? process->name : name);
    }
    return out;
}

bool has_changed(const core::Plans& plans, const std::string& file, const std::vector<std::string>& names,
                 const LoadedPtr& loaded) {
    if (!loaded) return false;
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        const auto digests = loaded->digests.find(name);
        return digests == loaded->digests.end() || !plans.is_as_applied(file, name, digests->second);
    });
}

Task<mcp::ToolResult> of_applied(Backend backend, Request request, mcp::CallContext context) {
    constexpr bool is_scarce = true;  // one of all agents' is read at a time
    const core::Asker who = co_await asker_of(backend, context.principal, is_scarce);
    auto query = query_of(request, who);
    auto looked = co_await backend.supervisor.look_at_project(std::move(query));
    const LoadedPtr loaded = looked ? *looked : LoadedPtr();
    Request asked = request;
    auto file = co_await applied_project(backend, std::move(asked), loaded);
    if (!file) co_return mcp::tool_failure(looked ? file.error() : looked.error());
    core::Plans& plans = backend.supervisor.plans();
    const bool is_wrong = loaded && !loaded->is_good();
    // What was applied counts; where nothing was, that is why.
    if (is_wrong && plans.members(*file).empty()) co_return mcp::tool_failure(wrong_files(*loaded));
    std::vector<std::string> names = without_groups(request.names, loaded);
    std::string actor = actor_of(context);
    Response out;
    out.file = *file;
    if (request.action == ProjectAction::down) {
        auto stopped =
            co_await backend.supervisor.down(*file, std::move(names), request.no_dependencies, request.force, actor);
        if (!stopped) co_return mcp::tool_failure(stopped.error());
        out.chosen = std::move(*stopped);
    } else if (names.empty()) {
        for (auto& [name, id] : plans.members(*file)) out.chosen.push_back(name);
    } else {
        out.chosen = std::move(names);
    }
    const auto members = plans.members(*file);
    for (const auto& name : out.chosen)
        if (!members.contains(name))
            co_return mcp::tool_failure(
                Error{ErrorCode::not_found, fmt::format("{} was not brought up", base::quote(base::shortened(name)))});
    out.name = plans.name(*file);
    const MonoTime until =
        patience_of(backend, request, request.action == ProjectAction::restart ? usual_patience_seconds : 0);
    if (request.action == ProjectAction::restart) {
        auto allowed = backend.agent_starts.take(context.principal, static_cast<pid_t>(who.process), out.chosen.size());
        if (!allowed) co_return mcp::tool_failure(allowed.error());
        const auto done = std::make_shared<core::RestartedInOrder>();
        auto restarted = co_await backend.supervisor.restart_in_order(*file, out.chosen, actor, until, done);
        // Whoever asks for what is refused still pays for one.
        const std::size_t begun = std::max<std::size_t>(1, done->restarted.size());
        if (begun < out.chosen.size()) backend.agent_starts.give_back(context.principal, out.chosen.size() - begun);
        if (!restarted) co_return mcp::tool_failure(restarted.error());
        if (!done->left.empty())
            out.notes.push_back(fmt::format("not restarted, since what they need was not ready in time: {}",
                                            fmt::join(done->left, ", ")));
        co_await plans.settled(*file, out.chosen, until);
    } else if (request.action == ProjectAction::show) {
        co_await plans.settled(*file, out.chosen, until);
        // Whether it has changed cannot be told of what is wrong, also for who asks: variables that they do not have.
        if (is_wrong)
            out.notes.push_back(loaded->loaded.error().message);
        else if (has_changed(plans, *file, out.chosen, loaded))
            out.notes.push_back("the project's file has changed since up, which applies it");
    }
    auto described_out = described(backend, std::move(out));
    Response answer = co_await std::move(described_out);
    tell_stopped(answer, request.action == ProjectAction::down);
    if (answer.name.empty() && loaded && !is_wrong) answer.name = loaded->project().name;
    co_return answered(backend, answer, request.action, context);
}

Task<mcp::ToolResult> run(Backend backend, Request request, mcp::CallContext context) {
    if (!request.directory.starts_with('/'))
        co_return mcp::tool_failure(Error{ErrorCode::invalid, fmt::format("directory: {} is not an absolute path",
                                                                          base::excerpt(request.directory))});
    if (request.action == ProjectAction::up) co_return co_await up(backend, std::move(request), std::move(context));
    if (request.dry_run)
        co_return mcp::tool_failure(
            Error{ErrorCode::invalid, "dry_run: it says what up would do, and goes with up alone"});
    co_return co_await of_applied(backend, std::move(request), std::move(context));
}

}  // namespace

Tool run_project(Backend backend) {
    auto definition = define<Request>();
    auto handler = typed_handler<Request>([backend](Request request, mcp::CallContext context) {
        return run(backend, std::move(request), std::move(context));
    });
    return {std::move(definition), std::move(handler)};
}

}  // namespace persistproc::tools
