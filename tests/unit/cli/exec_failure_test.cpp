#include "cli/exec_failure.hpp"

#include <sys/statvfs.h>

#include "tests/support/catch.hpp"

namespace persistproc::cli {

TEST_CASE("chmod is advised for a regular file that it helps") {
    const auto said = [](const char* file) { return explain_exec_failure({file}, "/", ""); };
    CHECK(said("/dev/null") == "/dev/null: not a regular file, and no program");
    struct statvfs facts {};
    REQUIRE(::statvfs("/proc/version", &facts) == 0);
    // As it usually is.
    const bool is_noexec = (facts.f_flag & ST_NOEXEC) != 0;
    CHECK(said("/proc/version") ==
          (is_noexec ? "/proc/version: on a file system that is mounted noexec, where nothing can be executed"
                     : "/proc/version: not executable; try: chmod +x /proc/version"));
}

}  // namespace persistproc::cli
