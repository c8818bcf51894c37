/// persistproc-shim <run directory>: the keeper of one run, started by the daemon with the start channel as
/// descriptor 3. No heap, no threads, no exceptions; see keeper.hpp.
#include <unistd.h>

#include <string_view>

#include "daemon/shim/keeper.hpp"

int main(int argc, char** argv) {
    if (argc != 2) {
        constexpr std::string_view usage =
            "persistproc-shim: started by persistprocd alone: persistproc-shim RUN_DIRECTORY\n";
        return ::write(2, usage.data(), usage.size()) < 0 ? 1 : 2;
    }
    static persistproc::shim::Keeper keeper;
    if (const int status = keeper.prepare(argv[1])) return status;
    return keeper.run();
}
