/// The keeper that took a run over, by a clock in the hands of the test, which plays a daemon that stands still.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "common/base/unique_fd.hpp"
#include "tests/crash/fault_layer.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/daemon/shim/keeper_driver.hpp"

using namespace persistproc;
using namespace persistproc::tests;
using rundir::MessageType;

namespace {

constexpr std::int64_t second = 1'000'000'000;

/// What keepers that are started from here on share with the test.
class SharedLog {
public:
    explicit SharedLog(const std::filesystem::path& path) {
        const base::UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        void* memory = MAP_FAILED;
        if (file && ::ftruncate(file.get(), sizeof(FaultLog)) == 0)
            memory = ::mmap(nullptr, sizeof(FaultLog), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
        if (memory == MAP_FAILED) throw std::runtime_error("a log of faults");
        log_ = static_cast<FaultLog*>(memory);
        ::setenv("PERSISTPROC_FAULT_LOG", path.c_str(), 1);
    }
    ~SharedLog() {
        ::unsetenv("PERSISTPROC_FAULT_LOG");
        ::munmap(log_, sizeof(FaultLog));
    }
    SharedLog(const SharedLog&) = delete;
    SharedLog& operator=(const SharedLog&) = delete;
    FaultLog* operator->() const { return log_; }

    /// Until the keeper has gone through its loop so many times.
    void wait_for_turns(std::uint32_t turns) const {
        const std::uint32_t end = log_->each[call_ppoll] + turns;
        for (int i = 0; log_->each[call_ppoll] < end; ++i) {
            if (i == 60'000) throw std::runtime_error("it stands still");
            ::usleep(1000);
        }
    }

private:
    FaultLog* log_;
};

}  // namespace

TEST_CASE("a successor is told how the program ended by a daemon that stood still") {
    TemporaryDirectory data;
    const SharedLog log(data.path() / "calls");
    log->tells_no_ends = true;  // else it reads itself how its program ended
    KeeperDriver keeper(data.path(), child({"line", "up", ",", "wait"}));
    keeper.program = PERSISTPROC_SHIM_FAULTY;
    const pid_t pid = keeper.start().pid;
    keeper.wait_for_output("up\n");
    keeper.kill();
    keeper.take_over();
    // It stays as our zombie: until it is reaped the kernel tells nobody.
    ::kill(pid, SIGKILL);
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
    SECTION("which takes long") {
        log.wait_for_turns(3);
        log->ahead_ns = second;
        log.wait_for_turns(1);
        const std::uint32_t waits = log->waits;
        log.wait_for_turns(10);
        CHECK(log->waits > waits);
        log->ahead_ns = 20 * second;
        log.wait_for_turns(10);
        rundir::ControlMessage ended;
        ended.type = MessageType::ended;
        ended.epoch = 1;
        ended.end = {rundir::ProgramEnd::How::killed, SIGKILL};
        keeper.send(ended);
        const rundir::RunState end = keeper.wait_for_end();
        CHECK(end.killed == 1);
        CHECK(end.exit_value == SIGKILL);
    }
    SECTION("but not by one that has read of it, and says nothing") {
        while (keeper.wait_for(MessageType::state).state.ended_wall_ns == 0) {
        }
        log->ahead_ns = 20 * second;
        while (keeper.wait_for(MessageType::state).state.outcome_unknown == 0) {
        }
    }
    CHECK(::waitpid(pid, nullptr, 0) == pid);
    CHECK(keeper.wait_for_leave() == 0);
}
