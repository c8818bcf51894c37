#include <unistd.h>

#include <filesystem>

#include "cli/client.hpp"
#include "cli/commands/commands.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/process_text.hpp"
#include "common/api/list_processes.hpp"

namespace persistproc::cli::commands {

Task<int> list(Context context, ListOptions options) {
    api::ListRequest request;
    request.process = options.target;
    if (options.working_directory) {
        std::error_code failed;
        request.working_directory = std::filesystem::weakly_canonical(*options.working_directory, failed).native();
        if (failed) request.working_directory = options.working_directory;
    }
    if (options.state) {
        const schema::Json name = *options.state;
        auto state = schema::read<ProcessState>(name, "--state");
        if (!state) co_return context.console.fail(state.error());
        request.state = *state;
    }
    const std::filesystem::path data = context.common.data_directory;
    auto client = co_await DaemonClient::connect(context.executor, data);
    if (!client) co_return context.console.fail(client.error());
    auto views = co_await (*client)->list(std::move(request));
    if (!views) co_return context.console.fail(views.error());
    if (context.console.json()) {
        context.console.print(format::views_json(*views));
        co_return 0;
    }
    const format::TextStyle style{context.console.colour(), context.console.width()};
    context.console.print(format::process_table(*views, base::wall_now(), style));
    co_return 0;
}

}  // namespace persistproc::cli::commands
