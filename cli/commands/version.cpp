#include "common/base/version.hpp"

#include <fmt/format.h>

#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/format/json_text.hpp"
#include "common/ops/client_operations.hpp"

namespace persistproc::cli::commands {

static void print(const Console& console, const std::optional<ops::DaemonInfo>& daemon) {
    const std::string own(base::version()), commit(base::commit());
    if (console.json()) {
        const auto known = [](const std::string& text) { return text.empty() ? std::nullopt : std::optional(text); };
        console.print(format::texts_json({{"client", own},
                                          {"client_commit", known(commit)},
                                          {"daemon", daemon ? known(daemon->version) : std::nullopt},
                                          {"daemon_commit", daemon ? known(daemon->commit) : std::nullopt}}));
        return;
    }
    console.print(fmt::format("persistproc {}\n", base::version_text(own, commit)));
    if (daemon) console.print(fmt::format("daemon {}\n", base::version_text(daemon->version, daemon->commit)));
}

static Task<int> version(Context context, NoArguments) {
    std::optional<ops::DaemonInfo> daemon;
    const std::filesystem::path data = context.common.data_directory;
    SilenceTeller teller = silence_teller(context.common);
    auto client =
        co_await DaemonClient::connect(context.executor, data, std::move(teller), DaemonClient::Greeting::late);
    Result<void> silence;
    if (client) {
        auto info = co_await (*client)->info();
        if (info)
            daemon = std::move(*info);
        else
            silence = info.error();
    } else {
        silence = client.error();
    }
    if (!silence && is_silence(silence.error())) context.console.note(silence.error().message);
    print(context.console, daemon);
    co_return 0;
}

extern const Subcommand version_subcommand = without_settings(make_subcommand<version>({
    .name = "version",
    .words = "",
    .summary = "version of client and daemon",
    .text = "Version of the client and, if it answers, of the daemon.",
}));

}  // namespace persistproc::cli::commands
