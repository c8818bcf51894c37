#include "common/base/version.hpp"

#include <fmt/format.h>

#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/format/json_text.hpp"
#include "common/ops/client_operations.hpp"

namespace persistproc::cli::commands {

static Task<int> version(Context context, NoArguments) {
    std::optional<std::string> daemon;
    const std::filesystem::path data = context.common.data_directory;
    auto client = co_await DaemonClient::connect(context.executor, data);
    if (client) {
        auto info = co_await (*client)->info();
        if (info) daemon = info->version;
    }
    const std::string own(base::version());
    if (context.console.json())
        context.console.print(format::texts_json({{"client", own}, {"daemon", daemon}}));
    else
        context.console.print(
            fmt::format("persistproc {}\n{}", own, daemon ? fmt::format("daemon {}\n", *daemon) : std::string()));
    co_return 0;
}

extern const Subcommand version_subcommand = make_subcommand<version>({
    .name = "version",
    .words = "",
    .summary = "version of client and daemon",
    .text = "Version of the client and, if it answers, of the daemon.",
});

}  // namespace persistproc::cli::commands
