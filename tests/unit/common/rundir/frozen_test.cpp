// Files of other versions: those of this major must stay readable, since an old shim meets a new daemon; those of any
// other are known for what they are. They are never made again.
#include <cerrno>
#include <filesystem>

#include "common/base/file.hpp"
#include "common/rundir/paths.hpp"
#include "common/rundir/spec.hpp"
#include "common/rundir/state.hpp"
#include "tests/support/catch.hpp"

namespace frozen_test {

using namespace persistproc;
using namespace persistproc::rundir;

TEST_CASE("spec and state of format 1.0 are unsupported") {
    const auto paths = run_paths(std::filesystem::path(PERSISTPROC_TEST_DATA) / "v1.0", RunId{{1}, 1});
    const auto bytes = base::read_file(paths.spec);
    REQUIRE(bytes.has_value());
    CHECK(decode_spec(*bytes).error().code == ErrorCode::unsupported);
    const auto state = read_state(paths.state);
    CHECK(state.error().code == ErrorCode::unsupported);
    CHECK(state.error().message.find("older version (format 1.0)") != std::string::npos);
}

TEST_CASE("spec and state of format 2.0 are read") {
    const auto paths = run_paths(std::filesystem::path(PERSISTPROC_TEST_DATA) / "v2.0", RunId{{1}, 1});
    const auto bytes = base::read_file(paths.spec);
    REQUIRE(bytes.has_value());
    const auto spec = decode_spec(*bytes);
    REQUIRE(spec.has_value());
    CHECK(spec->id == RunId{{1}, 1});
    REQUIRE(spec->argv.size() == 3);
    CHECK(spec->argv[1] == "-c");
    CHECK(spec->environment == std::vector<std::string>{"PATH=/usr/bin:/bin", "GREETING=grüße"});
    CHECK(spec->working_directory == "/tmp");
    CHECK(spec->umask == 022);
    CHECK(spec->grace_ms == 3000);
    CHECK(spec->definition.grace_seconds == 3);
    CHECK(spec->definition.command == spec->argv);

    const auto state = read_state(paths.state);
    REQUIRE(state.has_value());
    CHECK(state->phase == Phase::exited);
    CHECK(state->exit_value == 7);
    CHECK(state->killed == 0);
    CHECK(state->exec_confirmed == 1);
    CHECK(state->tree_empty == 1);
    CHECK(state->nonce == spec->nonce);
    CHECK(state->log_begin == 0);
    CHECK(state->log_end == 14);
}

TEST_CASE("what a shim of format 2.1 knows of a SIGKILL is read") {
    const auto paths = run_paths(std::filesystem::path(PERSISTPROC_TEST_DATA) / "v2.1", RunId{{1}, 1});
    const auto state = read_state(paths.state);
    REQUIRE(state.has_value());
    CHECK(state->minor == 1);
    CHECK(state->killed == 1);
    CHECK(state->exit_value == 9);
    CHECK(state->oom_kills == 2);
    CHECK(state->oom_kills_known == 1);
    CHECK(state->kill_sent == 0);
    // One of 2.0 has nothing to say of that.
    const auto older =
        read_state(run_paths(std::filesystem::path(PERSISTPROC_TEST_DATA) / "v2.0", RunId{{1}, 1}).state);
    REQUIRE(older.has_value());
    CHECK(older->oom_kills_known == 0);
}

TEST_CASE("what a program has said to a shim of format 2.2 is read") {
    const auto paths = run_paths(std::filesystem::path(PERSISTPROC_TEST_DATA) / "v2.2", RunId{{1}, 1});
    const auto state = read_state(paths.state);
    REQUIRE(state.has_value());
    CHECK(state->minor == 2);
    CHECK(state->says_ready());
    CHECK(std::string(state->status, state->status_size) == "serving 3 clients");
    // One of 2.1 has nothing to say of that.
    const auto older =
        read_state(run_paths(std::filesystem::path(PERSISTPROC_TEST_DATA) / "v2.1", RunId{{1}, 1}).state);
    REQUIRE(older.has_value());
    CHECK(!older->says_ready());
    CHECK(older->status_size == 0);
}

TEST_CASE("the file that a state of format 2.3 was written to is read") {
    const auto paths = run_paths(std::filesystem::path(PERSISTPROC_TEST_DATA) / "v2.3", RunId{{1}, 1});
    const auto state = read_state(paths.state);
    REQUIRE(state.has_value());
    CHECK(state->minor == 3);
    CHECK(state->phase == Phase::exited);
    CHECK(state->exit_value == 7);
    CHECK(state->file_device != 0);
    CHECK(state->file_inode != 0);
    // One of 2.2 does not name it.
    const auto older =
        read_state(run_paths(std::filesystem::path(PERSISTPROC_TEST_DATA) / "v2.2", RunId{{1}, 1}).state);
    REQUIRE(older.has_value());
    CHECK(older->file_inode == 0);
}

TEST_CASE("the terminal of a run of format 2.3 is read, and that there was none to be had") {
    const auto paths = run_paths(std::filesystem::path(PERSISTPROC_TEST_DATA) / "v2.3", RunId{{1}, 1});
    const auto bytes = base::read_file(paths.spec);
    REQUIRE(bytes.has_value());
    const auto spec = decode_spec(*bytes);
    REQUIRE(spec.has_value());
    CHECK(spec->terminal == domain::TerminalSize{100, 30});
    CHECK_FALSE(spec->has_input);
    CHECK(spec->definition.input == domain::Input::tty);
    const auto state =
        read_state(run_paths(std::filesystem::path(PERSISTPROC_TEST_DATA) / "v2.3", RunId{{2}, 1}).state);
    REQUIRE(state.has_value());
    CHECK(state->minor == 3);
    CHECK(state->phase == Phase::exec_failed);
    CHECK(state->stage == Stage::pty);
    CHECK(state->os_error == ENODEV);
}

}  // namespace frozen_test
