/// persistproc-shim [--take-over] <run directory> [PID:START…]: the keeper of one run, started by the daemon with the
/// start channel as descriptor 3; with --take-over, of a run whose keeper was killed. The others are processes, with
/// their time of start in clock ticks, that the daemon knows to be the run's. No heap, no threads, no exceptions; see
/// keeper.hpp.
#include <unistd.h>

#include <cstdint>
#include <string_view>

#include "daemon/shim/keeper.hpp"

namespace {

bool read_number(const char*& at, std::uint64_t& out) noexcept {
    const char* const begin = at;
    for (out = 0; *at >= '0' && *at <= '9'; ++at) out = out * 10 + static_cast<std::uint64_t>(*at - '0');
    return at != begin;
}

/// "PID:START". Pid 0: it is something else.
persistproc::PidIdentity read_process(const char* text) noexcept {
    std::uint64_t pid = 0, start = 0;
    const bool is_one = read_number(text, pid) && *text++ == ':' && read_number(text, start) && *text == '\0';
    return is_one ? persistproc::PidIdentity{static_cast<pid_t>(pid), start} : persistproc::PidIdentity{};
}

}  // namespace

int main(int argc, char** argv) {
    const bool takes_over = argc >= 3 && std::string_view(argv[1]) == "--take-over";
    if (argc != 2 && !takes_over) {
        constexpr std::string_view usage =
            "persistproc-shim: started by persistprocd alone: persistproc-shim [--take-over] RUN_DIRECTORY "
            "[PID:START...]\n";
        return ::write(2, usage.data(), usage.size()) < 0 ? 1 : 2;
    }
    static persistproc::shim::Keeper keeper;
    for (int i = 3; i < argc; ++i) keeper.know(read_process(argv[i]));
    if (const int status = keeper.prepare(argv[takes_over ? 2 : 1], takes_over)) return status;
    return keeper.run();
}
