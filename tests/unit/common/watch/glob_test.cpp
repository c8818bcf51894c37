#include "common/watch/glob.hpp"

#include "common/watch/ignore_rules.hpp"
#include "tests/support/catch.hpp"

namespace glob_test {

using namespace persistproc;
using watch::Glob;
using watch::IgnoreRules;

namespace {

Glob glob(std::string_view text) {
    auto parsed = Glob::parse(text);
    REQUIRE(parsed);
    return std::move(*parsed);
}

}  // namespace

TEST_CASE("a glob matches as people expect") {
    struct Case {
        const char *pattern, *path;
        bool matches;
    };
    for (const auto& [pattern, path, matches] : {Case{"*.js", "a.js", true},
                                                 {"*.js", "src/deep/a.js", true},
                                                 {"*_test.go", "pkg/x_test.go", true},
                                                 {"src/*.js", "src/a.js", true},
                                                 {"src/*.js", "src/b/a.js", false},
                                                 {"src/*.js", "lib/src/a.js", false},
                                                 {"src/**/*.js", "src/a.js", true},
                                                 {"src/**/*.js", "src/b/c/a.js", true},
                                                 {"src/**/*.js", "src/b/c/a.ts", false},
                                                 {"src/**", "src/a", true},
                                                 {"src/**", "src/a/b", true},
                                                 {"src/**", "src", false},
                                                 {"**/x", "x", true},
                                                 {"**/x", "a/b/x", true},
                                                 {"a/**/b/**/c", "a/b/c", true},
                                                 {"a/**/b/**/c", "a/1/b/2/3/c", true},
                                                 {"a/**/b/**/c", "a/1/2/3/c", false},
                                                 {"./src/*.c", "src/a.c", true},
                                                 {"*.{ts,tsx}", "web/a.tsx", true},
                                                 {"*.{ts,tsx}", "web/a.js", false},
                                                 {"{src,lib}/{a,b}.c", "lib/b.c", true},
                                                 {"a{b", "a{b", true},
                                                 {"[ab].c", "b.c", true},
                                                 {"*", ".env", true},
                                                 {"?.c", "ab.c", false}}) {
        INFO(pattern << " " << path);
        CHECK(glob(pattern).matches(path) == matches);
    }
}

TEST_CASE("a glob knows where nothing below can match") {
    CHECK(glob("src/**/*.js").may_match_below("src"));
    CHECK(glob("src/**/*.js").may_match_below("src/a/b"));
    CHECK_FALSE(glob("src/**/*.js").may_match_below("lib"));
    CHECK(glob("src/*.js").may_match_below("src"));
    CHECK_FALSE(glob("src/*.js").may_match_below("src/a"));
    CHECK(glob("*.js").may_match_below("anything/at/all"));
    CHECK(glob("a/b/c").may_match_below("a/b"));
    CHECK_FALSE(glob("a/b/c").may_match_below("a/b/c"));
    CHECK(glob("src/**").may_match_below(""));
}

TEST_CASE("what is no glob is refused with why") {
    for (const char* text : {"", "/src/*.js", "../x", "a/../b", "/", "./"}) {
        INFO(text);
        CHECK(!Glob::parse(text));
    }
    CHECK(!Glob::parse("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"));
    CHECK(!Glob::parse(std::string(5000, 'a')));
    CHECK(!Glob::parse(std::string_view("a\0b", 3)));
}

TEST_CASE("ignore rules are those of gitignore") {
    IgnoreRules rules;
    rules.add("/r",
              "# made\n*.o\nbuild/\n/top\ndoc/*.html\n!keep.o\n\\#x\n\\!y\n  \ntrail \r\nesc\\ "
              "\n**/deep/**\nlogs/**/debug\n");
    rules.add("/r/sub", "!special.o\nlocal\n");
    struct Case {
        const char* path;
        bool is_directory, is_excluded;
    };
    for (const auto& [path, is_directory, is_excluded] : {Case{"/r/a.o", false, true},
                                                          {"/r/x/a.o", false, true},
                                                          {"/r/keep.o", false, false},
                                                          {"/r/x/keep.o", false, false},
                                                          {"/r/sub/special.o", false, false},
                                                          {"/r/special.o", false, true},
                                                          {"/r/sub/local", false, true},
                                                          {"/r/local", false, false},
                                                          {"/r/build", true, true},
                                                          {"/r/build", false, false},
                                                          {"/r/x/build", true, true},
                                                          {"/r/top", false, true},
                                                          {"/r/x/top", false, false},
                                                          {"/r/doc/a.html", false, true},
                                                          {"/r/x/doc/a.html", false, false},
                                                          {"/r/#x", false, true},
                                                          {"/r/!y", false, true},
                                                          {"/r/trail", false, true},
                                                          {"/r/x/deep/a", false, true},
                                                          {"/r/logs/debug", false, true},
                                                          {"/r/logs/a/b/debug", false, true},
                                                          {"/other/a.o", false, false},
                                                          {"/r", true, false}}) {
        INFO(path);
        CHECK(rules.excludes(path, is_directory) == is_excluded);
    }
}

}  // namespace glob_test
