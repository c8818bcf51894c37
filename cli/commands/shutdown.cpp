#include <fmt/format.h>

#include "cli/commands/arguments.hpp"
#include "cli/daemon_end.hpp"
#include "cli/format/json_text.hpp"
#include "common/ops/client_operations.hpp"

namespace persistproc::cli::commands {

static Task<int> shutdown(Context context, ShutdownArguments options) {
    const std::filesystem::path data = context.common.data_directory;
    auto answer = co_await end_daemon(context.executor, data, options.request.keep);
    if (!answer) co_return context.console.fail(answer.error());
    if (context.console.json()) {
        context.console.print(format::shutdown_json(answer->stopped, answer->kept));
        co_return 0;
    }
    const std::size_t count = options.request.keep ? answer->kept.size() : answer->stopped.size();
    const char* became = options.request.keep ? (count == 1 ? "goes on" : "go on")
                         : count == 1         ? "was stopped"
                                              : "were stopped";
    context.console.note(fmt::format("the daemon has ended; {} process{} {}", count, count == 1 ? "" : "es", became));
    co_return 0;
}

extern const Subcommand shutdown_subcommand = make_subcommand<shutdown>(ops::ShutdownRequest::typed);

}  // namespace persistproc::cli::commands
