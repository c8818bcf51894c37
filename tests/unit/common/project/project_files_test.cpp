#include "common/project/project_files.hpp"

#include <sys/stat.h>

#include "common/project/draft.hpp"
#include "tests/support/directory_tree.hpp"

namespace project_files_test {

using namespace persistproc;
using namespace project;
using tests::DirectoryTree;

namespace {

/// The file that is found, relative to the tree; else how that failed.
std::string found_from(const DirectoryTree& tree, const std::string& directory) {
    const auto found = find_project_file(tree.path(directory), tree.path());
    if (!found) return std::string(base::code_name(found.error().code));
    return std::filesystem::path(found->file).lexically_relative(tree.path()).native();
}

}  // namespace

TEST_CASE("a project's file is looked for in a directory and above it") {
    const DirectoryTree tree;
    tree.make_repository("shop");
    tree.write("shop/persistproc.toml", "");
    tree.write("shop/src/deep/x", "");
    CHECK(found_from(tree, "shop/src/deep") == "shop/persistproc.toml");
    CHECK(found_from(tree, "shop") == "shop/persistproc.toml");
    CHECK(find_project_file(tree.path("shop/src"), tree.path())->repository == tree.path("shop"));
}

TEST_CASE("what persistproc.toml may begin with is never an empty file") {
    const DirectoryTree tree;
    const auto draft = [&tree](const char* text, std::optional<std::string> from) {
        tree.write("new/package.json", text);
        return draft_project(tree.path("new"), from);
    };
    const auto example = draft("{}", std::nullopt);
    REQUIRE(example);
    CHECK(example->from.empty());
    CHECK(example->draft.text == first_draft());
    CHECK(draft("{}", "package.json").error().code == ErrorCode::invalid);
    CHECK(draft("", std::nullopt).error().code == ErrorCode::invalid);
    const auto some = draft(R"({"scripts": {"dev": "vite", "all": "x"}})", std::nullopt);
    REQUIRE(some);
    CHECK(some->draft.text.find("[process.dev]") != std::string::npos);
    CHECK(some->draft.read.notes.size() == 1);
}

TEST_CASE("nothing is looked for above the working copy and above home") {
    const DirectoryTree tree;
    tree.write("persistproc.toml", "");
    tree.make_repository("shop");
    tree.write("shop/src/x", "");
    CHECK(found_from(tree, "shop/src") == "not_found");
    // The home directory itself may have one.
    tree.write("notes/x", "");
    CHECK(found_from(tree, "notes") == "persistproc.toml");
    const auto above_home = find_project_file(tree.path("notes"), tree.path("notes"));
    REQUIRE_FALSE(above_home);
    CHECK(above_home.error().message.find("no persistproc.toml in " + tree.path("notes") + ",") == 0);
}

TEST_CASE("persistproc.toml is meant before files of other tools, and package.json after all") {
    const DirectoryTree tree;
    tree.make_repository("shop");
    tree.write("shop/front/package.json", "{}");
    CHECK(found_from(tree, "shop/front") == "shop/front/package.json");
    tree.write("shop/Procfile", "");
    tree.write("shop/process-compose.yaml", "");
    CHECK(found_from(tree, "shop/front") == "shop/process-compose.yaml");
    CHECK(find_project_file(tree.path("shop"), tree.path())->others == std::vector{tree.path("shop/Procfile")});
    tree.write("shop/front/.claude/launch.json", "{}");
    CHECK(found_from(tree, "shop/front") == "shop/front/.claude/launch.json");
    tree.write("shop/persistproc.toml", "");
    CHECK(found_from(tree, "shop/front") == "shop/persistproc.toml");
}

TEST_CASE("a file that everybody may write is passed over") {
    const DirectoryTree tree;
    tree.write("shop/persistproc.toml", "");
    tree.write("shop/src/persistproc.toml", "");
    REQUIRE(::chmod(tree.path("shop/src/persistproc.toml").c_str(), 0666) == 0);
    const auto found = find_project_file(tree.path("shop/src"), tree.path());
    REQUIRE(found);
    CHECK(found->file == tree.path("shop/persistproc.toml"));
    REQUIRE(found->passed_over.size() == 1);
    CHECK(found->passed_over.front().find("may be written by everybody") != std::string::npos);

    REQUIRE(::chmod(tree.path("shop/persistproc.toml").c_str(), 0666) == 0);
    const auto refused = find_project_file(tree.path("shop/src"), tree.path());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::denied);
    CHECK(refused.error().message.find("shop/src/persistproc.toml may be written by everybody") != std::string::npos);
    CHECK(take_project_file(tree.path("shop/persistproc.toml")).error().code == ErrorCode::denied);
}

TEST_CASE("a file that is named may have any name") {
    const DirectoryTree tree;
    tree.write("shop/dev.toml", "");
    REQUIRE(take_project_file(tree.path("shop/../shop/dev.toml")));
    CHECK(take_project_file(tree.path("shop/../shop/dev.toml"))->file == tree.path("shop/dev.toml"));
    CHECK(take_project_file(tree.path("shop/none.toml")).error().code == ErrorCode::not_found);
}

TEST_CASE("a linked worktree has a main working copy where that says so") {
    const DirectoryTree tree;
    tree.make_repository("shop");
    tree.write("fix/persistproc.toml", "");
    CHECK_FALSE(find_main_copy(tree.path("fix")));
    tree.link_worktree("shop", "fix");
    CHECK(find_main_copy(tree.path("fix")) == tree.path("shop"));
    CHECK_FALSE(find_main_copy(tree.path("shop")));

    // A newer git may write both ends relative to each other.
    tree.write("fix/.git", "gitdir: ../shop/.git/worktrees/fix\n");
    tree.write("shop/.git/worktrees/fix/gitdir", "../../../../fix/.git\n");
    CHECK(find_main_copy(tree.path("fix")) == tree.path("shop"));
}

TEST_CASE("a directory that says alone that it is a worktree is none") {
    const DirectoryTree tree;
    tree.make_repository("shop");
    tree.write("fix/persistproc.toml", "");
    tree.link_worktree("shop", "fix");
    tree.write("forged/.git", "gitdir: " + tree.path("shop/.git/worktrees/fix") + "\n");
    CHECK_FALSE(find_main_copy(tree.path("forged")));
    tree.write("forged/.git", "gitdir: " + tree.path("shop/.git") + "\n");
    CHECK_FALSE(find_main_copy(tree.path("forged")));
    tree.write("forged/.git", "gitdir: " + tree.path("shop/.git/worktrees/none") + "\n");
    CHECK_FALSE(find_main_copy(tree.path("forged")));
}

}  // namespace project_files_test
