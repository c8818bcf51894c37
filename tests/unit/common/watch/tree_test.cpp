#include "common/watch/tree.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace tree_test {

using namespace persistproc;
namespace fs = std::filesystem;

namespace {

struct Files {
    explicit Files(std::initializer_list<const char*> paths) {
        for (const char* path : paths) write(path);
    }
    void write(const fs::path& path, std::string_view text = "x") {
        fs::create_directories((root.path() / path).parent_path());
        std::ofstream(root.path() / path) << text;
    }
    watch::Filter filter(watch::Wish wish) const {
        wish.root = root.path().native();
        auto made = watch::Filter::make(std::move(wish));
        REQUIRE(made);
        return std::move(*made);
    }
    /// Relative to the root, in order.
    std::vector<std::string> below(std::vector<std::string> paths) const {
        for (auto& each : paths) each = fs::path(each).lexically_relative(root.path()).native();
        std::sort(paths.begin(), paths.end());
        return paths;
    }
    std::vector<std::string> below(const std::map<std::string, watch::FileVersion>& found) const {
        std::vector<std::string> paths;
        for (const auto& [path, version] : found) {
            CHECK(version == watch::find_version(path));
            paths.push_back(path);
        }
        return below(std::move(paths));
    }

    tests::TemporaryDirectory root;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a walk goes where something may match, and reads what git leaves out") {
    Files files{"src/a.js", "src/deep/b.js", "src/deep/c.txt", "src/gen/d.js",   "node_modules/x/e.js",
                "lib/f.js", "src/.git/g.js", "build/src/h.js", "src/deep/i.log", "src/kept/j.js"};
    files.write(".gitignore", "gen/\n");
    files.write("src/kept/.gitignore", "!j.js\nk.js\n");
    files.write("src/kept/k.js");
    fs::create_directory_symlink(files.root.path() / "lib", files.root.path() / "src/link");
    SECTION("of one directory") {
        auto filter = files.filter({.root = {}, .paths = {"src/**/*.js"}, .ignore = {}, .never = {}});
        const auto tree = watch::walk(filter, files.root.path().native());
        CHECK(files.below(tree.directories) == Names{".", "src", "src/deep", "src/kept"});
        CHECK(files.below(tree.files) == Names{"src/a.js", "src/deep/b.js", "src/kept/j.js"});
        CHECK_FALSE(tree.is_cut);
    }
    SECTION("without what is left out otherwise") {
        auto filter = files.filter({.root = {},
                                    .paths = {"*.js"},
                                    .ignore = {"src/deep/**"},
                                    .gitignore = false,
                                    .defaults = false,
                                    .never = {}});
        const auto tree = watch::walk(filter, files.root.path().native());
        CHECK(files.below(tree.files) == Names{"build/src/h.js", "lib/f.js", "node_modules/x/e.js", "src/a.js",
                                               "src/gen/d.js", "src/kept/j.js", "src/kept/k.js"});
    }
    SECTION("and never where it must not") {
        const std::string never = (files.root.path() / "src/deep").native();
        auto filter = files.filter({.root = {}, .paths = {"src/**/*.js"}, .ignore = {}, .never = {never}});
        CHECK(files.below(watch::walk(filter, files.root.path().native()).directories) ==
              Names{".", "src", "src/kept"});
    }
}

TEST_CASE("the rules of the repository above the root count, too") {
    Files files{"web/src/a.js", "web/src/made.js"};
    files.write(".gitignore", "made.js\n");
    fs::create_directory(files.root.path() / ".git");
    const std::string root = (files.root.path() / "web").native();
    auto filter = watch::Filter::make({.root = root, .paths = {"src/*.js"}, .ignore = {}, .never = {}});
    REQUIRE(filter);
    const auto tree = watch::walk(*filter, root);
    CHECK(files.below(tree.files) == Names{"web/src/a.js"});
    CHECK(tree.repository == files.root.path().native());
    CHECK_FALSE(watch::is_git_busy(tree.repository));
    files.write(".git/index.lock");
    CHECK(watch::is_git_busy(tree.repository));
}

TEST_CASE("a file is another version when it is written to, and not when it is looked at or touched with -a") {
    Files files{"a"};
    const std::string path = (files.root.path() / "a").native();
    const auto before = watch::find_version(path);
    REQUIRE(before);
    CHECK(before->bytes == 1);
    const timespec times[] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 0, .tv_nsec = UTIME_OMIT}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
    std::ifstream(path).get();
    CHECK(watch::find_version(path) == before);
    const timespec modified[] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = 1, .tv_nsec = 7}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), modified, 0) == 0);
    CHECK(watch::find_version(path) == watch::FileVersion{1'000'000'007, 1});
    files.write("a", "xy");
    CHECK(watch::find_version(path)->bytes == 2);
    CHECK(!watch::find_version(path + "b"));
}

TEST_CASE("what is written, moved, made and removed is told, and what is looked at is not") {
    Files files{"a", "b", "c"};
    auto watches = watch::DirectoryWatches::open();
    REQUIRE(watches);
    const auto number = watches->add(files.root.path().native());
    REQUIRE(number);
    const auto take = [&] {
        Names out;
        for (const auto& each : watches->take().events) {
            CHECK(each.watch == *number);
            out.push_back(each.name + (each.is_directory ? "/" : "") + (each.has_come ? "+" : "") +
                          (each.has_gone ? "-" : ""));
        }
        return out;
    };
    std::ifstream(files.root.path() / "a").get();
    fs::permissions(files.root.path() / "a", fs::perms::owner_all);
    fs::last_write_time(files.root.path() / "a", fs::file_time_type::clock::now());
    CHECK(take().empty());
    files.write("a");
    CHECK(take() == Names{"a"});
    fs::rename(files.root.path() / "b", files.root.path() / "a");
    CHECK(take() == Names{"b-", "a+"});
    fs::remove(files.root.path() / "c");
    CHECK(take() == Names{"c-"});
    fs::create_directory(files.root.path() / "d");
    CHECK(take() == Names{"d/+"});
    CHECK(watches->add((files.root.path() / "nowhere").native()).error().code == ErrorCode::not_found);
}

}  // namespace tree_test
