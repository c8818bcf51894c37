#include "daemon/core/run_changes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "common/base/text.hpp"
#include "common/base/time.hpp"

namespace persistproc::core {

namespace {

using What = RunChange::What;

constexpr std::size_t most_names = 8;

std::map<std::string_view, std::string_view> variables_of(const rundir::RunSpec& spec) {
    std::map<std::string_view, std::string_view> out;
    for (const std::string_view entry : spec.environment) {
        const auto equals = entry.find('=');
        const std::string_view name = entry.substr(0, equals);
        const bool is_of_the_run = name.starts_with("PERSISTPROC_") || name.starts_with("_PP_") || name == "_" ||
                                   name == "SHLVL" || name == "OLDPWD" || name == "PWD";
        if (!is_of_the_run && equals != entry.npos) out.emplace(name, entry.substr(equals + 1));
    }
    return out;
}

/// "20 s ago".
std::string age_of(std::int64_t then_ns, WallTime now) {
    using namespace std::chrono;
    const auto age = std::max(seconds(0), duration_cast<seconds>(now - base::from_ns(then_ns)));
    if (age < minutes(2)) return fmt::format("{} s ago", age.count());
    if (age < hours(2)) return fmt::format("{} min ago", duration_cast<minutes>(age).count());
    if (age < hours(48)) return fmt::format("{} h ago", duration_cast<hours>(age).count());
    return fmt::format("{} days ago", duration_cast<hours>(age).count() / 24);
}

std::string words(const rundir::RunSpec& spec) {
    std::string out;
    for (std::size_t i = 1; i < spec.argv.size(); ++i)
        out += (i > 1 ? " " : "") + base::shell_quote(base::escape_line(spec.argv[i]));
    return out.empty() ? "none" : out;
}

void compare_variables(const rundir::RunSpec& earlier, const rundir::RunSpec& later, std::vector<RunChange>& out) {
    const auto before = variables_of(earlier), now = variables_of(later);
    RunChange added{What::variables_added, {}}, removed{What::variables_removed, {}},
        changed{What::variables_changed, {}};
    for (const auto& [name, value] : now) {
        const auto was = before.find(name);
        if (was == before.end())
            added.names.emplace_back(name);
        else if (was->second != value)
            changed.names.emplace_back(name);
    }
    for (const auto& [name, value] : before)
        if (!now.contains(name)) removed.names.emplace_back(name);
    for (auto* each : {&added, &removed, &changed})
        if (!each->names.empty()) out.push_back(std::move(*each));
}

/// Of a script that an interpreter runs the program's file tells nothing.
void compare_argument_files(const rundir::RunSpec& earlier, const rundir::RunSpec& later, WallTime now,
                            std::vector<RunChange>& out) {
    if (earlier.working_directory != later.working_directory) return;
    for (const auto& [at, file] : later.argument_files) {
        if (at >= later.argv.size()) continue;
        const std::string& word = later.argv[at];
        for (const auto& [before, was] : earlier.argument_files) {
            if (before >= earlier.argv.size() || earlier.argv[before] != word || file.is_same(was)) continue;
            out.push_back({What::argument_file, {base::escape_line(word), age_of(file.changed_ns, now)}});
            break;
        }
    }
}

std::string listed(const std::vector<std::string>& names) {
    std::vector<std::string> shown;
    for (const auto& each : names)
        if (shown.size() < most_names) shown.push_back(base::escape_line(each));
    std::string out = fmt::format("{}", fmt::join(shown, ", "));
    if (names.size() > shown.size()) out += fmt::format(" and {} more", names.size() - shown.size());
    return out;
}

}  // namespace

std::vector<RunChange> changes_between(const rundir::RunSpec& earlier, const rundir::RunSpec& later, WallTime now) {
    std::vector<RunChange> out;
    const auto program = [](const rundir::RunSpec& spec) { return spec.argv.empty() ? std::string() : spec.argv[0]; };
    if (program(earlier) != program(later))
        out.push_back({What::program, {program(later), program(earlier)}});
    else if (earlier.program_file && later.program_file && !later.program_file->is_same(*earlier.program_file))
        out.push_back({What::program_file, {age_of(later.program_file->changed_ns, now)}});
    compare_argument_files(earlier, later, now, out);
    if (words(earlier) != words(later)) out.push_back({What::arguments, {words(later), words(earlier)}});
    if (earlier.working_directory != later.working_directory)
        out.push_back({What::directory, {later.working_directory, earlier.working_directory}});
    compare_variables(earlier, later, out);
    return out;
}

std::string changes_text(const std::vector<RunChange>& changes) {
    std::string out;
    for (const auto& [what, names] : changes) {
        if (!out.empty()) out += "; ";
        switch (what) {
            case What::program:
                out += fmt::format("program {} (was {})", base::escape_line(names[0]), base::escape_line(names[1]));
                break;
            case What::program_file: out += "program file changed " + names[0]; break;
            case What::argument_file: out += fmt::format("{} changed {}", names[0], names[1]); break;
            case What::arguments: out += fmt::format("arguments {} (were {})", names[0], names[1]); break;
            case What::directory:
                out += fmt::format("directory {} (was {})", base::escape_line(names[0]), base::escape_line(names[1]));
                break;
            case What::variables_added: out += "variables added: " + listed(names); break;
            case What::variables_removed: out += "variables removed: " + listed(names); break;
            case What::variables_changed: out += "variables changed: " + listed(names); break;
        }
    }
    return out;
}

}  // namespace persistproc::core
