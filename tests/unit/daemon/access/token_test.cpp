#include "daemon/access/token.hpp"

#include <sys/stat.h>

#include <fstream>

#include "common/base/file.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace token_test {

using namespace persistproc;
using daemon::access::keep_token;
using daemon::access::load_token;

TEST_CASE("a token is kept once, long, and for its owner alone") {
    tests::TemporaryDirectory directory, other;
    CHECK(rundir::read_token(directory.path()).error().code == ErrorCode::not_found);
    const auto made = load_token(directory.path());
    REQUIRE(made);
    CHECK(made->size() == 64);
    CHECK(rundir::read_token(directory.path()).error().code == ErrorCode::not_found);
    REQUIRE(keep_token(directory.path(), *made));
    REQUIRE(keep_token(directory.path(), std::string(64, 'f')));  // there is one already
    CHECK(*load_token(directory.path()) == *made);
    CHECK(*rundir::read_token(directory.path()) == *made);
    CHECK(*load_token(other.path()) != *made);
    struct stat facts {};
    REQUIRE(::stat(rundir::token_path(directory.path()).c_str(), &facts) == 0);
    CHECK((facts.st_mode & 0777u) == 0600);
}

TEST_CASE("a file that is no secret, or no token, is refused with what to do") {
    tests::TemporaryDirectory directory;
    const auto file = rundir::token_path(directory.path());
    const auto refusal = [&] {
        const auto got = load_token(directory.path());
        return got ? "taken" : got.error().message;
    };
    REQUIRE(keep_token(directory.path(), *load_token(directory.path())));
    ::chmod(file.c_str(), 0640);
    CHECK(refusal().find("may be read by others (mode 0640); have another made: rm ") != std::string::npos);
    for (const char* text : {"", "\n", "short", "not hexadecimal at all, though it is long"}) {
        INFO(text);
        REQUIRE(base::atomic_write(file, text));
        CHECK(refusal().find("holds no token; have another made: rm ") != std::string::npos);
    }
    std::filesystem::remove(file);
    const auto elsewhere = directory.path() / "elsewhere";
    std::ofstream(elsewhere) << "0123456789abcdef0123456789abcdef";
    std::filesystem::create_symlink(elsewhere, file);
    CHECK(refusal() != "taken");
}

}  // namespace token_test
