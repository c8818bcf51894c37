#include "cli/agents/entry.hpp"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <array>

#include "cli/agents/json_edit.hpp"
#include "cli/agents/toml_edit.hpp"

namespace persistproc::cli::agents {

namespace {

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::string_view, 6> form_members = {"type", "url", "httpUrl", "serverUrl", "command", "args"};
constexpr std::array<std::string_view, 4> stdio_members = {"env", "env_vars", "envFile", "cwd"};
constexpr std::array<std::string_view, 4> http_members = {"headers", "http_headers", "env_http_headers",
                                                          "bearer_token_env_var"};
constexpr std::array<std::string_view, 3> http_types = {"http", "streamable-http", "streamableHttp"};

}  // namespace

const EntryMember* FoundEntry::find(std::string_view member) const noexcept {
    for (const EntryMember& each : members)
        if (each.name == member) return &each;
    return nullptr;
}

std::string_view FoundEntry::text(std::string_view member) const noexcept {
    const EntryMember* found = find(member);
    const auto* text = found == nullptr ? nullptr : std::get_if<std::string>(&found->value);
    return text == nullptr ? std::string_view() : std::string_view(*text);
}

Result<std::vector<FoundEntry>> find_entries(std::string_view text, ops::AgentSyntax syntax,
                                             const std::vector<std::string>& path) {
    return syntax == ops::AgentSyntax::json ? find_json_entries(text, path) : find_toml_entries(text, path);
}

Result<EditedText> set_entry(std::string_view text, const ops::Agent& agent, const ops::AgentEntry& entry) {
    auto edited = agent.syntax == ops::AgentSyntax::json ? set_json_entry(text, agent, entry)
                                                         : set_toml_entry(text, agent, entry);
    if (!edited) return edited.error();
    // What is about to be written must be found again, or a file of the user's is at stake.
    const std::vector<std::string> path = {std::string(agent.table)};
    const auto found = find_entries(edited->text, agent.syntax, path);
    const auto is_there = [&](const FoundEntry& each) {
        const auto members = ops::entry_members(agent, entry);
        return each.name == entry.name && std::all_of(members.begin(), members.end(), [&](const auto& member) {
                   return holds(each.find(member.first), member);
               });
    };
    if (!found || std::none_of(found->begin(), found->end(), is_there))
        return Error{ErrorCode::corrupt, "the changed file would not be understood"};
    return edited;
}

Result<EditedText> remove_entry(std::string_view text, const ops::Agent& agent, std::string_view name) {
    auto edited = agent.syntax == ops::AgentSyntax::json ? remove_json_entry(text, agent, name)
                                                         : remove_toml_entry(text, agent, name);
    if (!edited || edited->change == Change::none) return edited;
    const std::vector<std::string> path = {std::string(agent.table)};
    auto before = find_entries(text, agent.syntax, path);
    const auto after = find_entries(edited->text, agent.syntax, path);
    if (before) std::erase_if(*before, [name](const FoundEntry& each) { return each.name == name; });
    const auto is_same = [](const FoundEntry& a, const FoundEntry& b) {
        return a.name == b.name &&
               std::equal(a.members.begin(), a.members.end(), b.members.begin(), b.members.end(),
                          [](const auto& x, const auto& y) { return x.name == y.name && x.value == y.value; });
    };
    if (!before || !after || !std::equal(before->begin(), before->end(), after->begin(), after->end(), is_same))
        return Error{ErrorCode::corrupt, "the changed file would not be understood"};
    return edited;
}

bool is_form_member(std::string_view name) noexcept { return is_one_of(name, form_members); }

bool belongs_to_other_form(std::string_view name, const ops::AgentEntry& entry) noexcept {
    return entry.command.empty() ? is_one_of(name, stdio_members) : is_one_of(name, http_members);
}

std::optional<std::string> corrected_type(std::string_view type, const ops::AgentEntry& entry) {
    if (entry.command.empty()) return is_one_of(type, http_types) ? std::nullopt : std::optional<std::string>("http");
    return type == "stdio" ? std::nullopt : std::optional<std::string>("stdio");
}

bool holds(const EntryMember* found, const ops::AgentMember& wanted) {
    if (found == nullptr) return false;
    if (const auto* headers = std::get_if<ops::AgentHeaders>(&wanted.second)) {
        const auto* has = std::get_if<ops::AgentHeaders>(&found->value);
        return has != nullptr && std::all_of(headers->begin(), headers->end(), [has](const auto& each) {
                   return std::find(has->begin(), has->end(), each) != has->end();
               });
    }
    if (const auto* text = std::get_if<std::string>(&wanted.second))
        return std::holds_alternative<std::string>(found->value) && std::get<std::string>(found->value) == *text;
    const auto* words = std::get_if<std::vector<std::string>>(&found->value);
    return words != nullptr && *words == std::get<std::vector<std::string>>(wanted.second);
}

ops::AgentMember merge(const EntryMember& found, const ops::AgentMember& wanted) {
    const auto* headers = std::get_if<ops::AgentHeaders>(&wanted.second);
    const auto* others = std::get_if<ops::AgentHeaders>(&found.value);
    if (headers == nullptr || others == nullptr) return wanted;
    ops::AgentHeaders all;
    for (const auto& each : *others) {
        const bool is_replaced = std::any_of(headers->begin(), headers->end(), [&each](const auto& own) {
            return ::strcasecmp(own.first.c_str(), each.first.c_str()) == 0;
        });
        if (!is_replaced) all.push_back(each);
    }
    all.insert(all.end(), headers->begin(), headers->end());
    return {wanted.first, std::move(all)};
}

bool is_token_alone(const EntryValue& value) noexcept {
    const auto* headers = std::get_if<ops::AgentHeaders>(&value);
    return headers != nullptr && headers->size() == 1 && headers->front().first == "Authorization" &&
           headers->front().second.starts_with("Bearer ");
}

Error foreign_member_error(std::string_view position, std::string_view member, const ops::AgentEntry& entry) {
    return Error{ErrorCode::conflict,
                 fmt::format("{}: \"{}\" of the entry \"{}\" is for {} alone; remove it, or {}", position, member,
                             entry.name, entry.command.empty() ? "a command" : "a URL",
                             entry.command.empty() ? "leave out --http" : "give --http or another --name")};
}

}  // namespace persistproc::cli::agents
