#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
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
#include "cli/slow_end.hpp"
#include "common/base/text.hpp"
#include "common/ops/error.hpp"

namespace persistproc::cli::commands {

namespace {

constexpr int failed_status = 1;
constexpr int timeout_status = 124;
constexpr double slice_seconds = 10;  // of waiting: what has become of them meanwhile is told after each

using boost::asio::experimental::awaitable_operators::operator||;
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
        const std::string after = step.after.empty() ? "" : fmt::format(" after {}", fmt::join(step.after, ", "));
        const std::string line = fmt::format("{} {}{}{}", step.process, step.done, after, keys);
        if (is_dry)
            console.print(line + "\n");
        else if (step.done != "begun")
            console.note(line);
    }
}

/// What its checks say, else who it waits for.
std::string waits_text(const ProcessView& view) {
    std::string out = base::escape_line(view.detail);
    if (!out.empty()) return out;
    for (const auto& cause : view.causes)
        if (cause.code == CauseCode::waits_for)
            out += (out.empty() ? "waits for " : ", ") + base::escape_line(cause.text.value_or(""));
    return out;
}

/// What is not ready yet, each with what it waits for.
std::string pending_text(const ops::RunProjectResponse& answer) {
    std::string out;
    for (const auto& name : answer.pending) {
        const auto view = std::find_if(answer.processes.begin(), answer.processes.end(),
                                       [&name](const ProcessView& each) { return name_of(each) == name; });
        const std::string why = view != answer.processes.end() ? waits_text(*view) : std::string();
        out += fmt::format("{}{}{}", out.empty() ? "" : ", ", name, why.empty() ? "" : fmt::format(" ({})", why));
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

/// What is asked for until all is ready, or fails.
struct Way {
    ops::RunProjectRequest request, show;
    std::optional<Steady::time_point> until;
    bool is_dry = false, is_applied = false;
    std::string pending;  // as the last answer has it
};

double slice_of(const Way& way) {
    if (!way.until) return slice_seconds;
    const std::chrono::duration<double> left = *way.until - Steady::now();
    return std::clamp(left.count(), 0.0, slice_seconds);
}

/// The last answer, of which all but the outcome has been told.
Task<Result<ops::RunProjectResponse>> go(Context context, std::unique_ptr<DaemonClient>& client, Way& way) {
    const Console console = context.console;
    ops::RunProjectRequest asked = way.request;
    auto answer = co_await run_project(context, client, std::move(asked));
    if (!answer) co_return answer;
    for (const auto& note : answer->notes) console.note("note: " + note);
    if (!console.json() || way.is_dry) tell_steps(console, *answer, way.is_dry && !console.json());
    if (way.is_dry) co_return answer;
    way.is_applied = true;
    const auto steps = answer->steps;
    way.show.file = answer->file;
    way.show.names = answer->chosen;
    Telling telling(console);
    if (!console.json()) telling.tell(*answer);
    way.pending = pending_text(*answer);
    while (!answer->pending.empty() && answer->failed.empty() && (!way.until || Steady::now() < *way.until)) {
        way.show.timeout_seconds = slice_of(way);
        ops::RunProjectRequest shown = way.show;
        auto again = co_await run_project(context, client, std::move(shown));
        if (!again) co_return again;
        answer = std::move(again);
        if (!console.json()) telling.tell(*answer);
        way.pending = pending_text(*answer);
    }
    answer->steps = steps;
    co_return answer;
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
    Way way;
    way.is_dry = options.dry_run;
    if (options.timeout_seconds)
        way.until = Steady::now() + std::chrono::duration_cast<Steady::duration>(
                                        std::chrono::duration<double>(*options.timeout_seconds));
    if (auto there = check_project_there(context, request->directory, request->file); !there)
        co_return fail_for_project(console, there.error());
    auto client = co_await connect_or_start(context.executor, context.common, true);
    if (!client) co_return console.fail(client.error());
    // What is applied is told at once: the first answer waits for nobody.
    request->timeout_seconds = 0;
    way.show.action = ops::ProjectAction::show;
    way.show.directory = request->directory;
    way.request = std::move(*request);
    auto going = go(context, *client, way);
    auto signal = await_ending_signal(context.executor, console);
    auto first = co_await (std::move(going) || std::move(signal));
    if (first.index() != 0) {
        const std::string left = way.pending.empty() ? "" : "; not ready yet: " + way.pending;
        console.note((way.is_dry ? "left" : "left; all of it goes on") + left);
        co_return end_by_signal(std::get<1>(first));
    }
    auto answer = std::move(std::get<0>(first));
    if (!answer) co_return way.is_applied ? console.fail(answer.error()) : fail_for_project(console, answer.error());
    if (console.json()) {
        console.print(format::project_run_json(*answer));
    } else if (!way.is_dry) {
        if (!answer->failed.empty()) {
            ops::RunProjectResponse told = *answer;
            co_await tell_failures(context, std::move(told));
        }
        if (!answer->pending.empty())
            console.note(fmt::format("{} {}: {}", answer->failed.empty() ? "not ready yet" : "still on the way",
                                     answer->failed.empty() ? "(all go on)" : "(these go on)", pending_text(*answer)));
    }
    if (way.is_dry) co_return 0;
    if (!answer->failed.empty()) co_return failed_status;
    if (!answer->pending.empty()) co_return timeout_status;
    if (!options.follow || answer->processes.empty()) co_return 0;
    OutputArguments output;
    output.follow = true;
    for (const auto& view : answer->processes) output.targets.push_back(view.id);
    co_return co_await merged_output(std::move(context), std::move(output));
}

extern const Subcommand up_subcommand = make_subcommand<up>(UpArguments::typed);

}  // namespace persistproc::cli::commands
