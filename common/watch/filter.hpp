#pragma once
/// Which files count for a watch, and which directories are looked into. Paths are absolute. Pure.
#include <string>
#include <string_view>
#include <vector>

#include "common/watch/glob.hpp"
#include "common/watch/ignore_rules.hpp"

namespace persistproc::watch {

struct Wish {
    std::string root;                // patterns are relative to it
    std::vector<std::string> paths;  // globs: a change of such a file counts
    std::vector<std::string> ignore;
    bool gitignore = true;           // what .gitignore files leave out does not count
    bool defaults = true;            // nor what is usually made, and not written: see `usual` in the source
    std::vector<std::string> never;  // directories that are never looked into
    friend bool operator==(const Wish&, const Wish&) = default;
};

class Filter {
public:
    /// Errors: invalid, naming the pattern.
    static Result<Filter> make(Wish wish);

    /// Rules of the file `.gitignore` of this directory, from above to below. Without `gitignore` they mean nothing.
    void add_ignore_file(std::string_view directory, std::string_view text) { rules_.add(directory, text); }

    /// A directory below the root, whose parent is looked into.
    bool enters(std::string_view directory) const;
    /// A file in a directory that is looked into.
    bool counts(std::string_view file) const;
    /// "src/a.ts": below the root, as it is told.
    std::string_view relative(std::string_view path) const;

    const Wish& wish() const noexcept { return wish_; }

private:
    bool is_left_out(std::string_view path, bool is_directory) const;

    Wish wish_;
    std::vector<Glob> paths_, ignore_;
    IgnoreRules rules_;
};

}  // namespace persistproc::watch
