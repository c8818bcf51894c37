#include "daemon/core/run_changes.hpp"

#include "tests/support/catch.hpp"

namespace run_changes_test {

using namespace persistproc;
using core::changes_between;
using core::changes_text;

namespace {

rundir::RunSpec spec() {
    rundir::RunSpec out;
    out.argv = {"node", "server.js", "--port", "3000"};
    out.working_directory = "/home/me/shop";
    out.environment = {"PATH=/usr/bin", "SECRET=hunter2", "_PP_RUN_MARK=1"};
    return out;
}

std::string text(const rundir::RunSpec& later) { return changes_text(changes_between(spec(), later)); }

}  // namespace

TEST_CASE("runs begun alike do not differ, whatever is each run's own") {
    auto later = spec();
    CHECK(text(later).empty());
    later.environment = {"SECRET=hunter2", "PATH=/usr/bin", "_PP_RUN_MARK=2", "PERSISTPROC_X=1"};
    CHECK(text(later).empty());
}

TEST_CASE("what differs between two runs is told, of variables the names alone") {
    auto later = spec();
    later.argv = {"bun", "server.js", "--name", "a b"};
    later.working_directory = "/home/me/shop2";
    later.environment = {"SECRET=hunter3", "NODE_ENV=swordfish"};
    const std::string said = text(later);
    CHECK(said ==
          "program bun (was node); arguments server.js --name 'a b' (were server.js --port 3000); directory "
          "/home/me/shop2 (was /home/me/shop); variables added: NODE_ENV; variables removed: PATH; variables changed: "
          "SECRET");
    CHECK(said.find("hunter") == std::string::npos);
    CHECK(said.find("swordfish") == std::string::npos);
}

TEST_CASE("many variables are counted, and nothing of them is a line of its own") {
    auto later = spec();
    for (int i = 10; i < 40; ++i) later.environment.push_back("V" + std::to_string(i) + "\n=x");
    const std::string said = text(later);
    CHECK(said.starts_with("variables added: V10\\x0a, V11\\x0a"));
    CHECK(said.ends_with(" and 22 more"));
}

}  // namespace run_changes_test
