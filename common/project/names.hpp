#pragma once
#include <optional>
#include <string>
#include <vector>

namespace persistproc::project {

/// What can be typed for a process or group of a project.
struct TypedName {
    std::string name;
    std::string script;  // how package.json calls it, where that is something else: "dev:api"
    std::string about;   // its description, else its command; of a group none
    bool is_group = false;
};

/// All names of the project that `directory` is in, or of the file that is named, in the order of its files: from their
/// bytes alone, also while something else in them is wrong. What is not believed is not read (project_files.hpp).
/// Empty: there is no file, or none that can be read. Blocks on the disk; any thread.
std::vector<TypedName> find_names(const std::string& directory, const std::optional<std::string>& file,
                                  const std::string& home);

}  // namespace persistproc::project
