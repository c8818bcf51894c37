#include "cli/helper_command.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include "cli/probes.hpp"
#include "common/base/unique_fd.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace helper_command_test {

using namespace persistproc;
using namespace persistproc::cli;
using namespace std::chrono_literals;

namespace {

HelperCommand shell(std::string script) { return {.program = "/bin/sh", .words = {"-c", std::move(script)}}; }

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

}  // namespace

TEST_CASE("a program that says no version is told with how it ended") {
    const tests::TemporaryDirectory directory;
    const auto program = directory.path() / "persistprocd";
    std::ofstream(program) << "#!/bin/sh\nexit 254\n";
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    const auto version = ask_version(program);
    REQUIRE(!version);
    CHECK(version.error().code == ErrorCode::exec_failed);
    CHECK(version.error().message == program.native() + " cannot be run: --version ended with status 254");
    // Nor does it say anything of settings.
    CHECK(check_daemon_settings(program).error().code == ErrorCode::exec_failed);
}

TEST_CASE("what a helper command writes to its stream is its answer") {
    HelperCommand command = shell("echo out; echo errors >&2; exit 3");
    auto answer = run_helper(command);
    REQUIRE(answer);
    CHECK(answer->text == "out\n");
    CHECK(answer->status == 3);
    command.stream = HelperCommand::Stream::errors;
    answer = run_helper(command);
    REQUIRE(answer);
    CHECK(answer->text == "errors\n");
    CHECK(run_helper(shell("kill -TERM $$"))->status == 128 + 15);
    CHECK(!has_children());
}

TEST_CASE("a helper command has no descriptor of this process") {
    // Not closed at execve, below and above what is made for the command.
    const base::UniqueFd low(::open("/dev/null", O_RDONLY));
    const base::UniqueFd high(::fcntl(low.get(), F_DUPFD, 100));
    REQUIRE(high);
    for (const int fd : {low.get(), high.get()})
        CHECK(run_helper(shell("test -e /proc/$$/fd/" + std::to_string(fd)))->status == 1);
    CHECK(run_helper(shell("readlink /proc/$$/fd/0 /proc/$$/fd/2"))->text == "/dev/null\n/dev/null\n");
}

TEST_CASE("a helper command that cannot be executed says why and leaves no zombie") {
    const auto answer = run_helper({.program = "/nonexistent/program"});
    REQUIRE(!answer);
    CHECK(answer.error().code == ErrorCode::exec_failed);
    CHECK(answer.error().os_error == ENOENT);
    CHECK(answer.error().message == "/nonexistent/program: No such file or directory");
    CHECK(!has_children());
}

TEST_CASE("a helper command that does not end is killed") {
    // In silence, with its answer given, and writing without end.
    for (const char* script : {"exec sleep 600", "exec >&-; exec sleep 600", "exec yes"}) {
        HelperCommand command = shell(script);
        command.patience = 100ms;
        const auto answer = run_helper(command);
        REQUIRE(!answer);
        CHECK(answer.error().code == ErrorCode::timeout);
        CHECK(!has_children());
    }
}

}  // namespace helper_command_test
