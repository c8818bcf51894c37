/// persistproc-shim [--take-over] <run directory>: the keeper of one run, started by the daemon with the start channel
/// as descriptor 3; with --take-over, of a run whose keeper was killed. No heap, no threads, no exceptions; see
/// keeper.hpp.
#include <unistd.h>

#include <string_view>

#include "daemon/shim/keeper.hpp"

int main(int argc, char** argv) {
    const bool takes_over = argc == 3 && std::string_view(argv[1]) == "--take-over";
    if (argc != 2 && !takes_over) {
        constexpr std::string_view usage =
            "persistproc-shim: started by persistprocd alone: persistproc-shim [--take-over] RUN_DIRECTORY\n";
        return ::write(2, usage.data(), usage.size()) < 0 ? 1 : 2;
    }
    static persistproc::shim::Keeper keeper;
    if (const int status = keeper.prepare(argv[argc - 1], takes_over)) return status;
    return keeper.run();
}
