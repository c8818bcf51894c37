#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "cli/commands/arguments.hpp"
#include "cli/daemon_start.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/process_text.hpp"
#include "common/ops/list_processes.hpp"

namespace persistproc::cli::commands {

static Task<int> list(Context context, ListArguments options) {
    ops::ListRequest request = std::move(options.request);
    if (request.working_directory) {
        std::error_code failed;
        const auto canonical = std::filesystem::weakly_canonical(*request.working_directory, failed).native();
        if (!failed) request.working_directory = canonical;
    }
    auto client = co_await connect_to_read(context.executor, context.common);
    if (!client) co_return context.console.fail(client.error());
    if (!*client) {
        context.console.print(context.console.json() ? format::views_json({}) : fmt::format("{}\n", no_processes_yet));
        co_return 0;
    }
    auto views = co_await (*client)->list(std::move(request));
    if (!views) co_return context.console.fail(views.error());
    if (context.console.json()) {
        context.console.print(format::views_json(*views));
        co_return 0;
    }
    const bool wide = options.output == ListOutput::wide;
    const format::TextStyle style{context.console.colour(), context.console.width(), wide};
    context.console.print(format::process_table(*views, base::wall_now(), style));
    co_return 0;
}

extern const Subcommand list_subcommand = make_subcommand<list>(ops::ListRequest::typed);

}  // namespace persistproc::cli::commands
