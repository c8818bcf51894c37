#include "cli/program.hpp"

#include <signal.h>

#include "cli/console.hpp"
#include "cli/options.hpp"
#include "cli/subcommand.hpp"

namespace persistproc::cli {

int run_program(const std::vector<std::string>& arguments) {
    // A reader that has gone is an error of write(2), handled where it is written: `stop all | head -1` stops all.
    ::signal(SIGPIPE, SIG_IGN);
    auto invocation = parse_invocation(arguments);
    if (!invocation) {
        CommonOptions common;
        common.format = guess_format(arguments);
        return Console(common).fail(invocation.error());
    }
    const Console console(invocation->common);
    if (!invocation->help.empty()) {
        console.print(invocation->help);
        return console.final_status(0);
    }
    return console.final_status(invocation->subcommand->run(invocation->common, console, invocation->arguments.get()));
}

}  // namespace persistproc::cli
