#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/commands/output.hpp"
#include "cli/commands/project_arguments.hpp"
#include "cli/commands/project_call.hpp"
#include "cli/daemon_start.hpp"
#include "cli/environment.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/process_text.hpp"
#include "cli/settle.hpp"
#include "common/base/text.hpp"
#include "common/ops/error.hpp"

namespace persistproc::cli::commands {

namespace {

constexpr int failed_status = 1;
constexpr int timeout_status = 124;
constexpr double slice_seconds = 10;  // of waiting: what has become of them meanwhile is told after each

using Steady = std::chrono::steady_clock;

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

const std::string& name_of(const ProcessView& view) {
    static const std::string none;
    return view.project ? view.project->process : none;
}

/// What is told of the way there: each process once it is ready, or has failed.
class Telling {
public:
    explicit Telling(const Console& console) : console_(console) {}

    void tell(const ops::RunProjectResponse& answer) {
        for (const auto& view : answer.processes) {
            if (contains(answer.pending, name_of(view)) || !told_.insert(name_of(view)).second) continue;
            if (!contains(answer.failed, name_of(view))) console_.answer(format::process_line(view));
        }
    }

private:
    const Console& console_;
    std::set<std::string> told_;
};

void tell_steps(const Console& console, const ops::RunProjectResponse& answer, bool is_dry) {
    for (const auto& step : answer.steps) {
        if (step.done == "kept" && !is_dry) continue;
        const std::string keys = step.keys.empty() ? "" : fmt::format(": {} changed", fmt::join(step.keys, ", "));
        const std::string line = fmt::format("{} {}{}", step.process, step.done, keys);
        if (is_dry)
            console.print(line + "\n");
        else if (step.done != "begun")
            console.note(line);
    }
}

/// What is not ready yet, each with what it waits for.
std::string pending_text(const ops::RunProjectResponse& answer) {
    std::string out;
    for (const auto& name : answer.pending) {
        const auto view = std::find_if(answer.processes.begin(), answer.processes.end(),
                                       [&name](const ProcessView& each) { return name_of(each) == name; });
        const bool is_told = view != answer.processes.end() && !view->detail.empty();
        out += fmt::format("{}{}{}", out.empty() ? "" : ", ", name,
                           is_told ? fmt::format(" ({})", base::escape_line(view->detail)) : "");
    }
    return out;
}

Task<> tell_failures(Context context, ops::RunProjectResponse answer) {
    for (const auto& view : answer.processes) {
        if (!contains(answer.failed, name_of(view))) continue;
        const bool has_run = view.run.has_value() && !domain::has_cause(view, CauseCode::dependency) &&
                             !domain::has_cause(view, CauseCode::not_begun);
        if (has_run)
            co_await tell_failure(context, view);
        else
            context.console.say(format::process_line(view));
    }
}

}  // namespace

static Task<int> up(Context context, UpArguments options) {
    const Console console = context.console;
    auto request = make_project_request(options.place);
    if (!request) co_return console.fail(request.error());
    request->action = ops::ProjectAction::up;
    request->names = options.names;
    request->dry_run = options.dry_run;
    request->no_dependencies = options.no_dependencies;
    request->anew = options.recreate;
    request->environment = options.environment;
    const auto until = options.timeout_seconds
                           ? std::optional(Steady::now() + std::chrono::duration_cast<Steady::duration>(
                                                               std::chrono::duration<double>(*options.timeout_seconds)))
                           : std::nullopt;
    const auto slice = [&until] {
        if (!until) return slice_seconds;
        const std::chrono::duration<double> left = *until - Steady::now();
        return std::clamp(left.count(), 0.0, slice_seconds);
    };
    auto client = co_await connect_or_start(context.executor, context.common, true);
    if (!client) co_return console.fail(client.error());
    // What is applied is told at once: the first answer waits for nobody.
    request->timeout_seconds = 0;
    ops::RunProjectRequest show;
    show.action = ops::ProjectAction::show;
    show.directory = request->directory;
    ops::RunProjectRequest asked = std::move(*request);
    auto answer = co_await run_project(context, *client, std::move(asked));
    if (!answer) co_return fail_for_project(console, answer.error());
    for (const auto& note : answer->notes) console.note("note: " + note);
    if (!console.json() || options.dry_run) tell_steps(console, *answer, options.dry_run && !console.json());
    if (options.dry_run) {
        if (console.json()) console.print(format::project_run_json(*answer));
        co_return 0;
    }
    const auto steps = answer->steps;
    show.file = answer->file;
    show.names = answer->chosen;
    Telling telling(console);
    if (!console.json()) telling.tell(*answer);
    while (!answer->pending.empty() && answer->failed.empty() && (!until || Steady::now() < *until)) {
        show.timeout_seconds = slice();
        ops::RunProjectRequest shown = show;
        auto again = co_await run_project(context, *client, std::move(shown));
        if (!again) co_return console.fail(again.error());
        answer = std::move(again);
        if (!console.json()) telling.tell(*answer);
    }
    answer->steps = steps;
    if (console.json()) {
        console.print(format::project_run_json(*answer));
    } else {
        if (!answer->failed.empty()) {
            ops::RunProjectResponse told = *answer;
            co_await tell_failures(context, std::move(told));
        }
        if (!answer->pending.empty())
            console.note(fmt::format("{} {}: {}", answer->failed.empty() ? "not ready yet" : "still on the way",
                                     answer->failed.empty() ? "(all go on)" : "(these go on)", pending_text(*answer)));
    }
    if (!answer->failed.empty()) co_return failed_status;
    if (!answer->pending.empty()) co_return timeout_status;
    if (!options.follow) co_return 0;
    OutputArguments output;
    output.follow = true;
    for (const auto& view : answer->processes) output.targets.push_back(view.id);
    co_return co_await merged_output(std::move(context), std::move(output));
}

extern const Subcommand up_subcommand = make_subcommand<up>(UpArguments::typed);

}  // namespace persistproc::cli::commands
