#include "cli/subcommand.hpp"

/// Every subcommand, in the order help shows them; each is defined in the file of its command.
#define PERSISTPROC_SUBCOMMANDS(of)                                                                                  \
    of(run) of(start) of(up) of(down) of(stop) of(restart) of(signal) of(list) of(status) of(output) of(wait) of(rm) \
        of(prune) of(rename) of(flush) of(check) of(allow) of(revoke) of(port) of(init) of(audit) of(serve)          \
            of(shutdown) of(setup) of(doctor) of(mcp) of(completion) of(version) of(complete) of(document)

namespace persistproc::cli {

namespace commands {
#define PERSISTPROC_DECLARE(name) extern const Subcommand name##_subcommand;
PERSISTPROC_SUBCOMMANDS(PERSISTPROC_DECLARE)
}  // namespace commands

std::span<const Subcommand* const> all_subcommands() {
#define PERSISTPROC_POINT(name) &commands::name##_subcommand,
    static constexpr const Subcommand* all[] = {PERSISTPROC_SUBCOMMANDS(PERSISTPROC_POINT)};
    return all;
}

}  // namespace persistproc::cli
