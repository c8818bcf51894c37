// Programs on a terminal, under the keeper as it is built.
#include "daemon/shim/terminal.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/shim/pump.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/daemon/shim/keeper_driver.hpp"

namespace terminal_test {

using namespace persistproc;
using namespace persistproc::rundir;
using logstore::Stream;
using shim::Terminal;
using tests::child;
using tests::is_running;
using tests::KeeperDriver;

namespace fs = std::filesystem;

namespace {

KeeperDriver& on_terminal(KeeperDriver& keeper) {
    keeper.spec.terminal = domain::TerminalSize{};
    return keeper;
}

std::vector<std::string> shell(const std::string& line) { return {"/bin/sh", "-c", line}; }

/// Takes the end of a program that its killed keeper has left to this process, and tells its successor.
void tell_end(KeeperDriver& keeper, pid_t pid) {
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) == 0);
    ControlMessage ended;
    ended.type = MessageType::ended;
    ended.epoch = 1;
    const bool exited = info.si_code == CLD_EXITED;
    ended.end = {exited ? ProgramEnd::How::exited : ProgramEnd::How::killed, info.si_status};
    keeper.send(ended);
}

std::string lines_on_terminal(int count) {
    std::string out;
    for (int i = 1; i <= count; ++i) out += "line " + std::to_string(i) + "\r\n";
    return out;
}

std::size_t open_descriptors() {
    const auto entries = fs::directory_iterator("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(fs::begin(entries), fs::end(entries)));
}

/// Of one that lives, user and system together: proc_pid_stat(5).
long cpu_ticks(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    long user = 0, system = 0;
    std::sscanf(text.c_str() + text.rfind(')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user,
                &system);
    return user + system;
}

}  // namespace

TEST_CASE("a program has its terminal, of the right size, from its first instruction on") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), shell("stty size; stty -a | grep -o ' iutf8'; stty -a | grep -o 'erase = ^?'; "
                                           "for fd in 0 1 2; do test -t $fd && echo $fd; done; "
                                           "echo controlling > /dev/tty; echo error >&2; ls /proc/self/fd | wc -l"));
    keeper.spec.terminal = domain::TerminalSize{100, 30};
    CHECK(keeper.start().exec_confirmed == 1);
    const auto ended = keeper.wait_for_end();
    CHECK(ended.exit_value == 0);
    // Three, the pipe to wc in place of one, and the directory.
    CHECK(keeper.output() == "30 100\r\n iutf8\r\nerase = ^?\r\n0\r\n1\r\n2\r\ncontrolling\r\nerror\r\n4\r\n");
    for (const auto& record : keeper.records())
        if (record.length > 0) CHECK(record.stream == Stream::out);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("all that a program has printed on its terminal precedes the record of its end") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"print", "6000", ",", "exit", "3"}));
    on_terminal(keeper).start();
    const auto ended = keeper.wait_for_end();
    CHECK(ended.exit_value == 3);
    const std::string all = lines_on_terminal(6000);
    CHECK(ended.log_end == all.size());
    CHECK(keeper.output() == all);
    const auto records = keeper.records();
    REQUIRE(!records.empty());
    CHECK(records.back().event == logstore::Event::exited);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("the index of what a terminal prints stays small") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"bulk", "8000000"}));
    on_terminal(keeper).start();
    const auto ended = keeper.wait_for_end();
    CHECK(ended.log_end == 8'100'000);
    CHECK(keeper.records().size() * sizeof(logstore::IndexRecord) < ended.log_end / 20);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("a program that closes its standard descriptors keeps its terminal, and its keeper sleeps") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), shell("exec <&- >&- 2>&-; sleep 0.5; echo late > /dev/tty; sleep 600"));
    on_terminal(keeper).start();
    keeper.wait_for_output("late\r\n");
    CHECK(cpu_ticks(keeper.shim_pid()) < 20);
    keeper.send(MessageType::stop, 1, 0, 0, true);
    keeper.wait_for(MessageType::tree_empty);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("what holds the terminal behind the program's end is still recorded") {
    tests::TemporaryDirectory data;
    const auto there = (data.path() / "there").string(), go = (data.path() / "go").string();
    // The first is of the foreground group, which the kernel hangs up; the other is in a session of its own.
    KeeperDriver keeper(data.path(), shell("sleep 600 & setsid sh -c 'touch " + there + "; until test -e " + go +
                                           "; do sleep 0.01; done; echo after' & until test -e " + there +
                                           "; do sleep 0.01; done; exit 3"));
    on_terminal(keeper).start();
    const auto ended = keeper.wait_for_end();
    CHECK(ended.exit_value == 3);
    CHECK(ended.tree_empty == 0);
    std::ofstream{go};
    CHECK(keeper.wait_for_leave() == 0);
    CHECK(keeper.output() == "after\r\n");
    CHECK(keeper.records().back().event == logstore::Event::output_closed);
}

TEST_CASE("a program on a terminal notices nothing of the death of its keeper") {
    tests::TemporaryDirectory data;
    const auto go = (data.path() / "go").string();
    KeeperDriver keeper(data.path(), shell("trap 'echo HUP' HUP; echo one; until test -e " + go +
                                           "; do sleep 0.01; done; stty size; echo two; exit 5"));
    keeper.spec.terminal = domain::TerminalSize{90, 20};
    const pid_t pid = keeper.start().pid;
    keeper.wait_for_output("one\r\n");
    for (int i = 0; i < 3; ++i) {
        keeper.kill();
        keeper.take_over();
    }
    CHECK(is_running(pid));
    std::ofstream{go};
    tell_end(keeper, pid);
    CHECK(keeper.wait_for_end().exit_value == 5);
    CHECK(keeper.wait_for_leave() == 0);
    CHECK(keeper.output() == "one\r\n20 90\r\ntwo\r\n");
}

TEST_CASE("what was printed on a terminal while nobody kept it is not lost") {
    tests::TemporaryDirectory data;
    const auto go = (data.path() / "go").string();
    KeeperDriver keeper(data.path(), child({"line", "up", ",", "until-file", go, ",", "print", "6000"}));
    const pid_t pid = on_terminal(keeper).start().pid;
    keeper.wait_for_output("up\r\n");
    keeper.kill();
    std::ofstream{go};
    keeper.take_over();
    tell_end(keeper, pid);
    CHECK(keeper.wait_for_end().exit_value == 0);
    CHECK(keeper.wait_for_leave() == 0);
    CHECK(keeper.output() == "up\r\n" + lines_on_terminal(6000));
}

TEST_CASE("a stop hangs up what ignores its signal on a terminal") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), shell("trap '' TERM; echo ready; while :; do sleep 600; done"));
    on_terminal(keeper).start();
    keeper.wait_for_output("ready\r\n");
    keeper.send(MessageType::stop, 1, 0, 600'000);
    const auto state = keeper.wait_for(MessageType::tree_empty).state;
    CHECK(state.killed == 1);
    CHECK(state.exit_value == SIGHUP);
    CHECK(state.stop_requested == 1);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("a stop lets a program on a terminal end in peace, and wakes one that is stopped") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(),
                        shell("trap 'echo bye; exit 3' TERM; trap 'echo HUP' HUP; echo ready; kill -STOP $$; "
                              "while :; do sleep 0.01; done"));
    on_terminal(keeper).start();
    keeper.wait_for_output("ready\r\n");
    keeper.send(MessageType::stop, 1, 0, 600'000);
    const auto state = keeper.wait_for(MessageType::tree_empty).state;
    CHECK(state.killed == 0);
    CHECK(state.exit_value == 3);
    CHECK(keeper.wait_for_leave() == 0);
    CHECK(keeper.output() == "ready\r\nbye\r\n");
}

TEST_CASE("a stop hangs up none that ignores its signal only while it ends") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), shell("trap 'trap \"\" TERM; sleep 0.1; echo bye; exit 3' TERM; echo ready; "
                                           "while :; do sleep 0.01; done"));
    on_terminal(keeper).start();
    keeper.wait_for_output("ready\r\n");
    keeper.send(MessageType::stop, 1, 0, 600'000);
    CHECK(keeper.wait_for(MessageType::tree_empty).state.exit_value == 3);
    CHECK(keeper.wait_for_leave() == 0);
    CHECK_THAT(keeper.output(), Catch::Matchers::EndsWith("bye\r\n"));  // the shell tells of its child's end, too
}

TEST_CASE("a stop that a successor is told of again hangs up nobody") {
    tests::TemporaryDirectory data;
    const auto go = (data.path() / "go").string();
    KeeperDriver keeper(data.path(), shell("trap 'trap \"\" TERM; echo cleaning; until test -e " + go +
                                           "; do sleep 0.01; done; exit 3' TERM; echo ready; "
                                           "while :; do sleep 0.01; done"));
    const pid_t pid = on_terminal(keeper).start().pid;
    keeper.wait_for_output("ready\r\n");
    keeper.send(MessageType::stop, 1, 0, 600'000);
    keeper.wait_for_output("cleaning\r\n");
    keeper.kill();
    keeper.take_over();
    keeper.send(MessageType::stop, 2, 0, 600'000);
    // It obeys one after the other: by the answer to this it has sent its signals.
    keeper.send(MessageType::flush, 3);
    keeper.wait_for(MessageType::done);
    std::ofstream{go};
    tell_end(keeper, pid);
    CHECK(keeper.wait_for(MessageType::tree_empty).state.exit_value == 3);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("an interactive shell on a terminal ends with a stop") {
    if (::access("/bin/bash", X_OK) != 0) return;
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), {"/bin/bash", "--norc", "-i"});
    keeper.spec.environment.emplace_back("PS1=prompt ");
    on_terminal(keeper).start();
    keeper.wait_for_output("prompt ");
    keeper.send(MessageType::stop, 1, 0, 600'000);
    CHECK(keeper.wait_for(MessageType::tree_empty).state.phase == Phase::exited);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("a program that cannot be executed leaves no terminal behind") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), {"/nothing/here"});
    const auto state = on_terminal(keeper).start();
    CHECK(state.phase == Phase::exec_failed);
    CHECK(state.stage == Stage::execve);
    CHECK(state.os_error == ENOENT);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("a start without a terminal to be had fails, and says so") {
    if (::geteuid() != 0) return;  // nobody else can cover /dev/pts
    tests::TemporaryDirectory data;
    const auto covered = data.path() / "covered";
    std::ofstream(covered) << "#!/bin/sh\nexec unshare -m sh -c 'mount -t tmpfs none /dev/pts && exec \"$0\" \"$@\"' "
                           << PERSISTPROC_SHIM << " \"$@\"\n";
    fs::permissions(covered, fs::perms::owner_all);
    KeeperDriver keeper(data.path(), child({"line", "never"}));
    keeper.program = covered.string();
    const auto state = on_terminal(keeper).start();
    CHECK(state.phase == Phase::exec_failed);
    CHECK(state.stage == Stage::pty);
    CHECK(state.os_error != 0);
    CHECK(keeper.wait_for_leave() == 0);
    CHECK(keeper.output().empty());
}

TEST_CASE("an input that is kept open survives its keeper") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), shell("echo up; cat; echo end"));
    keeper.spec.has_input = true;
    const pid_t pid = keeper.start().pid;
    keeper.wait_for_output("up\n");
    for (int i = 0; i < 2; ++i) {
        keeper.kill();
        keeper.take_over();
    }
    CHECK(is_running(pid));
    keeper.send(MessageType::stop, 1, 0, 600'000);
    tell_end(keeper, pid);
    CHECK(keeper.wait_for(MessageType::tree_empty).state.exit_value == SIGTERM);
    CHECK(keeper.wait_for_leave() == 0);
    CHECK(keeper.output() == "up\n");
}

TEST_CASE("an input that is kept open ends with the program, for what that has left") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), shell("exec 3<&0; (cat <&3; echo end) & echo up; exit 3"));
    keeper.spec.has_input = true;
    keeper.start();
    keeper.drop_spare(rundir::DescriptorKind::input);
    CHECK(keeper.wait_for_end().exit_value == 3);
    CHECK(keeper.wait_for_leave() == 0);
    CHECK(keeper.output() == "up\nend\n");
}

TEST_CASE("terminals are made and closed without a trace") {
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 100; ++i) {
        Terminal terminal;
        REQUIRE(terminal.open(80, 24) == 0);
        CHECK(Terminal::is_master(terminal.master));
        CHECK_FALSE(Terminal::is_master(terminal.slave));
        terminal.close();
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("the pump takes what a terminal has as one piece, and its end when nobody has it open") {
    constexpr std::uint64_t ms = shim::os::millisecond;
    tests::TemporaryDirectory directory;
    const base::UniqueFd log_directory(::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    logstore::Writer log;
    REQUIRE(log.open(log_directory.get(), {}) == 0);
    Terminal terminal;
    REQUIRE(terminal.open(80, 24) == 0);
    shim::Pump pump(log);
    pump.begin({.ends = {terminal.master, -1}});
    const auto serve = [&](std::uint64_t now) {
        pollfd entries[shim::Pump::max_sources];
        const std::size_t count = pump.add_entries(entries);
        for (std::size_t i = 0; i < count; ++i) entries[i].revents = POLLIN;
        pump.serve(entries, count, now, false);
    };
    const std::string block = std::string(2998, 'x') + "\n";
    for (int i = 0; i < 3; ++i) REQUIRE(::write(terminal.slave, block.data(), block.size()) == 2999);
    serve(1000 * ms);
    CHECK(log.position() == 9000);
    // A prompt is shown soon.
    REQUIRE(::write(terminal.slave, "> ", 2) == 2);
    serve(2000 * ms);
    CHECK(log.position() == 9000);
    CHECK(pump.deadline() <= 2020 * ms);
    serve(2020 * ms);
    CHECK(log.position() == 9002);
    REQUIRE(::write(terminal.slave, "last", 4) == 4);
    ::close(terminal.slave);
    for (std::uint64_t now = 3000 * ms; !pump.closed(); now += 10 * ms) serve(now);
    CHECK(log.position() == 9006);
    std::ifstream index(directory.path() / "00000001.idx", std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(index), {}};
    CHECK(bytes.size() == sizeof(logstore::SegmentHeader) + 3 * sizeof(logstore::IndexRecord));
    log.close();
}

}  // namespace terminal_test
