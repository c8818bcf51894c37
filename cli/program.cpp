#include "cli/program.hpp"

#include <signal.h>

#include "cli/commands/commands.hpp"
#include "cli/event_loop.hpp"

namespace persistproc::cli {

namespace {

// The dispatch table: one line per subcommand.
Task<int> dispatch(Context context, RunOptions options) {
    return commands::run(std::move(context), std::move(options));
}
Task<int> dispatch(Context context, StartOptions options) {
    return commands::start(std::move(context), std::move(options));
}
Task<int> dispatch(Context context, StopOptions options) {
    return commands::stop(std::move(context), std::move(options));
}
Task<int> dispatch(Context context, RestartOptions options) {
    return commands::restart(std::move(context), std::move(options));
}
Task<int> dispatch(Context context, SignalOptions options) {
    return commands::signal(std::move(context), std::move(options));
}
Task<int> dispatch(Context context, ListOptions options) {
    return commands::list(std::move(context), std::move(options));
}
Task<int> dispatch(Context context, StatusOptions options) {
    return commands::status(std::move(context), std::move(options));
}
Task<int> dispatch(Context context, OutputOptions options) {
    return commands::output(std::move(context), std::move(options));
}
Task<int> dispatch(Context context, WaitOptions options) {
    return commands::wait(std::move(context), std::move(options));
}
Task<int> dispatch(Context context, RemoveOptions options) {
    return commands::remove(std::move(context), std::move(options));
}
Task<int> dispatch(Context context, ShutdownOptions options) { return commands::shutdown(std::move(context), options); }
Task<int> dispatch(Context context, SetupOptions options) {
    return commands::setup(std::move(context), std::move(options));
}
Task<int> dispatch(Context context, DoctorOptions options) { return commands::doctor(std::move(context), options); }
Task<int> dispatch(Context context, VersionOptions options) { return commands::version(std::move(context), options); }
Task<int> dispatch(Context context, McpOptions options) { return commands::serve_mcp(std::move(context), options); }

}  // namespace

int run_program(const std::vector<std::string>& arguments) {
    // A reader that has gone is an error of write(2), handled where it is written: `stop all | head -1` stops all.
    ::signal(SIGPIPE, SIG_IGN);
    auto invocation = parse_invocation(arguments);
    if (!invocation) {
        CommonOptions common;
        common.format = guess_format(arguments);
        return Console(common).fail(invocation.error());
    }
    const CommonOptions& common = invocation->common;
    const Console console(common);
    if (const auto* help = std::get_if<HelpOptions>(&invocation->verb)) {
        console.print(help->text);
        return console.final_status(0);
    }
    if (const auto* serve = std::get_if<ServeOptions>(&invocation->verb))
        return console.final_status(commands::serve(common, console, *serve));
    const int status = run_task([&](boost::asio::any_io_executor executor) {
        return std::visit(
            [&](auto& options) -> Task<int> {
                using Options = std::decay_t<decltype(options)>;
                if constexpr (std::is_same_v<Options, HelpOptions> || std::is_same_v<Options, ServeOptions>)
                    throw std::logic_error("handled above");
                else
                    return dispatch(Context{executor, common, console}, std::move(options));
            },
            invocation->verb);
    });
    return console.final_status(status);
}

}  // namespace persistproc::cli
