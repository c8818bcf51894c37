/// persistproc-shim [--succeed] <run directory>: the keeper of one run, started by the daemon with the start channel as
/// descriptor 3; with --succeed, of a run whose keeper was killed. No heap, no threads, no exceptions; see keeper.hpp.
#include <unistd.h>

#include <string_view>

#include "daemon/shim/keeper.hpp"

int main(int argc, char** argv) {
    const bool succeeds = argc == 3 && std::string_view(argv[1]) == "--succeed";
    if (argc != 2 && !succeeds) {
        constexpr std::string_view usage =
            "persistproc-shim: started by persistprocd alone: persistproc-shim [--succeed] RUN_DIRECTORY\n";
        return ::write(2, usage.data(), usage.size()) < 0 ? 1 : 2;
    }
    static persistproc::shim::Keeper keeper;
    if (const int status = keeper.prepare(argv[argc - 1], succeeds)) return status;
    return keeper.run();
}
