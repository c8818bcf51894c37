/// Agents' settings, which are edited in place. Input: a byte that chooses the agent and the form of the entry, then
/// the file.
#include <string>
#include <vector>

#include "cli/agents/json_edit.hpp"
#include "common/base/text.hpp"
#include "common/config/json_document.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace persistproc;
using namespace persistproc::cli::agents;
using namespace persistproc::config;
using fuzz::require;

bool is_same(const JsonNode& a, std::string_view in_a, const JsonNode& b, std::string_view in_b) {
    if (a.kind != b.kind || a.text != b.text) return false;
    if (a.kind == JsonNode::Kind::number)
        return in_a.substr(a.begin, a.end - a.begin) == in_b.substr(b.begin, b.end - b.begin);
    return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                      [&](const JsonNode& x, const JsonNode& y) { return is_same(x, in_a, y, in_b); }) &&
           std::equal(a.members.begin(), a.members.end(), b.members.begin(), b.members.end(),
                      [&](const JsonMember& x, const JsonMember& y) {
                          return x.name == y.name && is_same(x.value, in_a, y.value, in_b);
                      });
}

/// Without the members that `drops` names.
template <class Drops>
JsonNode without(JsonNode node, Drops drops) {
    std::erase_if(node.members, [&](const JsonMember& member) { return drops(member.name); });
    return node;
}

/// An object's member that is an object, or an empty one.
JsonNode object_at(const JsonNode& node, std::string_view name) {
    const JsonMember* found = node.find(name);
    if (found != nullptr) return found->value;
    JsonNode out;
    out.kind = JsonNode::Kind::object;
    return out;
}

void check_kept(const JsonNode& before, std::string_view old_text, const JsonNode& after, std::string_view new_text,
                const ops::Agent& agent, const ops::AgentEntry& entry) {
    const auto is_table = [&](std::string_view name) { return name == agent.table; };
    require(is_same(without(before, is_table), old_text, without(after, is_table), new_text),
            "everything beside the servers stays");
    const auto is_entry = [&](std::string_view name) { return name == entry.name; };
    const JsonNode old_table = object_at(before, agent.table), new_table = object_at(after, agent.table);
    require(is_same(without(old_table, is_entry), old_text, without(new_table, is_entry), new_text),
            "the other servers stay");
    const auto is_form = [&](std::string_view name) {
        const bool is_token = !entry.token.empty() && name == agent.headers_member;
        return is_form_member(name) || belongs_to_other_form(name, entry) || is_token;
    };
    require(is_same(without(object_at(old_table, entry.name), is_form), old_text,
                    without(object_at(new_table, entry.name), is_form), new_text),
            "what is the user's in our entry stays");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const auto agents = [] {
        std::vector<ops::Agent> out;
        for (const ops::Agent& each : ops::known_agents())
            if (each.syntax == ops::AgentSyntax::json) out.push_back(each);
        return out;
    }();
    fuzz::Input input(bytes, size);
    const auto choice = input.byte();
    const std::string_view text = input.rest();
    const ops::Agent& agent = agents[choice / 2 % agents.size()];
    ops::AgentEntry entry{.name = "pp", .url = "http://127.0.0.1:8947/mcp", .command = {}, .token = {}};
    if (choice % 2 != 0) entry = {.name = "pp", .url = {}, .command = {"persistproc", "bridge"}, .token = {}};
    if (choice >= 128 && choice % 2 == 0) entry.token = "0123456789abcdef";

    const auto document = parse_json(text);
    const auto edited = set_json_entry(text, agent, entry);
    if (!edited) {
        require(edited.error().code == ErrorCode::corrupt || edited.error().code == ErrorCode::conflict,
                "an error says which");
        require(!base::has_control_or_bidi(edited.error().message), "an error is one line");
        return 0;
    }
    require(document.has_value(), "only what is understood is changed");
    require((edited->change == Change::none) == (edited->text == text), "what is said to have changed has");
    const auto after = parse_json(edited->text);
    require(after && after->root, "the changed file is understood");
    const auto found = find_json_entries(edited->text, {std::string(agent.table)});
    require(found.has_value(), "the changed file has a table of servers");
    const auto own =
        std::find_if(found->begin(), found->end(), [&](const auto& each) { return each.name == entry.name; });
    require(own != found->end(), "our entry is there");
    for (const auto& member : ops::entry_members(agent, entry))
        require(holds(own->find(member.first), member), "our entry says what it should");
    JsonNode nothing;
    nothing.kind = JsonNode::Kind::object;
    check_kept(document->root ? *document->root : nothing, text, *after->root, edited->text, agent, entry);
    const auto again = set_json_entry(edited->text, agent, entry);
    require(again && again->change == Change::none, "a second time changes nothing");
    return 0;
}
