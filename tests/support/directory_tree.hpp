#pragma once
/// Files of working copies below a directory of the test's own.
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace persistproc::tests {

class DirectoryTree {
public:
    std::string path(const std::string& name = {}) const { return name.empty() ? root_ : root_ + "/" + name; }
    void write(const std::string& name, const std::string& text) const {
        std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
        std::ofstream(path(name)) << text;
    }
    /// An empty one.
    void make_repository(const std::string& name) const { std::filesystem::create_directories(path(name + "/.git")); }
    /// As `git worktree add` leaves both ends of the link.
    void link_worktree(const std::string& main, const std::string& worktree) const {
        const std::string own = main + "/.git/worktrees/" + std::filesystem::path(worktree).filename().native();
        write(own + "/gitdir", path(worktree + "/.git") + "\n");
        write(worktree + "/.git", "gitdir: " + path(own) + "\n");
    }

private:
    TemporaryDirectory directory_;
    const std::string root_ = std::filesystem::canonical(directory_.path()).native();
};

}  // namespace persistproc::tests
