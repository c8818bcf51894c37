#pragma once
/// A project as its files say: its processes, resolved. Who it is is told by the canonical path of its file alone; its
/// name is for display.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/project/process.hpp"

namespace persistproc::project {

struct Project {
    std::string file;  // canonical path: the project's identity
    std::string root;  // the directory of the file
    std::string name;
    std::vector<Process> processes;                          // in the order of the files; at most `most_processes`
    std::map<std::string, std::vector<std::string>> groups;  // names of processes, in the order of the group

    const Process* find(std::string_view process) const noexcept;
    /// Also by the name of a script, as package.json has it ("dev:api").
    const Process* find_typed(std::string_view word) const noexcept;
};

inline constexpr std::size_t most_processes = 256;

/// What a process may be called: letters, digits, "_", "." and "-" behind a letter or digit, at most 63; no number, no
/// id of a process, and nothing that means something else here (all, env, project). Errors: invalid.
Result<void> check_process_name(std::string_view name);

/// Whether the label is one that `make_label` has made of these: nobody has chosen it. Pure.
bool is_made_label(std::string_view label, std::string_view project, std::string_view process);

/// "shop", or "shop@fix" in the linked worktree `fix` of the repository `shop`: what a project is called where its file
/// does not say. `git_file`: what the file `.git` of the directory holds; empty: it is no linked worktree. Pure.
std::string default_name(std::string_view directory, std::string_view git_file);

/// "shop/api", or where that is taken "shop/api~2". `is_taken` is asked until it is content.
template <class IsTaken>
std::string make_label(std::string_view project, std::string_view process, IsTaken&& is_taken) {
    const std::string plain = std::string(project) + "/" + std::string(process);
    std::string label = plain;
    for (unsigned n = 2; is_taken(label); ++n) label = plain + "~" + std::to_string(n);
    return label;
}

}  // namespace persistproc::project
