#include "common/rundir/daemon_paths.hpp"

#include <cstdlib>
#include <optional>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace daemon_paths_test {

using namespace persistproc;

namespace {

/// Sets (or removes) a variable for one scope.
class ScopedVariable {
public:
    ScopedVariable(const char* name, const char* value) : name_(name) {
        if (const char* old = std::getenv(name)) old_ = old;
        if (value != nullptr)
            ::setenv(name, value, 1);
        else
            ::unsetenv(name);
    }
    ~ScopedVariable() {
        if (old_)
            ::setenv(name_, old_->c_str(), 1);
        else
            ::unsetenv(name_);
    }
    ScopedVariable(const ScopedVariable&) = delete;
    ScopedVariable& operator=(const ScopedVariable&) = delete;

private:
    const char* name_;
    std::optional<std::string> old_;
};

}  // namespace

TEST_CASE("the data directory comes from the flag, then the variables in their order") {
    ScopedVariable own("PERSISTPROC_DATA_DIR", nullptr);
    ScopedVariable state("XDG_STATE_HOME", "/nowhere/state");
    ScopedVariable home("HOME", "/nowhere/home");
    CHECK(rundir::resolve_data_directory("").value() == "/nowhere/state/persistproc");
    CHECK(rundir::resolve_data_directory("/nowhere/x/").value() == "/nowhere/x");
    {
        ScopedVariable relative("XDG_STATE_HOME", "state");
        CHECK(rundir::find_data_directory().value() == "/nowhere/home/.local/state/persistproc");
        ScopedVariable homeless("HOME", nullptr);
        CHECK(rundir::find_data_directory().error().code == ErrorCode::invalid);
    }
    ScopedVariable given("PERSISTPROC_DATA_DIR", "/nowhere/given");
    CHECK(rundir::find_data_directory().value() == "/nowhere/given");
}

TEST_CASE("a data directory that no file system takes is refused, and not repeated whole") {
    const std::string name(300, 'n'), path = "/" + std::string(4096, '/') + "a";
    for (const std::string& given : {name, "/tmp/" + name + "/x", std::string(100'000, 'n'), path}) {
        const auto found = rundir::resolve_data_directory(given);
        REQUIRE(!found);
        CHECK(found.error().message.size() < 300);
        CHECK(found.error().message.starts_with("data directory /"));
    }
    CHECK(rundir::resolve_data_directory("/tmp/" + std::string(255, 'n')));
}

TEST_CASE("one socket per data directory, whatever its spelling") {
    tests::TemporaryDirectory directory;
    const auto data = directory.path() / "data";
    std::filesystem::create_directory(data);
    std::filesystem::create_directory_symlink(data, directory.path() / "alias");
    ScopedVariable runtime("XDG_RUNTIME_DIR", directory.path().c_str());
    const auto socket = rundir::daemon_socket_path(data);
    CHECK(socket.parent_path() == directory.path() / "persistproc");
    CHECK(socket.filename().string().size() == 16 + 5);
    CHECK(rundir::daemon_socket_path(directory.path() / "alias") == socket);
    CHECK(rundir::daemon_socket_path(data / ".") == socket);
    CHECK(rundir::daemon_socket_path(directory.path() / "other") != socket);

    ScopedVariable missing("XDG_RUNTIME_DIR", "/nowhere");
    CHECK(rundir::daemon_socket_path(data) == data / "run/daemon.sock");
}

TEST_CASE("ports are numbers up to 65535") {
    CHECK(rundir::parse_port("8947", "--port").value() == 8947);
    for (const char* bad : {"", "65536", "80a", "-1", "99999999999"}) {
        CAPTURE(bad);
        REQUIRE(rundir::parse_port(bad, "--port").has_error());
        CHECK(rundir::parse_port(bad, "--port").error().message.find("--port") == 0);
    }
    ScopedVariable port("PERSISTPROC_PORT", "x");
    CHECK(rundir::find_port().has_error());
}

TEST_CASE("the original's tools are asked for with 1, and nothing else is taken for it") {
    const auto asked = [](const char* value) {
        ScopedVariable given("PERSISTPROC_COMPAT", value);
        const auto found = rundir::find_compat();
        return found ? std::string(*found ? "yes" : "no") : found.error().message;
    };
    CHECK(asked(nullptr) == "no");
    CHECK(asked("") == "no");
    CHECK(asked("0") == "no");
    CHECK(asked("1") == "yes");
    CHECK(asked("ja") == "PERSISTPROC_COMPAT: 1 or 0, got \"ja\"");
}

}  // namespace daemon_paths_test
