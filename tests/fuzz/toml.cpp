/// Files that are TOML: the user's settings, and agents' settings, which are edited in place. Input: a byte that
/// chooses which and the form of the entry, then the file.
#include <algorithm>
#include <string>

#include "cli/agents/toml_edit.hpp"
#include "common/base/text.hpp"
#include "common/config/config_file.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace persistproc;
using namespace persistproc::cli::agents;
using fuzz::require;

void check_refusal(const Error& error, ErrorCode code) {
    require(error.code == code, "an error says which");
    require(!base::has_control_or_bidi(error.message), "an error is one line");
}

void check_settings(std::string_view text) {
    const auto file = config::parse_config(text, "config.toml");
    if (!file) return check_refusal(file.error(), ErrorCode::invalid);
    for (const auto& [name, settings] : file->tables)
        for (const auto& each : settings)
            require(each.place.starts_with("config.toml: line "), "a setting has a place");
}

bool has_entry(std::string_view text, const ops::Agent& agent, std::string_view name) {
    const auto found = find_toml_entries(text, {std::string(agent.table)});
    require(found.has_value(), "the changed file is understood");
    return std::any_of(found->begin(), found->end(), [&](const auto& each) { return each.name == name; });
}

void check_agent(std::string_view text, const ops::Agent& agent, const ops::AgentEntry& entry) {
    if (const auto removed = remove_toml_entry(text, agent, entry.name); removed)
        require(!has_entry(removed->text, agent, entry.name), "what was removed is gone");
    else
        check_refusal(removed.error(), ErrorCode::corrupt);
    const auto edited = set_toml_entry(text, agent, entry);
    if (!edited) {
        require(edited.error().code == ErrorCode::corrupt || edited.error().code == ErrorCode::conflict,
                "an error says which");
        require(!base::has_control_or_bidi(edited.error().message), "an error is one line");
        return;
    }
    require((edited->change == Change::none) == (edited->text == text), "what is said to have changed has");
    require(has_entry(edited->text, agent, entry.name), "our entry is there");
    const auto again = set_toml_entry(edited->text, agent, entry);
    require(again && again->change == Change::none, "a second time changes nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const ops::Agent& agent = *std::find_if(ops::known_agents().begin(), ops::known_agents().end(),
                                                   [](auto& each) { return each.syntax == ops::AgentSyntax::toml; });
    fuzz::Input input(bytes, size);
    const auto choice = input.byte();
    const std::string_view text = input.rest();
    if (choice % 2 == 0) {
        check_settings(text);
        return 0;
    }
    ops::AgentEntry entry{.name = "pp", .url = "http://127.0.0.1:8947/mcp", .command = {}, .token = {}};
    if (choice % 4 == 1) entry = {.name = "pp", .url = {}, .command = {"persistproc", "mcp"}, .token = {}};
    check_agent(text, agent, entry);
    return 0;
}
