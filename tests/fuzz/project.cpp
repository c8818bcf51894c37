/// Files of projects: the project's own, and those of other tools. Input: a byte that chooses which, then the file;
/// what stands behind a line "----" is the environment file beside it.
#include <iterator>
#include <set>
#include <string>

#include "common/base/text.hpp"
#include "common/project/digest.hpp"
#include "common/project/draft.hpp"
#include "common/project/graph.hpp"
#include "common/project/load.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace persistproc;
using namespace persistproc::project;
using fuzz::require;

constexpr const char* names[] = {"/p/persistproc.toml", "/p/process-compose.yaml", "/p/Procfile",
                                 "/p/.claude/launch.json", "/p/package.json"};

constexpr const char* secret = "of-nobodys-business";

Lookups lookups_of(const std::string& file, std::string_view text, std::string_view environment) {
    Lookups out;
    out.read = [=](const std::string& path) -> Result<std::string> {
        if (path == file) return std::string(text);
        if (path.ends_with("/.env")) return std::string(environment);
        return Error{ErrorCode::not_found, base::escape_line(path) + ": no such file"};
    };
    out.variable = [](const std::string& name) -> std::optional<std::string> {
        return name == "SECRET" ? std::optional<std::string>(secret) : std::nullopt;
    };
    out.port = [](const std::string&, const PortWish& wish) -> Result<int> {
        return wish.kind == PortWish::Kind::automatic ? 20000 : wish.number;
    };
    out.repository = "/p";
    out.name = "p";
    return out;
}

void check_line(const Loaded& loaded, const Problem& problem, bool holds_secret) {
    const std::string line = loaded.text(problem);
    require(!base::has_control_or_bidi(line) && base::is_utf8(line), "a problem is one line");
    require(line.starts_with("/p/"), "a problem has a place");
    require(holds_secret || line.find(secret) == std::string::npos, "no value is shown");
}

void check_project(const Project& project) {
    require(!project.processes.empty() && project.processes.size() <= most_processes, "some processes, not too many");
    std::set<std::string> placed;
    for (const Process* const process : start_order(project)) {
        require(check_process_name(process->name).has_value(), "a process has a name");
        require(domain::check_command(process->definition.command).has_value(), "a command can be run");
        require(process->definition.working_directory.starts_with('/'), "a directory is absolute");
        require(domain::check_environment(process->environment).has_value(), "variables can be set");
        for (const auto& edge : process->depends_on) require(placed.contains(edge.process), "an order there is");
        placed.insert(process->name);
    }
    for (const auto& [name, members] : project.groups)
        for (const auto& each : members) require(project.find(each) != nullptr, "a group has processes");
    require(select(project, {}, true).has_value(), "what starts by itself can be selected");
}

/// What is written from another tool's file means the same.
void check_draft(const std::string& file, const Lookups& lookups, const Project& project) {
    const Draft draft = draft_from(file, lookups);
    require(draft.read.problems.empty(), "what can be loaded can be written");
    Lookups of_draft = lookups;
    const std::string own = "/p/persistproc.toml";
    of_draft.read = [&](const std::string& path) { return path == own ? draft.text : lookups.read(path); };
    const Loaded loaded = load(own, of_draft);
    require(loaded.project.has_value(), "what is written can be loaded");
    require(loaded.project->processes.size() == project.processes.size(), "no process is lost");
    for (const auto& each : project.processes) {
        const Process* const written = loaded.project->find(each.name);
        require(written != nullptr && digests_of(*written, "k") == digests_of(each, "k"), "each means the same");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const std::string file = names[input.byte() % std::size(names)];
    std::string_view text = input.rest(), environment;
    constexpr std::string_view border = "\n----\n";
    if (const std::size_t at = text.find(border); at != std::string_view::npos) {
        environment = text.substr(at + border.size());
        text = text.substr(0, at + 1);
    }
    const Lookups lookups = lookups_of(file, text, environment);
    const Loaded loaded = load(file, lookups);
    require(loaded.project.has_value() == loaded.problems.empty(), "a project, or why not");
    require(loaded.problems.size() <= most_problems, "not too many problems");
    // The fuzzer finds that word, too.
    const bool holds_secret = text.find(secret) != std::string_view::npos;
    for (const auto& each : loaded.problems) check_line(loaded, each, holds_secret);
    for (const auto& each : loaded.notes) check_line(loaded, each, holds_secret);
    if (!loaded.project) return 0;
    check_project(*loaded.project);
    const Loaded again = load(file, lookups);
    require(consent_digest(loaded, "k") == consent_digest(again, "k"), "the same bytes are the same project");
    // What is no UTF-8 cannot be written, nor what grows beyond the bound.
    if (file != names[0] && base::is_utf8(text) && text.size() < max_project_bytes / 8)
        check_draft(file, lookups, *loaded.project);
    return 0;
}
