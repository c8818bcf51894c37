#include "cli/run_survey.hpp"

#include <fstream>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace run_survey_test {

using namespace persistproc;

TEST_CASE("a data directory without its processes is no empty one where a database is left") {
    const tests::TemporaryDirectory data;
    CHECK(cli::count_processes(data.path())->has_none());
    std::ofstream(data.path() / "persistproc.db") << "known";
    CHECK_FALSE(cli::count_processes(data.path())->has_none());
    std::filesystem::create_directory(data.path() / "procs");
    CHECK(cli::count_processes(data.path())->has_none());
    std::filesystem::create_directory(data.path() / "procs" / "p1");
    CHECK(cli::count_processes(data.path())->processes == 1);
}

}  // namespace run_survey_test
