#pragma once
/// What .gitignore files leave out (gitignore(5)): of several rules that match, the last one counts, and a deeper
/// file's come after those of the files above it. Pure.
#include <string>
#include <string_view>
#include <vector>

namespace persistproc::watch {

class IgnoreRules {
public:
    /// The rules of the file `.gitignore` of this directory, an absolute path. Directories above it come before it.
    /// What is no rule is left out; of a file at most `most_rules` are read.
    void add(std::string_view directory, std::string_view text);

    /// By the rules for this very path, absolute: who walks down asks for each directory first, and goes into none that
    /// is left out.
    bool excludes(std::string_view path, bool is_directory) const;

    static constexpr std::size_t most_rules = 10'000;

private:
    struct Rule {
        std::string directory;              // "/": empty
        std::vector<std::string> segments;  // as Glob has them
        bool is_negated = false;
        bool directories_alone = false;
    };
    std::vector<Rule> rules_;
};

}  // namespace persistproc::watch
