/// persistproc-shim [--take-over] <run directory> [PID:START…]: the keeper of one run, started by the daemon with the
/// start channel as descriptor 3; with --take-over, of a run whose keeper was killed. The others are processes, with
/// their time of start in clock ticks, that the daemon knows to be the run's. No heap, no threads, no exceptions; see
/// keeper.hpp.
/// persistproc-shim --idle <blanks>: the same, of the run whose directory is the first packet on the start channel. It
/// stands in the place of the blanks from then on; without one it leaves.
/// persistproc-shim --command …: the keeper of a command that no run is made of: see command_keeper.hpp.
/// persistproc-shim --version: which one this is, as the other programs say it.
#include <limits.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string_view>

#include "common/base/kill_point.hpp"
#include "common/base/version.hpp"
#include "daemon/shim/command_keeper.hpp"
#include "daemon/shim/keeper.hpp"
#include "daemon/shim/short_text.hpp"

namespace {

namespace base = persistproc::base;

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

/// The directory of the run that an idle keeper is for; empty: there will be none.
const char* wait_for_run() noexcept {
    static char directory[PATH_MAX];
    base::kill_point("shim.idle");
    const ssize_t got = persistproc::shim::os::read(persistproc::rundir::start_channel_fd, directory, sizeof directory);
    // What does not fit is no path.
    directory[got > 0 && got < static_cast<ssize_t>(sizeof directory) ? got : 0] = '\0';
    base::kill_point("shim.given");
    return directory;
}

/// Shows `directory` as the only argument: in /proc/PID/cmdline, which is this memory.
void show_run(char** argv, const char* directory) noexcept {
    const char* const end = argv[2] + std::strlen(argv[2]);
    const auto room = static_cast<std::size_t>(end - argv[1]);
    const std::size_t size = std::strlen(directory);
    std::memset(argv[1], 0, room);
    std::memcpy(argv[1], directory, size < room ? size : room);
}

/// base::version_text, without a heap.
int tell_version() noexcept {
    persistproc::shim::ShortText<128> line("persistproc-shim " PERSISTPROC_VERSION);
    if (const auto commit = base::commit(); !commit.empty()) line.add(" (").add(commit).add(")");
    line.add("\n");
    return ::write(1, line.c_str(), line.size()) < 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 2 && std::string_view(argv[1]) == "--command") return persistproc::shim::keep_command(argc, argv);
    if (argc == 2 && std::string_view(argv[1]) == "--version") return tell_version();
    static persistproc::shim::Keeper keeper;
    if (argc == 3 && std::string_view(argv[1]) == "--idle") {
        if (const int status = keeper.settle()) return status;
        const char* const directory = wait_for_run();
        if (*directory == '\0') return 0;
        show_run(argv, directory);
        if (const int status = keeper.prepare(directory, false)) return status;
        return keeper.run();
    }
    const bool takes_over = argc >= 3 && std::string_view(argv[1]) == "--take-over";
    if (argc != 2 && !takes_over) {
        constexpr std::string_view usage =
            "persistproc-shim: started by persistprocd alone: persistproc-shim [--take-over] RUN_DIRECTORY "
            "[PID:START...]\n";
        return ::write(2, usage.data(), usage.size()) < 0 ? 1 : 2;
    }
    for (int i = 3; i < argc; ++i) keeper.know(read_process(argv[i]));
    if (const int status = keeper.settle()) return status;
    if (const int status = keeper.prepare(argv[takes_over ? 2 : 1], takes_over)) return status;
    return keeper.run();
}
