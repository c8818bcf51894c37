/// Files of other tools, in the shapes that people's have, and what each comes to: tests/data/projects/NAME/plan.
/// PERSISTPROC_WRITE_PLANS=1 writes these anew; their change is read like any other.
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/base/file.hpp"
#include "common/project/digest.hpp"
#include "common/project/draft.hpp"
#include "common/project/foreign.hpp"
#include "tests/unit/common/project/world.hpp"

namespace corpus_test {

using namespace persistproc;
using namespace project;
namespace fs = std::filesystem;

namespace {

World world_in(const fs::path& directory) {
    World out;
    for (const auto& each : fs::recursive_directory_iterator(directory))
        if (each.is_regular_file() && each.path().filename() != "plan")
            out.files["/shop/" + each.path().lexically_relative(directory).native()] =
                base::read_file(each.path()).value();
    return out;
}

std::string file_in(const World& world) {
    for (const auto name : known_files)
        if (const std::string path = "/shop/" + std::string(name); world.files.contains(path)) return path;
    return {};
}

std::string plan_of(const Loaded& loaded) {
    std::string out;
    for (const auto& each : loaded.problems) out += "wrong: " + loaded.text(each) + "\n";
    for (const auto& each : loaded.notes) out += "note: " + loaded.text(each) + "\n";
    if (!loaded.project) return out;
    for (const auto& each : loaded.project->processes) {
        const auto& definition = each.definition;
        out += fmt::format("{}\n", each.name);
        const auto row = [&out](std::string_view name, const std::string& value) {
            out += fmt::format("  {} {}\n", name, value);
        };
        for (const auto& word : definition.command) row(definition.shell ? "shell" : "word", word);
        if (definition.working_directory != "/shop") row("in", definition.working_directory);
        for (const auto& edge : each.depends_on)
            row("after", fmt::format("{}: {}{}", edge.process, schema::enum_name(edge.until), edge.pattern));
        for (const auto& [name, value] : each.environment) row("env", name + "=" + value);
        for (const auto& check : each.ready) row("ready", domain::check_text(check));
        for (const auto& check : each.health) row("health", domain::check_text(check));
        for (const auto& port : each.ports) row("port", wish_text(port));
        if (each.restart.policy != domain::RestartPolicy::never)
            row("restart", fmt::format("{} max {} delay {} s", schema::enum_name(each.restart.policy), each.restart.max,
                                       each.restart.delay_seconds));
        if (definition.stop_signal != 15) row("signal", domain::signal_name(definition.stop_signal));
        if (definition.grace_seconds != 10) row("grace", fmt::format("{} s", definition.grace_seconds));
        for (const auto& word : each.stop_command) row("stop", word);
        if (each.success_codes != std::vector<int>{0})
            row("success", fmt::format("{}", fmt::join(each.success_codes, " ")));
        if (each.oneshot) row("ends", "by itself");
        if (!each.autostart) row("starts", "when named");
    }
    for (const auto& [name, members] : loaded.project->groups)
        out += fmt::format("group {}: {}\n", name, fmt::join(members, " "));
    return out;
}

}  // namespace

TEST_CASE("each file of another tool comes to its plan, and so does what init writes from it") {
    std::size_t seen = 0;
    for (const auto& each : fs::directory_iterator(fs::path(PERSISTPROC_TEST_DATA) / "projects")) {
        World world = world_in(each.path());
        const std::string file = file_in(world);
        INFO(each.path().filename().native());
        REQUIRE(!file.empty());
        ++seen;
        const Loaded loaded = world.load(file);
        const std::string plan = plan_of(loaded);
        if (std::getenv("PERSISTPROC_WRITE_PLANS") != nullptr) std::ofstream(each.path() / "plan") << plan;
        CHECK(plan == base::read_file(each.path() / "plan").value());
        if (!loaded.project) continue;
        const Draft draft = draft_from(file, world.lookups());
        world.files["/shop/persistproc.toml"] = draft.text;
        const Project written = world.good();
        for (const auto& process : loaded.project->processes) {
            REQUIRE(written.find(process.name) != nullptr);
            CHECK(digests_of(*written.find(process.name), "k") == digests_of(process, "k"));
        }
    }
    CHECK(seen >= 20);
}

}  // namespace corpus_test
