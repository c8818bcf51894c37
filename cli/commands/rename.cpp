#include <fmt/format.h>

#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/daemon_start.hpp"
#include "cli/format/json_text.hpp"
#include "cli/targets.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli::commands {

static Task<int> rename(Context context, RenameArguments options) {
    auto client = co_await connect_to_change(context.executor, context.common);
    if (!client) co_return context.console.fail(client.error());
    if (!*client) co_return context.console.fail(no_such_process(options.request.process));
    auto renamed = co_await (*client)->rename(std::move(options.request));
    if (!renamed) co_return context.console.fail(renamed.error());
    if (context.console.json())
        context.console.print(format::view_json(*renamed));
    else
        context.console.answer(fmt::format("{} is {} now", renamed->id, base::escape_line(renamed->label)));
    co_return 0;
}

extern const Subcommand rename_subcommand = make_subcommand<rename>(ops::RenameRequest::typed);

}  // namespace persistproc::cli::commands
