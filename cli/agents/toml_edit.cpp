#include "cli/agents/toml_edit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "common/base/text.hpp"
#include "common/config/position.hpp"
#include "common/config/toml_bounds.hpp"
#include "common/config/toml_parser.hpp"

namespace persistproc::cli::agents {

namespace {

std::string shown(const toml::source_position& at) { return fmt::format("line {}, column {}", at.line, at.column); }

Error unexpected(const toml::source_position& at, std::string_view why) {
    return Error{ErrorCode::corrupt, fmt::format("{}: {}", shown(at), why)};
}

Result<toml::table> parse(std::string_view text) {
    if (auto fits = config::check_toml_bounds(text); !fits) return Error{ErrorCode::corrupt, fits.error().message};
    auto parsed = toml::parse(text);
    if (!parsed) return unexpected(parsed.error().source().begin, base::escape_line(parsed.error().description()));
    return std::move(parsed).table();
}

/// The byte of the text that the parser calls `at`; its columns are characters, as ours.
std::size_t offset_of(std::string_view text, const toml::source_position& at) {
    std::size_t offset = config::mark_size(text);
    for (auto line = at.line; line > 1; --line) offset = config::line_end(text, offset);
    for (auto column = at.column; column > 1 && offset < text.size(); --column) {
        ++offset;
        while (offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xc0u) == 0x80u) ++offset;
    }
    return offset;
}

bool is_written_apart(const toml::node& node) {
    const auto* const table = node.as_table();
    return table != nullptr && !table->is_inline();
}

/// Where the statement begins that the node is of: its header's bracket, or its key.
toml::source_position begin_of(const toml::key& key, const toml::node& node) {
    const auto at = node.source().begin;
    return is_written_apart(node) || at < key.source().begin ? at : key.source().begin;
}

EntryValue entry_value(const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* value = node.as_boolean()) return value->get();
    if (const auto* table = node.as_table()) {
        ops::AgentHeaders texts;
        for (const auto& [key, value] : *table) {
            if (!value.is_string()) return std::monostate();
            texts.emplace_back(std::string(key.str()), value.as_string()->get());
        }
        return texts;
    }
    if (!node.is_array()) return std::monostate();
    std::vector<std::string> words;
    for (const toml::node& item : *node.as_array()) {
        if (!item.is_string()) return std::monostate();
        words.push_back(item.as_string()->get());
    }
    return words;
}

EntryMember entry_member(const toml::key& key, const toml::node& node) {
    const auto* text = node.as_string();
    const bool is_empty = (text != nullptr && text->get().empty()) || (node.is_array() && node.as_array()->empty()) ||
                          (node.is_table() && node.as_table()->is_inline() && node.as_table()->empty());
    EntryMember out{std::string(key.str()), entry_value(node), is_empty};
    out.is_empty = out.is_empty || (!is_written_apart(node) && is_token_alone(out.value));
    return out;
}

std::vector<FoundEntry> entries_of(const toml::table& servers) {
    std::vector<std::pair<toml::source_position, FoundEntry>> found;
    for (const auto& [key, node] : servers) {
        FoundEntry entry;
        entry.name = key.str();
        entry.position = shown(begin_of(key, node));
        entry.is_table = node.is_table();
        if (entry.is_table)
            for (const auto& [name, member] : *node.as_table()) entry.members.push_back(entry_member(name, member));
        found.emplace_back(begin_of(key, node), std::move(entry));
    }
    // The parser's tables are sorted by name.
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<FoundEntry> out;
    for (auto& each : found) out.push_back(std::move(each.second));
    return out;
}

std::string render_line(const ops::AgentMember& member, std::string_view newline) {
    return fmt::format("{} = {}{}", member.first, ops::quote_value(member, ops::AgentSyntax::toml), newline);
}

std::string render_table(const ops::Agent& agent, const ops::AgentEntry& entry, std::string_view newline) {
    std::string out = fmt::format("[{}.{}]{}", agent.table, entry.name, newline);
    for (const auto& member : ops::entry_members(agent, entry)) out += render_line(member, newline);
    return out;
}

struct Replacement {
    std::size_t begin = 0, end = 0;
    std::string text;
};

std::string apply(std::string_view text, std::vector<Replacement> replacements) {
    std::stable_sort(replacements.begin(), replacements.end(),
                     [](const Replacement& a, const Replacement& b) { return a.begin < b.begin; });
    std::string out;
    std::size_t at = 0;
    for (const Replacement& each : replacements) {
        out += text.substr(at, each.begin - at);
        out += each.text;
        at = each.end;
    }
    return out += text.substr(at);
}

/// How a table is written. Forms that are right in TOML and not changed here are left to their author.
enum class Form { by_header, by_sub_tables, as_value, with_dotted_keys };

Form form_of(std::string_view text, const toml::table& table) {
    if (table.is_inline()) return Form::as_value;
    const auto at = table.source().begin;
    if (text[offset_of(text, at)] != '[') return Form::with_dotted_keys;
    // A table that only its sub-tables name stands where the first of them does.
    const bool is_implied =
        std::any_of(table.begin(), table.end(), [&](const auto& each) { return each.second.source().begin == at; });
    return is_implied ? Form::by_sub_tables : Form::by_header;
}

/// Past the last byte of what `node` is written with under its table's header; nothing: it has headers of its own.
std::optional<std::size_t> end_under_header(std::string_view text, const toml::node& node) {
    if (!is_written_apart(node)) {
        const bool has_header = node.is_array_of_tables() && text[offset_of(text, node.source().begin) + 1] == '[';
        return has_header ? std::nullopt : std::optional(offset_of(text, node.source().end));
    }
    if (text[offset_of(text, node.source().begin)] == '[') return std::nullopt;
    std::optional<std::size_t> end;
    for (const auto& [key, inner] : *node.as_table()) end = std::max(end, end_under_header(text, inner));
    return end;
}

/// Takes the lines along from the one where `begin` is to the one where `last` is; and a blank line before them where
/// none is needed.
void remove_lines(std::string_view text, std::size_t begin, std::size_t last, std::vector<Replacement>& out) {
    begin = config::line_begin(text, begin);
    const std::size_t end = config::line_end(text, last);
    const bool is_apart = end == text.size() || config::is_blank(text.substr(end, config::line_end(text, end) - end));
    const std::size_t before = begin == 0 ? 0 : config::line_begin(text, begin - 1);
    if (is_apart && begin > config::mark_size(text) && config::is_blank(text.substr(before, begin - before)))
        begin = before;
    out.push_back({begin, end, ""});
}

/// What stands below it at any depth, as far as `max_members`.
std::size_t count_members(const toml::node& node) {
    std::size_t out = 0;
    const auto add = [&out](const toml::node& inner) {
        if (out <= max_members) out += 1 + count_members(inner);
    };
    if (const auto* table = node.as_table())
        for (const auto& [key, inner] : *table) add(inner);
    if (const auto* list = node.as_array())
        for (const auto& inner : *list) add(inner);
    return out;
}

/// Errors: corrupt, when the place of each member, which is looked for from the beginning, would take for ever.
Result<void> check_members(const toml::key& key, const toml::node& node) {
    if (count_members(node) <= max_members) return {};
    return unexpected(begin_of(key, node), fmt::format("more than {} members", max_members));
}

/// All lines that `node` is written with, wherever they stand.
void remove_node(std::string_view text, const toml::key& key, const toml::node& node, std::vector<Replacement>& out) {
    if (const auto* tables = node.as_array(); tables != nullptr && !end_under_header(text, node)) {
        for (const toml::node& each : *tables) remove_node(text, key, each, out);
        return;
    }
    if (!is_written_apart(node)) {
        remove_lines(text, offset_of(text, key.source().begin), offset_of(text, node.source().end) - 1, out);
        return;
    }
    const toml::table& table = *node.as_table();
    const bool has_header = form_of(text, table) == Form::by_header;
    std::size_t last = offset_of(text, table.source().begin);
    for (const auto& [name, inner] : table) {
        const auto end = end_under_header(text, inner);
        if (end && has_header)
            last = std::max(last, *end - 1);
        else
            remove_node(text, name, inner, out);
    }
    if (has_header) remove_lines(text, offset_of(text, table.source().begin), last, out);
}

Result<EditedText> update_entry(std::string_view text, const toml::table& table, const ops::Agent& agent,
                                const ops::AgentEntry& entry) {
    const std::string_view newline = config::newline_of(text);
    const auto wanted = ops::entry_members(agent, entry);
    std::size_t last = offset_of(text, table.source().begin);
    std::vector<Replacement> changes;
    for (const auto& [key, node] : table) {
        const auto end = end_under_header(text, node);
        if (end) last = std::max(last, *end - 1);
        const std::string name(key.str());
        const auto found =
            std::find_if(wanted.begin(), wanted.end(), [&](const auto& each) { return each.first == name; });
        const EntryMember member = entry_member(key, node);
        if (found != wanted.end() && holds(&member, *found)) continue;
        const bool is_ours = is_form_member(name) || found != wanted.end();
        if (is_ours && (is_written_apart(node) || !end))
            return unexpected(begin_of(key, node), fmt::format("{} is a table", name));
        if (!is_ours && !belongs_to_other_form(name, entry)) continue;
        const auto begin = offset_of(text, node.source().begin);
        if (found != wanted.end()) {
            const auto value = merge(member, *found);
            changes.push_back({begin, *end, ops::quote_value(value, ops::AgentSyntax::toml)});
        } else if (name == "type") {
            const auto* type = std::get_if<std::string>(&member.value);
            if (const auto right = corrected_type(type == nullptr ? "" : *type, entry))
                changes.push_back({begin, *end, ops::quote_text(*right)});
        } else {
            changes.push_back(
                {config::line_begin(text, offset_of(text, key.source().begin)), config::line_end(text, *end), ""});
        }
    }
    std::string missing;
    for (const auto& each : wanted)
        if (!table.contains(each.first))
            missing += std::string(config::line_indent(text, last)) + render_line(each, newline);
    if (!missing.empty()) {
        const std::size_t at = config::line_end(text, last);
        if (!text.substr(0, at).ends_with('\n')) {
            missing.insert(0, newline);
            missing.resize(missing.size() - newline.size());
        }
        changes.push_back({at, at, missing});
    }
    EditedText out;
    out.change = changes.empty() ? Change::none : Change::updated;
    out.text = apply(text, std::move(changes));
    return out;
}

std::string as_text(const toml::table& document) {
    std::ostringstream out;
    out << document;
    return out.str();
}

/// What is there beside the entry and its members that are ours, as text.
std::string rest_of(toml::table document, const ops::Agent& agent, const ops::AgentEntry& entry) {
    const auto wanted = ops::entry_members(agent, entry);
    const auto is_wanted = [&wanted](std::string_view name) {
        return std::any_of(wanted.begin(), wanted.end(), [name](const auto& each) { return each.first == name; });
    };
    auto* servers = document.get_as<toml::table>(agent.table);
    auto* found = servers == nullptr ? nullptr : servers->get_as<toml::table>(entry.name);
    if (found != nullptr) {
        for (auto member = found->begin(); member != found->end();) {
            const std::string_view name = member->first.str();
            const bool is_ours =
                is_form_member(name) || is_wanted(name) ||
                (belongs_to_other_form(name, entry) && entry_member(member->first, member->second).is_empty);
            member = is_ours ? found->erase(member) : std::next(member);
        }
        if (found->empty()) servers->erase(entry.name);
        if (servers->empty()) document.erase(agent.table);
    }
    return as_text(document);
}

/// What is there beside the whole entry, as text.
std::string rest_without(toml::table document, const ops::Agent& agent, std::string_view name) {
    if (auto* servers = document.get_as<toml::table>(agent.table)) {
        servers->erase(name);
        if (servers->empty()) document.erase(agent.table);
    }
    return as_text(document);
}

Result<EditedText> edit(std::string_view text, const toml::table& document, const ops::Agent& agent,
                        const ops::AgentEntry& entry) {
    const toml::node* const servers = document.get(agent.table);
    if (servers != nullptr && !is_written_apart(*servers))
        return unexpected(
            begin_of(document.find(agent.table)->first, *servers),
            fmt::format("{} is {}", agent.table,
                        servers->is_array_of_tables() ? "a list of tables" : "written as a value on one line"));
    const std::string name = fmt::format("{}.{}", agent.table, entry.name);
    const std::string newline(config::newline_of(text));
    const toml::table* const others = servers == nullptr ? nullptr : servers->as_table();
    const auto found = others == nullptr ? toml::table::const_iterator() : others->find(entry.name);
    EditedText out;
    if (others == nullptr || found == others->end()) {
        out.change = Change::added;
        out.text = text;
        const std::string_view content = text.substr(config::mark_size(text));
        if (!content.empty() && !content.ends_with('\n')) out.text += newline;
        if (!config::is_blank(content) && !content.ends_with(newline + newline)) out.text += newline;
        out.text += render_table(agent, entry, newline);
        return out;
    }
    const auto at = begin_of(found->first, found->second);
    const toml::table* const table = found->second.as_table();
    if (found->second.is_array_of_tables()) return unexpected(at, name + " is a list of tables");
    if (auto fits = check_members(found->first, found->second); !fits) return fits.error();
    const Form form = table == nullptr ? Form::as_value : form_of(text, *table);
    if (form == Form::as_value) return unexpected(at, name + " is written as a value on one line");
    if (form == Form::with_dotted_keys) return unexpected(at, name + " is written with dotted keys");
    for (const auto& [key, node] : *table)
        if (belongs_to_other_form(key.str(), entry) && !entry_member(key, node).is_empty)
            return foreign_member_error(shown(begin_of(key, node)), key.str(), entry);
    if (form == Form::by_header) return update_entry(text, *table, agent, entry);
    for (const auto& [key, node] : *table)
        if (is_form_member(key.str())) return unexpected(begin_of(key, node), fmt::format("{} is a table", key.str()));
    // A sub-table of the user's without its table: ours comes first, as people write it.
    const std::size_t first = config::line_begin(text, offset_of(text, table->source().begin));
    out.change = Change::added;
    out.text = apply(text, {{first, first, render_table(agent, entry, newline) + newline}});
    return out;
}

}  // namespace

Result<std::vector<FoundEntry>> find_toml_entries(std::string_view text, const std::vector<std::string>& path) {
    const auto document = parse(text);
    if (!document) return document.error();
    const toml::table* table = &*document;
    for (const std::string& name : path)
        if (table != nullptr) table = table->get_as<toml::table>(name);
    return table == nullptr ? std::vector<FoundEntry>() : entries_of(*table);
}

Result<EditedText> set_toml_entry(std::string_view text, const ops::Agent& agent, const ops::AgentEntry& entry) {
    const auto document = parse(text);
    if (!document) return document.error();
    // Whatever its form: where it says what it should, there is nothing to do.
    const auto members = ops::entry_members(agent, entry);
    if (const auto* servers = document->get_as<toml::table>(agent.table))
        for (const FoundEntry& each : entries_of(*servers))
            if (each.name == entry.name && each.members.size() == members.size() &&
                std::all_of(members.begin(), members.end(),
                            [&](const auto& member) { return holds(each.find(member.first), member); }))
                return EditedText{std::string(text), Change::none};
    auto edited = edit(text, *document, agent, entry);
    if (!edited) return edited.error();
    // Whatever the columns of the parser were taken for, nothing but the entry may have changed.
    const auto after = parse(edited->text);
    if (!after || rest_of(*after, agent, entry) != rest_of(*document, agent, entry))
        return Error{ErrorCode::corrupt, "the changed file would not be understood"};
    return edited;
}

Result<EditedText> remove_toml_entry(std::string_view text, const ops::Agent& agent, std::string_view name) {
    EditedText out{std::string(text), Change::none};
    const auto document = parse(text);
    if (!document) return document.error();
    const toml::node* const servers = document->get(agent.table);
    const toml::table* const entries = servers == nullptr ? nullptr : servers->as_table();
    if (entries == nullptr || !entries->contains(name)) return out;
    const auto found = entries->find(name);
    if (!is_written_apart(*servers))
        return unexpected(begin_of(found->first, found->second),
                          fmt::format("{} is written as a value on one line", agent.table));
    if (auto fits = check_members(found->first, found->second); !fits) return fits.error();
    std::vector<Replacement> lines;
    remove_node(text, found->first, found->second, lines);
    out.change = Change::removed;
    out.text = apply(text, std::move(lines));
    const auto after = parse(out.text);
    if (!after || rest_without(*after, agent, name) != rest_without(*document, agent, name) ||
        !find_toml_entries(out.text, {std::string(agent.table)}))
        return Error{ErrorCode::corrupt, "the changed file would not be understood"};
    return out;
}

}  // namespace persistproc::cli::agents
