#include "cli/exec_failure.hpp"

#include <sys/statvfs.h>

#include <fstream>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

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
                     : "/proc/version: not executable, and its first line names no interpreter"));
}

TEST_CASE("what is typed for a file that describes a program") {
    const tests::TemporaryDirectory here;
    const auto said = [&](const std::string& name, const std::string& content) {
        std::ofstream(here.path() / name) << content;
        return explain_exec_failure({name}, here.path().native(), "/nowhere", "persistproc run --label x -- ");
    };
    CHECK(said("Makefile", "all:\n").ends_with("no interpreter; try: persistproc run --label x -- make"));
    CHECK(said("package.json", "{}").ends_with("; try: persistproc run --label x -- npm start"));
    CHECK(said("notes", "text").ends_with("notes: not executable, and its first line names no interpreter"));
    // One that only lacks the bit.
    CHECK(said("tool", "#!/bin/sh\n").ends_with("; try: persistproc run --label x -- ./tool"));
    CHECK(said("app.py", "").ends_with("; try: persistproc run --label x -- python3 app.py"));
    CHECK(explain_exec_failure({"./tool"}, here.path().native(), "").find("; try: chmod +x ") != std::string::npos);
    CHECK(explain_exec_failure({"./Makefile"}, here.path().native(), "").find("chmod") == std::string::npos);
}

}  // namespace persistproc::cli
