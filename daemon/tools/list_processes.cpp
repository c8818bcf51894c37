#include "common/ops/list_processes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/async/offload.hpp"
#include "daemon/tools/describe.hpp"
#include "daemon/tools/failing.hpp"
#include "daemon/tools/tools.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools {

namespace {

constexpr std::size_t many = 100;  // views that are worth another thread's time: a millisecond's work

/// How much of it is told.
enum class Detail {
    whole,  // the one that was asked for
    asked,  // by an agent: what lives, and the newest that ended, of those in a state or a directory
    lines,  // all that were asked for
    brief,  // of a whole list: what lives, and what ended lately
    rows,   // all, without words and what a table does not show
};

/// What a table of the client shows is half of it, and reading the rest half of the client's time.
void leave_row(ProcessView& view) {
    view.description.clear();
    view.started_by.clear();
    view.run.reset();
    view.last_output_at.reset();
    view.log_path.reset();
    // A label that was made of it is told apart by it, and a cause may name the program.
    if (view.label_given && view.causes.empty()) view.command.clear();
}

/// Of one that has ended and that nobody asked for.
mcp::Json essence(const mcp::Json& view) {
    mcp::Json out = mcp::Json::object();
    for (const char* name : {"id", "label", "state", "exit_code", "signal"})
        if (const auto member = view.find(name); member != view.end()) out[name] = *member;
    return out;
}

/// The one that was asked for, with why it failed, if it did.
mcp::ToolResult whole(const ProcessView& view, ProcessId id, const std::optional<core::Failure>& failure) {
    ops::ListResponse response;
    response.processes.push_back(view);
    auto result = structured(response, describe(view));
    if (!failure) return result;
    mcp::Json& shown = (*result.structured)["processes"][0];
    const auto facts = facts_of(*failure, id);
    shown["failure"] = without_absent(schema::to_json(facts));
    if (!facts.text.empty()) result.text += "\n  " + facts.text;
    if (!failure->error) return result;
    shown["error"] = without_absent(schema::to_json(printed_error(*failure->error)));
    const auto error = failure->error->text();
    const std::string marks = error.marker.empty() ? "" : ", marks " + error.marker;
    result.text += fmt::format("\n  its last error{}{}:\n{}", place_of(failure->error), marks, error.text);
    result.text.pop_back();
    return result;
}

mcp::ToolResult result_of(std::vector<ProcessView> views, Detail detail, WallTime now) {
    if (detail == Detail::rows) {
        ops::ListTable table;
        for (ProcessView& view : views) leave_row(view);
        table.processes = std::move(views);
        mcp::ToolResult result;
        result.structured = schema::to_json(table);
        return result;
    }
    ops::ListResponse response;
    Listing listing;
    if (detail == Detail::brief)
        listing = choose(std::move(views), now);
    else if (detail == Detail::asked)
        listing = choose_all(std::move(views));
    else
        listing.live = std::move(views);
    const std::string text = list_text(listing, now);
    const std::size_t whole = listing.live.size();
    response.processes = std::move(listing.live);
    std::move(listing.ended.begin(), listing.ended.end(), std::back_inserter(response.processes));
    if (listing.left_out > 0) response.more_ended = static_cast<std::int64_t>(listing.left_out);
    auto result = structured(response, text);
    // They were asked for, and are bounded.
    if (detail == Detail::asked) return result;
    auto& shown = (*result.structured)["processes"];
    for (std::size_t i = whole; i < shown.size(); ++i) shown[i] = essence(shown[i]);
    return result;
}

/// The newest rows of all, as they went onto the wire. Of the io thread.
struct KnownRows {
    std::string on_wire;  // empty: none yet
    std::uint64_t changes_told = 0;
    MonoTime seen_since{};
};

/// Nothing that the rows show has changed but an age, and what is sampled is younger than a second.
bool are_true(const KnownRows& known, const Backend& backend) {
    return !known.on_wire.empty() && known.changes_told == backend.supervisor.changes_told() &&
           backend.clock.now() < known.seen_since + core::many_view_age;
}

Task<mcp::ToolResult> list_rows(Backend backend, std::shared_ptr<KnownRows> known) {
    if (are_true(*known, backend)) {
        mcp::ToolResult again;
        again.on_wire = known->on_wire;
        co_return again;
    }
    const std::uint64_t told = backend.supervisor.changes_told();
    ops::ListRequest all;
    all.columns = true;
    auto views = co_await backend.supervisor.list(std::move(all));
    if (!views) co_return mcp::tool_failure(views.error());
    const auto seen = backend.supervisor.seen_since();
    const WallTime now = backend.clock.wall();
    if (views->size() <= many) co_return result_of(std::move(*views), Detail::rows, now);
    auto build = [some = std::move(*views), now]() mutable {
        return mcp::render(result_of(std::move(some), Detail::rows, now));
    };
    auto made = co_await async::offload(backend.workers.rendering, std::move(build));
    if (seen) {
        known->on_wire = made.on_wire;
        known->changes_told = told;
        known->seen_since = *seen;
    }
    co_return made;
}

/// None could not be started. Whoever asks for what failed may mean those that ended badly.
Task<mcp::ToolResult> others_that_failed(Backend backend, std::optional<std::string> working_directory) {
    ops::ListRequest request;
    request.working_directory = std::move(working_directory);
    const auto views = co_await backend.supervisor.list(std::move(request));
    if (!views) co_return mcp::tool_failure(views.error());
    const auto count = std::count_if(views->begin(), views->end(), [](const ProcessView& each) {
        const bool is_stopped = each.reason && *each.reason == OutcomeReason::stopped;
        return domain::has_ended(each) && !is_stopped && each.exit_code.value_or(1) != 0;
    });
    std::string text = "No process that could not be started.";
    if (count > 0) text += fmt::format(" {} ended badly: ask for exited, killed or gave_up.", count);
    const ops::ListResponse none;
    co_return structured(none, std::move(text));
}

Task<mcp::ToolResult> list(Backend backend, ops::ListRequest request, mcp::CallContext context,
                           std::shared_ptr<KnownRows> known) {
    const bool is_whole_list = !request.process && !request.working_directory && !request.state;
    if (request.columns && is_whole_list) {
        auto rows = list_rows(backend, std::move(known));
        co_return co_await std::move(rows);
    }
    const bool is_agent = context.principal.audience() == mcp::Audience::agent;
    const Detail detail = request.columns             ? Detail::rows
                          : request.process           ? Detail::whole
                          : is_agent && is_whole_list ? Detail::brief
                          : is_agent                  ? Detail::asked
                                                      : Detail::lines;
    const bool is_for_failed = request.state && *request.state == ProcessState::failed && !request.process;
    const auto directory = request.working_directory;
    auto views = co_await backend.supervisor.list(std::move(request));
    if (!views) co_return mcp::tool_failure(views.error());
    if (is_agent && is_for_failed && views->empty()) {
        auto others = others_that_failed(backend, directory);
        co_return co_await std::move(others);
    }
    if (detail == Detail::whole && views->size() == 1) {
        const auto id = domain::find_process_id(views->front().id).value_or(ProcessId{});
        // The client asks for it by `describe_process`, and for this again and again.
        std::optional<core::Failure> failure;
        if (is_agent) failure = co_await backend.failures.explain_newest(id);
        co_return whole(views->front(), id, failure);
    }
    if (views->size() <= many) co_return result_of(std::move(*views), detail, backend.clock.wall());
    auto build = [some = std::move(*views), detail, now = backend.clock.wall()]() mutable {
        return mcp::render(result_of(std::move(some), detail, now));
    };
    co_return co_await async::offload(backend.workers.rendering, std::move(build));
}

mcp::Json output_schema() {
    mcp::Json processes = {{"type", "array"}, {"items", {{"type", "object"}}}};
    mcp::Json out = {{"type", "object"}};
    out["properties"]["processes"] = std::move(processes);
    out["required"] = mcp::Json::array({"processes"});
    return out;
}

}  // namespace

Tool list_processes(Backend backend) {
    auto definition = define<ops::ListRequest>();
    definition.output_schema = output_schema();
    const auto known = std::make_shared<KnownRows>();
    auto handler =
        typed_handler<ops::ListRequest>([backend, known](ops::ListRequest request, mcp::CallContext context) {
            return list(backend, std::move(request), std::move(context), known);
        });
    return {std::move(definition), std::move(handler)};
}

}  // namespace persistproc::tools
