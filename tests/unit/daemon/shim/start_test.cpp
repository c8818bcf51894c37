#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "common/base/random.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/daemon/shim/keeper_driver.hpp"

namespace start_test {

using namespace persistproc;
using namespace persistproc::rundir;
using tests::child;
using tests::KeeperDriver;

namespace {

/// Starts something that cannot be started, and returns the final state.
RunState failed_start(KeeperDriver& keeper) {
    const RunState state = keeper.start();
    REQUIRE(state.phase == Phase::exec_failed);
    REQUIRE(keeper.wait_for_leave() == 0);
    REQUIRE(keeper.state_on_disk().phase == Phase::exec_failed);
    return state;
}

std::string first_output(const std::filesystem::path& data, std::vector<std::string> words) {
    KeeperDriver keeper(data, child(std::move(words)));
    keeper.start();
    keeper.wait_for_end();
    keeper.wait_for_leave();
    return keeper.output();
}

}  // namespace

TEST_CASE("a program that cannot be started is told by stage and errno") {
    tests::TemporaryDirectory data;
    const auto plain = data.path() / "plain";
    std::ofstream(plain) << "not a program";
    const auto expect = [&](std::vector<std::string> argv, const std::string& cwd, Stage stage, int error) {
        tests::TemporaryDirectory fresh;
        KeeperDriver keeper(fresh.path(), std::move(argv));
        keeper.spec.working_directory = cwd;
        const RunState state = failed_start(keeper);
        CHECK(state.stage == stage);
        CHECK(state.os_error == error);
        CHECK(state.exec_confirmed == 0);
        const auto records = keeper.records();
        REQUIRE_FALSE(records.empty());
        CHECK(records.back().event == logstore::Event::exec_failed);
        CHECK(records.back().value == error);
    };
    expect({"no-such-program"}, "/", Stage::execve, ENOENT);
    expect({"/no/such/program"}, "/", Stage::execve, ENOENT);
    expect({"./no-such-program"}, "/", Stage::execve, ENOENT);
    expect({""}, "/", Stage::execve, ENOENT);
    expect({plain.string()}, "/", Stage::execve, EACCES);
    expect({"/"}, "/", Stage::execve, EACCES);
    expect({"true"}, (data.path() / "missing").string(), Stage::chdir, ENOENT);
    expect({"true"}, plain.string(), Stage::chdir, ENOTDIR);
}

TEST_CASE("a spec that is damaged fails the start, not the shim") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"wait"}));
    keeper.spec.argv.clear();
    keeper.launch();
    const RunState state = keeper.wait_for_end();
    CHECK(state.phase == Phase::exec_failed);
    CHECK(state.stage == Stage::spec);
    CHECK(state.os_error == EBADMSG);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("words are looked for in the spec's PATH, and scripts without #! go to the shell") {
    tests::TemporaryDirectory data;
    const auto bin = data.path() / "bin";
    std::filesystem::create_directories(bin / "closed");
    std::ofstream(bin / "script") << "echo \"$0 $1\"\n";
    ::chmod((bin / "script").c_str(), 0755);
    KeeperDriver keeper(data.path(), {"script", "a b"});
    keeper.spec.environment = {"PATH=/no/where:" + bin.string() + ":/usr/bin:/bin"};
    keeper.start();
    keeper.wait_for_end();
    keeper.wait_for_leave();
    CHECK(keeper.output() == (bin / "script").string() + " a b\n");

    tests::TemporaryDirectory other;
    std::ofstream(bin / "closed" / "script") << "x";  // found first, but may not be executed: 126, not 127
    KeeperDriver closed(other.path(), {"script"});
    closed.spec.environment = {"PATH=" + (bin / "closed").string() + ":/no/where"};
    CHECK(failed_start(closed).os_error == EACCES);
}

TEST_CASE("what names an interpreter never goes to the shell") {
    tests::TemporaryDirectory data;
    const auto write = [&](const char* name, const std::string& text) {
        std::ofstream(data.path() / name) << text;
        ::chmod((data.path() / name).c_str(), 0755);
        return (data.path() / name).string();
    };
    const std::string interpreter = write("windows.exe", std::string("MZ\0\0", 4));
    KeeperDriver keeper(data.path() / "data", {write("script", "#!" + interpreter + "\nexit 0\n")});
    const RunState state = failed_start(keeper);
    CHECK(state.stage == Stage::execve);
    CHECK(state.os_error == ENOEXEC);
}

TEST_CASE("the child gets what the spec says and nothing else") {
    tests::TemporaryDirectory data;
    CHECK(first_output(data.path() / "1", {"fds"}) == "0 1 2\n");
    CHECK(first_output(data.path() / "2", {"status"}) == "sid=own blocked=0 ignored=0 stdin=null\n");
    CHECK(first_output(data.path() / "3", {"args", "a b", "", "--port", "'\"", "ü"}) ==
          "3:a b\n0:\n6:--port\n2:'\"\n2:ü\n");
    KeeperDriver plain(data.path() / "4", child({"env"}));
    plain.start();
    plain.wait_for_end();
    CHECK(plain.output() == "PATH=/usr/bin:/bin\n_PP_RUN_MARK=" + base::to_hex(plain.spec.nonce) + "\n");
    KeeperDriver nested(data.path() / "6", child({"env"}));
    nested.spec.environment = {"A=1", "_PP_RUN_MARK=of the outer run", "B=2"};
    nested.start();
    nested.wait_for_end();
    CHECK(nested.output() == "A=1\n_PP_RUN_MARK=" + base::to_hex(nested.spec.nonce) + "\nB=2\n");
    KeeperDriver keeper(data.path() / "5", child({"cwd", ",", "umask"}));
    keeper.spec.working_directory = "/usr";
    keeper.spec.umask = 027;
    keeper.start();
    keeper.wait_for_end();
    CHECK(keeper.output() == "/usr\n027\n");
}

TEST_CASE("a limit that cannot be given back is as high as it can be") {
    rlimit own{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &own) == 0);
    const auto limit_of = [](std::uint64_t soft, std::uint64_t hard) {
        tests::TemporaryDirectory data;
        KeeperDriver keeper(data.path(), {"sh", "-c", "ulimit -n"});
        keeper.spec.limits = {{RLIMIT_NOFILE, soft, hard}};
        keeper.start();
        keeper.wait_for_leave();
        return keeper.output();
    };
    // More than the kernel lets anybody have.
    constexpr std::uint64_t too_many = 1ull << 40;
    CHECK(limit_of(64, 128) == "64\n");
    CHECK(limit_of(64, too_many) == "64\n");
    CHECK(limit_of(too_many, too_many) == std::to_string(own.rlim_max) + "\n");
}

TEST_CASE("the outcome is what the kernel gave, and its record says how far the log goes") {
    tests::TemporaryDirectory data;
    KeeperDriver exits(data.path(), child({"line", "bye", ",", "exit", "7"}), 1);
    const RunState started = exits.start();
    CHECK(started.phase == Phase::started);
    CHECK(started.exec_confirmed == 1);
    CHECK(started.pid > 0);
    CHECK(started.start_ticks > 0);
    CHECK(started.log_begin == 0);
    const RunState ended = exits.wait_for_end();
    CHECK(ended.killed == 0);
    CHECK(ended.exit_value == 7);
    CHECK(ended.stop_requested == 0);
    CHECK(ended.log_end == 4);
    CHECK(exits.wait_for_leave() == 0);
    CHECK(exits.state_on_disk().tree_empty == 1);
    CHECK_FALSE(std::filesystem::exists(exits.run_directory() / "ctl"));

    KeeperDriver killed(data.path(), child({"text", "half", ",", "kill", "11"}), 2);
    killed.start();
    const RunState second = killed.wait_for_end();
    CHECK(second.killed == 1);
    CHECK(second.exit_value == 11);
    CHECK(second.log_begin == 4);
    CHECK(second.log_end == 8);
    killed.wait_for_leave();

    // The second run ended inside a line; the third must not go on in it.
    KeeperDriver third(data.path(), child({"line", "new"}), 3);
    third.start();
    third.wait_for_end();
    third.wait_for_leave();
    CHECK(third.output() == "bye\nhalf\nnew\n");
    CHECK(third.records().back().event == logstore::Event::exited);
    CHECK(third.records().back().run == 3);
}

TEST_CASE("without COMMIT there never was a child") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"touch", (data.path() / "ran").string()}));
    keeper.launch();
    CHECK(keeper.receive().type == MessageType::ready);
    keeper.hang_up();
    CHECK(keeper.wait_for_leave() == 0);
    CHECK(keeper.state_on_disk().phase == Phase::aborted);
    CHECK_FALSE(std::filesystem::exists(data.path() / "ran"));
    CHECK_FALSE(std::filesystem::exists(keeper.run_directory() / "ctl"));
}

TEST_CASE("a daemon that dies before READY leaves no shim behind") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"touch", (data.path() / "ran").string()}));
    keeper.launch();
    keeper.hang_up();
    CHECK(keeper.wait_for_leave() == 0);
    CHECK(keeper.state_on_disk().phase == Phase::aborted);
}

TEST_CASE("a run is started once, by one shim") {
    tests::TemporaryDirectory data;
    KeeperDriver first(data.path(), child({"exit", "0"}));
    first.start();
    first.wait_for_leave();
    const auto before = first.state_on_disk();
    // The same directory again: `launch` would make a new state, so the shim is executed by hand.
    const std::string command = std::string(PERSISTPROC_SHIM) + " " + first.run_directory().string() + " 2>/dev/null";
    CHECK(std::system(command.c_str()) != 0);
    CHECK(first.state_on_disk().generation == before.generation);
}

}  // namespace start_test
