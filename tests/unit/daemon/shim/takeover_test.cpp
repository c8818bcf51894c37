// A keeper is killed; the test plays the daemon that has another one take over.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "daemon/shim/os.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/daemon/shim/keeper_driver.hpp"

namespace takeover_test {

using namespace persistproc;
using namespace persistproc::rundir;
using tests::child;
using tests::is_running;
using tests::KeeperDriver;

/// Whether the kernel tells a keeper how children of others end (Linux 6.15).
bool are_ends_told() {
    const base::UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    return shim::os::tells_ends(self.get());
}

/// As the program's parent. A keeper that knows may have left.
void tell_end(KeeperDriver& keeper, ProgramEnd end) {
    if (are_ends_told()) return;
    ControlMessage ended;
    ended.type = MessageType::ended;
    ended.epoch = 1;
    ended.end = end;
    keeper.send(ended);
}

TEST_CASE("a successor goes on where the other stopped") {
    tests::TemporaryDirectory data;
    const auto go = (data.path() / "go").string();
    KeeperDriver keeper(data.path(), child({"line", "up", ",", "until-file", go, ",", "line", "down", ",", "wait"}));
    const pid_t pid = keeper.start().pid;
    keeper.wait_for_output("up\n");
    keeper.kill();
    CHECK(keeper.take_over().successors == 1);
    std::ofstream{go};
    keeper.wait_for_output("up\ndown\n");
    keeper.send(MessageType::stop, 1, 0, 0, true);
    // It is our child now: that it has ended we tell.
    REQUIRE(::waitpid(pid, nullptr, 0) == pid);
    tell_end(keeper, {ProgramEnd::How::killed, SIGKILL});
    const auto answer = keeper.wait_for(MessageType::tree_empty);
    CHECK(answer.state.phase == Phase::exited);
    CHECK(answer.state.killed == 1);
    CHECK(answer.state.exit_value == SIGKILL);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("without a descriptor of the program its successor knows by pid and time of start whether it lives") {
    tests::TemporaryDirectory data;
    const auto go = (data.path() / "go").string();
    KeeperDriver keeper(data.path(),
                        child({"line", "up", ",", "until-file", go, ",", "line", "down", ",", "exit", "7"}));
    const pid_t pid = keeper.start().pid;
    keeper.wait_for_output("up\n");
    keeper.kill();
    const RunState after = keeper.take_over(DescriptorKind::child);
    CHECK(after.phase == Phase::started);
    CHECK(after.outcome_unknown == 0);
    // It serves a question, and has not given the program up.
    keeper.send(MessageType::signal, 3, SIGCONT);
    const auto done = keeper.wait_for(MessageType::done);
    CHECK(done.error == 0);
    CHECK(is_running(pid));
    CHECK(keeper.state_on_disk().outcome_unknown == 0);
    std::ofstream{go};
    keeper.wait_for_output("up\ndown\n");
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
    tell_end(keeper, {ProgramEnd::How::exited, 7});
    CHECK(keeper.wait_for_end().exit_value == 7);
    CHECK(::waitpid(pid, nullptr, 0) == pid);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("a program that was gone before its successor came is not waited for") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"line", "up", ",", "wait"}));
    const pid_t pid = keeper.start().pid;
    keeper.wait_for_output("up\n");
    keeper.kill();
    ::kill(pid, SIGKILL);
    REQUIRE(::waitpid(pid, nullptr, 0) == pid);
    keeper.take_over(DescriptorKind::child);
    for (RunState state; state.tree_empty == 0;) {
        state = keeper.wait_for(MessageType::state).state;
        if (state.tree_empty != 0) CHECK(state.outcome_unknown == 1);
    }
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("how a program ended that nobody reaps its successor knows") {
    if (!are_ends_told()) return;
    tests::TemporaryDirectory data;
    const auto go = (data.path() / "go").string();
    KeeperDriver keeper(data.path(), child({"line", "up", ",", "until-file", go, ",", "exit", "7"}));
    const pid_t pid = keeper.start().pid;
    keeper.wait_for_output("up\n");
    keeper.kill();
    keeper.take_over();
    std::ofstream{go};
    // Its parent, this test, takes no note of its end, and says nothing of it.
    const RunState end = keeper.wait_for_end();
    CHECK(end.exit_value == 7);
    CHECK(end.outcome_unknown == 0);
    CHECK(::waitpid(pid, nullptr, 0) == pid);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("a successor ends descendants that show no mark and have left the session") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), {"/bin/sh", "-c",
                                      "setsid env -i sleep 600 & echo spawned $!; "
                                      "env -i setsid sh -c 'sleep 600 & echo spawned $!; wait'"});
    if (GENERATE(false, true)) keeper.spec.terminal = domain::TerminalSize{80, 24};
    keeper.start();
    keeper.wait_for_output("spawned ");
    const auto pids = [&] {
        std::vector<pid_t> out;
        const std::string text = keeper.output();
        for (std::size_t at = 0; (at = text.find("spawned ", at)) != text.npos; ++at)
            if (text.find('\n', at) != text.npos) out.push_back(std::atoi(text.c_str() + at + 8));
        return out;
    };
    while (pids().size() < 2) keeper.wait_for_output("\nspawned ");
    const auto spawned = pids();
    const pid_t program = keeper.state_on_disk().pid;
    keeper.kill();
    keeper.take_over();
    for (const pid_t pid : spawned) REQUIRE(is_running(pid));
    keeper.send(MessageType::stop, 1, 0, 100);
    REQUIRE(::waitpid(program, nullptr, 0) == program);
    tell_end(keeper, {ProgramEnd::How::killed, SIGTERM});
    CHECK(keeper.wait_for(MessageType::tree_empty).request == 1);
    for (const pid_t pid : spawned) CHECK_FALSE(is_running(pid));
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("a keeper that can open nothing takes no tree for empty") {
    tests::TemporaryDirectory data;
    const auto go = (data.path() / "go").string();
    KeeperDriver keeper(data.path(), child({"spawn-closed", ",", "until-file", go, ",", "exit", "3"}));
    const pid_t program = keeper.start().pid;
    keeper.wait_for_output("\n");
    const pid_t left = std::atoi(keeper.output().c_str() + std::strlen("spawned "));
    const auto end_program = [&] { std::ofstream{go}; };
    // All of these are in use for as long as a keeper lives.
    const auto limit_descriptors = [&] {
        const rlimit few{10, 4096};
        for (rlim_t fd = 0; fd < few.rlim_cur; ++fd)
            REQUIRE(std::filesystem::exists(fmt::format("/proc/{}/fd/{}", keeper.shim_pid(), fd)));
        REQUIRE(::prlimit(keeper.shim_pid(), RLIMIT_NOFILE, &few, nullptr) == 0);
    };
    SECTION("the one that began it") {
        limit_descriptors();
        end_program();
    }
    SECTION("the one that took over") {
        keeper.kill();
        keeper.take_over();
        keeper.send(MessageType::signal, 3, SIGCONT);
        keeper.wait_for(MessageType::done);
        limit_descriptors();
        end_program();
        REQUIRE(::waitpid(program, nullptr, 0) == program);
        tell_end(keeper, {ProgramEnd::How::exited, 3});
    }
    CHECK(keeper.wait_for_end().tree_empty == 0);
    const rlimit enough{1024, 4096};
    REQUIRE(::prlimit(keeper.shim_pid(), RLIMIT_NOFILE, &enough, nullptr) == 0);
    keeper.send(MessageType::stop, 1, 0, 0, true);
    keeper.wait_for(MessageType::tree_empty);
    CHECK_FALSE(is_running(left));
    CHECK(keeper.wait_for_leave() == 0);
}

}  // namespace takeover_test
