#include <fmt/format.h>

#include "cli/commands/arguments.hpp"
#include "cli/daemon_start.hpp"
#include "cli/environment.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/process_text.hpp"
#include "common/ops/start_process.hpp"

namespace persistproc::cli::commands {

namespace {

/// Whether `word` alone is the id or label of a process here: `start db` means the one that there is.
const ProcessView* find_known(const std::vector<ProcessView>& views, const StartArguments& arguments) {
    if (!arguments.is_bare) return nullptr;
    const std::string& word = arguments.request.definition.command.front();
    for (const auto& view : views)
        if (view.id == word || view.label == word) return &view;
    return nullptr;
}

int show(const Console& console, const ProcessView& view, bool created) {
    if (console.json())
        console.print(format::started_json(view, created));
    else
        console.print(format::process_line(view) + (created ? "\n" : " already\n"));
    return 0;
}

}  // namespace

static Task<int> start(Context context, StartArguments options) {
    auto request = make_start_request(options);
    if (!request) co_return context.console.fail(request.error());
    auto client = co_await connect_or_start(context.executor, context.common, !options.no_autostart);
    if (!client) co_return context.console.fail(client.error());
    if (options.is_bare) {
        auto views = co_await (*client)->list_all();
        if (!views) co_return context.console.fail(views.error());
        if (const ProcessView* known = find_known(*views, options)) {
            // Of one that is being stopped that comes first.
            const bool is_ending = known->state == ProcessState::stopping;
            const bool lives = (domain::is_live(*known) && !is_ending) || known->state == ProcessState::backoff;
            if (lives && !options.fresh) co_return show(context.console, *known, false);
            ops::RestartRequest again;
            again.process = known->id;
            auto restarted = co_await (*client)->restart(std::move(again));
            if (!restarted) co_return context.console.fail(restarted.error());
            co_return show(context.console, *restarted, true);
        }
    }
    auto started = co_await start_process(context.executor, context.common, !options.no_autostart, std::move(*client),
                                          std::move(*request));
    if (!started) co_return context.console.fail(started.error());
    co_return show(context.console, started->response, started->response.created);
}

extern const Subcommand start_subcommand = make_subcommand<start>(ops::StartRequest::typed);

}  // namespace persistproc::cli::commands
