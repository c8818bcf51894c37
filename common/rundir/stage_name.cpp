#include "common/rundir/state.hpp"

namespace persistproc::rundir {

const char* stage_name(Stage stage) noexcept {
    switch (stage) {
        case Stage::none: return "none";
        case Stage::spec: return "spec";
        case Stage::pipe: return "pipe";
        case Stage::fork: return "fork";
        case Stage::setsid: return "setsid";
        case Stage::stdio: return "stdio";
        case Stage::limits: return "limits";
        case Stage::chdir: return "chdir";
        case Stage::execve: return "execve";
        case Stage::log: return "log";
        case Stage::pty: return "pty";
    }
    return "unknown";
}

}  // namespace persistproc::rundir
