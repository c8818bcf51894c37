#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/daemon_start.hpp"
#include "cli/environment.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/process_text.hpp"
#include "common/api/start_process.hpp"

namespace persistproc::cli::commands {

namespace {

/// Whether `word` alone is the id or label of a process here: `start db` means the one that there is.
const ProcessView* find_known(const std::vector<ProcessView>& views, const DefinitionOptions& definition) {
    const bool is_bare = definition.command.size() == 1 && !definition.shell && !definition.label &&
                         definition.variables.empty() && definition.environment_files.empty() &&
                         definition.working_directory.empty() && !definition.restart && !definition.stop_signal &&
                         !definition.grace_seconds;
    if (!is_bare) return nullptr;
    for (const auto& view : views)
        if (view.id == definition.command[0] || view.label == definition.command[0]) return &view;
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

Task<int> start(Context context, StartOptions options) {
    auto request = make_start_request(options.definition);
    if (!request) co_return context.console.fail(request.error());
    auto client = co_await connect_or_start(context.executor, context.common, options.definition.autostart);
    if (!client) co_return context.console.fail(client.error());
    if (options.definition.command.size() == 1) {
        auto views = co_await (*client)->list_all();
        if (!views) co_return context.console.fail(views.error());
        if (const ProcessView* known = find_known(*views, options.definition)) {
            const bool lives = domain::is_live(known->state) || known->state == ProcessState::backoff;
            if (lives && !options.definition.fresh) co_return show(context.console, *known, false);
            const StopHow how;
            auto restarted = co_await (*client)->restart(known->id, how);
            if (!restarted) co_return context.console.fail(restarted.error());
            co_return show(context.console, restarted->view, true);
        }
    }
    auto started = co_await start_process(context.executor, context.common, options.definition.autostart,
                                          std::move(*client), std::move(*request));
    if (!started) co_return context.console.fail(started.error());
    co_return show(context.console, started->response, started->response.created);
}

}  // namespace persistproc::cli::commands
