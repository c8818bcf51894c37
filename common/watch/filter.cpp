#include "common/watch/filter.hpp"

#include <algorithm>

namespace persistproc::watch {

namespace {

/// What tools make rather than people. `.git` never counts: its files change with every look of an editor.
const std::vector<Glob>& usual() {
    static const auto made = [] {
        std::vector<Glob> out;
        for (const char* each : {"node_modules", "target", "dist", "build", ".venv", "__pycache__", ".next", "*.log",
                                 "*.swp", "*~", "4913"}) {
            if (auto glob = Glob::parse(each)) out.push_back(std::move(*glob));
        }
        return out;
    }();
    return made;
}

bool any_matches(const std::vector<Glob>& globs, std::string_view path) {
    return std::any_of(globs.begin(), globs.end(), [path](const Glob& each) { return each.matches(path); });
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Result<Filter> Filter::make(Wish wish) {
    Filter out;
    for (const auto& [texts, globs] : {std::pair(&wish.paths, &out.paths_), std::pair(&wish.ignore, &out.ignore_)}) {
        for (const auto& text : *texts) {
            auto glob = Glob::parse(text);
            if (!glob) return glob.error();
            globs->push_back(std::move(*glob));
        }
    }
    out.wish_ = std::move(wish);
    return out;
}

std::string_view Filter::relative(std::string_view path) const {
    const std::size_t length = wish_.root == "/" ? 0 : wish_.root.size();
    return path.size() > length + 1 ? path.substr(length + 1) : std::string_view();
}

bool Filter::is_left_out(std::string_view path, bool is_directory) const {
    if (name_of(path) == ".git") return true;
    const std::string_view below = relative(path);
    if (wish_.defaults && any_matches(usual(), name_of(path))) return true;
    if (any_matches(ignore_, below)) return true;
    return wish_.gitignore && rules_.excludes(path, is_directory);
}

bool Filter::enters(std::string_view directory) const {
    if (std::find(wish_.never.begin(), wish_.never.end(), directory) != wish_.never.end()) return false;
    const std::string_view below = relative(directory);
    const auto leads_on = [below](const Glob& each) { return each.may_match_below(below); };
    return std::any_of(paths_.begin(), paths_.end(), leads_on) && !is_left_out(directory, true);
}

bool Filter::counts(std::string_view file) const {
    return any_matches(paths_, relative(file)) && !is_left_out(file, false);
}

}  // namespace persistproc::watch
