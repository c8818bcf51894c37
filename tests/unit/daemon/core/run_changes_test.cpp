#include "daemon/core/run_changes.hpp"

#include "common/base/time.hpp"
#include "tests/support/catch.hpp"

namespace run_changes_test {

using namespace persistproc;
using namespace std::chrono_literals;
using core::changes_between;
using core::changes_text;

namespace {

rundir::RunSpec spec() {
    rundir::RunSpec out;
    out.argv = {"node", "server.js", "--port", "3000"};
    out.working_directory = "/home/me/shop";
    out.environment = {"PATH=/usr/bin", "SECRET=hunter2", "_PP_RUN_MARK=1"};
    out.program_file = rundir::ProgramFile{1, 2, 3, 4, 5};
    return out;
}

constexpr WallTime now{std::chrono::seconds(1'000'000)};

std::string text(const rundir::RunSpec& later) { return changes_text(changes_between(spec(), later, now)); }

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

TEST_CASE("a program whose file was changed since is told, with how long ago") {
    auto later = spec();
    const auto changed = [&](auto change, std::chrono::seconds ago) {
        later.program_file = spec().program_file;
        change(*later.program_file);
        later.program_file->changed_ns = base::to_ns(now - ago);
        return text(later);
    };
    CHECK(changed([](auto&) {}, 1s).empty());  // such as by a link to it
    CHECK(changed([](auto& file) { file.inode = 9; }, 20s) == "program file changed 20 s ago");
    CHECK(changed([](auto& file) { file.modified_ns = 9; }, 10min) == "program file changed 10 min ago");
    CHECK(changed([](auto& file) { file.size = 9; }, 5h) == "program file changed 5 h ago");
    CHECK(changed([](auto& file) { file.device = 9; }, 72h) == "program file changed 3 days ago");
    later.program_file.reset();
    CHECK(text(later).empty());
    // Another program has another file.
    later = spec();
    later.program_file->inode = 9;
    later.argv[0] = "bun";
    CHECK(text(later) == "program bun (was node)");
}

TEST_CASE("a script that was changed since is told by its name") {
    auto earlier = spec(), later = spec();
    earlier.argument_files = later.argument_files = {{1, rundir::ProgramFile{1, 2, 3, 4, 5}}};
    const auto told = [&] { return changes_text(changes_between(earlier, later, now)); };
    CHECK(told().empty());
    later.argument_files[0].file.modified_ns = 9;
    later.argument_files[0].file.changed_ns = base::to_ns(now - 20s);
    CHECK(told() == "server.js changed 20 s ago");
    // At another place in the command, behind env.
    later.argv.insert(later.argv.begin() + 1, "--watch");
    later.argument_files[0].argument = 2;
    CHECK(told().starts_with("server.js changed 20 s ago; arguments --watch server.js"));
    // Another file, or one of that name elsewhere.
    later = earlier;
    later.argument_files[0].file.inode = 9;
    later.argv[1] = "other.js";
    CHECK(told().starts_with("arguments other.js"));
    later.argv[1] = "server.js";
    later.working_directory = "/elsewhere";
    CHECK(told().starts_with("directory "));
    later.argument_files[0].argument = 99;
    CHECK(told().starts_with("directory "));
}

TEST_CASE("many variables are counted, and nothing of them is a line of its own") {
    auto later = spec();
    for (int i = 10; i < 40; ++i) later.environment.push_back("V" + std::to_string(i) + "\n=x");
    const std::string said = text(later);
    CHECK(said.starts_with("variables added: V10\\x0a, V11\\x0a"));
    CHECK(said.ends_with(" and 22 more"));
}

}  // namespace run_changes_test
