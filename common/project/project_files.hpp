#pragma once
/// Which file is a project's, and which working copy it lies in. All block on the disk; any thread.
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.hpp"

namespace persistproc::project {

struct FoundFile {
    std::string file;                      // canonical directory, and the file's name in it
    std::string repository;                // the top of its working copy, else the project's directory
    std::vector<std::string> others;       // files of other tools beside it that describe programs, too
    std::vector<std::string> passed_over;  // files that are not believed: which, and why
};

/// The file of the project that `directory` is in: the nearest persistproc.toml in it or above, else the nearest file
/// of another tool, where several lie side by side in the order of known_files; package.json, which names
/// programs that nobody need want, comes last. Nothing is looked for above the top of the working copy, above `home`
/// and on another file system. A file that belongs to another user than this one or root, or that everybody may write,
/// is passed over. Errors: not_found (says where it was looked), denied (the only ones are not believed).
Result<FoundFile> find_project_file(const std::string& directory, const std::string& home);

/// The same of a file that is named. Errors: not_found, denied.
Result<FoundFile> take_project_file(const std::string& path);

/// The first file of another tool in this directory itself, in the order of known_files. Errors: not_found,
/// denied (it is not believed).
Result<FoundFile> find_foreign_file(const std::string& directory);

/// The directory whose processes a file describes: .claude/launch.json speaks of the one above its own.
std::string project_directory(const std::string& file);

/// What a project is called where its file does not say, in the directory `root` of the working copy `top`.
std::string usual_name(const std::string& root, const std::string& top);

bool is_there(const std::string& path);

/// The bytes of a file of a project in this repository, or in the main working copy of the same. Errors: not_found,
/// denied (another user's, one that everybody may write, or a link that leads out of the repository), invalid (too
/// large), io.
Result<std::string> read_believed(const std::string& path, const std::string& repository,
                                  const std::optional<std::string>& main_copy);

/// Of a linked git worktree, the top of the repository's main working copy: where that says so, too, and not the
/// worktree alone, which may say what it likes.
std::optional<std::string> find_main_copy(const std::string& top);

}  // namespace persistproc::project
