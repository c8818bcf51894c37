/// The keeper dies before every one of its system calls, and every one of them fails.
///
/// Short by default; PERSISTPROC_CRASH_LONG=1 leaves nothing out. PERSISTPROC_CRASH_SEED chooses what the short form
/// does.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/crash/fault_layer.hpp"
#include "tests/crash/shim_trial.hpp"
#include "tests/support/catch.hpp"

using namespace persistproc;
using namespace persistproc::tests;

namespace {

bool is_long() {
    const char* asked = std::getenv("PERSISTPROC_CRASH_LONG");
    return asked != nullptr && *asked == '1';
}

unsigned seed() {
    const char* given = std::getenv("PERSISTPROC_CRASH_SEED");
    return given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 1u;
}

/// All of them in the long form, else `most`, drawn by the seed.
template <class T>
std::vector<T> some_of(std::vector<T> all, std::size_t most) {
    if (is_long() || all.size() <= most) return all;
    std::mt19937 random(seed());
    std::shuffle(all.begin(), all.end(), random);
    all.resize(most);
    return all;
}

/// How each call fails in the world.
const std::map<Call, std::vector<int>>& plausible() {
    static const std::map<Call, std::vector<int>> table = {
        {call_open, {EMFILE, EACCES}},
        {call_openat, {EMFILE, ENOSPC}},
        {call_read, {EINTR}},  // of pipes, mostly
        {call_pread, {EINTR, EIO}},
        {call_pwrite, {EINTR, ENOSPC, EIO, EDQUOT}},
        {call_ftruncate, {EIO}},
        {call_fstat, {EIO}},
        {call_fdatasync, {EIO, ENOSPC}},
        {call_fsync, {EIO}},
        {call_sync_file_range, {EIO}},
        {call_mkdirat, {ENOSPC}},
        {call_unlinkat, {EIO}},
        {call_pipe2, {EMFILE, ENFILE}},
        {call_fork, {EAGAIN, ENOMEM}},
        {call_socket, {EMFILE}},
        {call_bind, {ENOSPC}},
        {call_listen, {EADDRINUSE}},
        {call_accept4, {EMFILE}},
        {call_send, {EAGAIN, EPIPE}},
        {call_sendmsg, {EAGAIN, EPIPE}},
        {call_recv, {EINTR}},
        {call_recvmsg, {EINTR}},
        {call_waitid, {EINTR}},
        {call_flock, {ENOLCK}},
        {call_mmap, {ENOMEM}},
        {call_ppoll, {EINTR, ENOMEM}},
        {call_signalfd, {EMFILE}},
        {call_prctl, {EINVAL}},
        {call_chdir, {EACCES}},
        {call_getsockopt, {ENOBUFS}},
        {call_syscall, {ENOSYS}},
    };
    return table;
}

/// Whether the state itself cannot be written then.
bool ends_state(Call call, int error) { return (call == call_pwrite && error == EIO) || call == call_fdatasync; }

void tell(const std::vector<std::string>& wrong) {
    for (const auto& each : wrong) std::printf("%s\n", each.c_str());
    std::fflush(stdout);
}

}  // namespace

TEST_CASE("without a fault the scenario is what it is meant to be") {
    FastDirectory data;
    const TrialResult result = play(data.path(), "");
    CHECK(result.told.ready);
    CHECK(result.told.started);
    CHECK(result.told.exited);
    CHECK(result.told.tree_empty);
    CHECK(result.status == 0);
    CHECK(result.programs == 0);
    CHECK(result.calls > 100);
    CHECK(std::filesystem::exists(result.log / "00000004.idx"));
    Recorded found;
    CHECK(read_recorded(result.log, found) == std::nullopt);
    CHECK(found.out == program_out());
    CHECK(found.err == program_err());
}

TEST_CASE("a keeper killed before any of its system calls leaves nothing wrong behind") {
    FastDirectory counted;
    const std::uint32_t calls = play(counted.path(), "").calls;
    std::vector<std::string> faults;
    // Runs differ a little in their number of waits and reads.
    for (std::uint32_t k = 1; k <= calls + 8; ++k) faults.push_back("kill@" + std::to_string(k));
    for (std::uint32_t k = 1; k <= calls + 8; ++k) faults.push_back("torn@" + std::to_string(k));
    faults = some_of(std::move(faults), 260);
    std::vector<std::string> wrong;
    for (const auto& fault : faults) {
        FastDirectory data;
        const TrialResult result = play(data.path(), fault);
        if (const auto what = judge_killed(result); !what.empty())
            wrong.push_back(fault + " (" + (result.order.empty() ? "nothing" : call_names[result.order.back()]) +
                            "): " + what);
    }
    tell(wrong);
    CHECK(wrong.empty());
}

TEST_CASE("any system call of a keeper may fail") {
    FastDirectory counted;
    const TrialResult whole = play(counted.path(), "");
    struct Fault {
        std::string text;
        int error;
        bool is_recordable;
    };
    std::vector<Fault> faults;
    for (const auto& [call, errors] : plausible()) {
        for (std::uint32_t n = 1; n <= whole.uses[call]; ++n) {
            const std::string use = std::string(call_names[call]) + "@" + std::to_string(n) + "=";
            for (const int error : errors) {
                faults.push_back({use + std::to_string(error), error, !ends_state(call, error)});
                // What is never over is met at its first uses, not at all of them.
                const bool lasts = error != EINTR && error != EAGAIN && call != call_ppoll;
                // A disk that stays full has no room to say what is missing, until there is: see the tests of the log.
                const bool fills = call == call_pwrite && (error == ENOSPC || error == EDQUOT);
                if (lasts && !fills && n <= 12)
                    faults.push_back({use + std::to_string(error) + "*", error, !ends_state(call, error)});
            }
            if (call == call_pwrite || call == call_pread || call == call_read)
                faults.push_back({use + "short", 0, true});
        }
    }
    faults = some_of(std::move(faults), 260);
    std::vector<std::string> wrong;
    for (const auto& [text, error, is_recordable] : faults) {
        FastDirectory data;
        const TrialResult result = play(data.path(), text);
        if (const auto what = judge_failed(result, error, is_recordable); !what.empty())
            wrong.push_back(text + ": " + what);
    }
    tell(wrong);
    CHECK(wrong.empty());
}
