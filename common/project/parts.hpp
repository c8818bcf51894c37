#pragma once
/// The files of a project joined, before anything in them has a type.
#include <string>
#include <vector>

#include "common/project/load.hpp"
#include "common/project/node.hpp"

namespace persistproc::project {

/// A file and what it says for its own processes.
struct Part {
    std::string path, directory;
    Node root;  // a table: the members of the file
};

/// Reads files within the bounds of a project, each once.
class Sources {
public:
    Sources(const Lookups& lookups, Loaded& into) : lookups_(lookups), into_(into) {}

    /// Its index, by which places name it. Errors: those of the lookup, limit.
    Result<std::uint32_t> read(const std::string& path, bool is_environment);
    const std::string& bytes(std::uint32_t file) const { return into_.files[file].bytes; }

private:
    const Lookups& lookups_;
    Loaded& into_;
    std::size_t total_bytes_ = 0;
};

/// The main file first, then what it includes, and the person's own file laid over them. Names of processes are in one
/// part each.
std::vector<Part> read_parts(const std::string& file, const Lookups& lookups, Sources& sources, Loaded& into);

/// `path`, which is relative to `directory` unless it is absolute, without dots.
std::string joined_path(const std::string& directory, const std::string& path);

/// Whether a path lies below a directory, neither of them with dots; in "/" and in "" everything does.
bool is_within(const std::string& path, const std::string& directory);

/// "/a/b" of "/a/b/c".
std::string directory_of(const std::string& path);

}  // namespace persistproc::project
