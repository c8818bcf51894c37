#include "common/base/diagnostics.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace diagnostics_test {

using namespace persistproc;

TEST_CASE("a kept log is bounded: the newest and one before it, and no line is said twice") {
    tests::TemporaryDirectory directory;
    const auto file = directory.path() / "program.log";
    const base::UniqueFd stderr_before(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    {
        const auto log = base::open_file(file, O_WRONLY | O_CREAT | O_APPEND);
        REQUIRE(log);
        ::dup2(log->get(), STDERR_FILENO);
    }
    constexpr std::uint64_t bytes = 4096;
    base::keep_log(file, bytes);
    for (int i = 0; i < 1000; ++i) {
        base::report(base::Severity::warning, "number {}", i);
        base::report(base::Severity::warning, "the same");
    }
    ::dup2(stderr_before.get(), STDERR_FILENO);

    const auto newest = base::read_file(file).value();
    const auto before = base::read_file(file.string() + ".1").value();
    CHECK(newest.size() <= bytes + 100);
    CHECK(before.size() <= bytes + 100);
    CHECK((before + newest).ends_with("warning: number 999\n"));
    CHECK(std::count(before.begin(), before.end(), '\n') > 100);
    int files = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(directory.path())) ++files;
    CHECK(files == 2);
}

}  // namespace diagnostics_test
