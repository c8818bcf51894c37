#include "cli/agents/toml_edit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "cli/agents/position.hpp"
#include "cli/agents/toml_document.hpp"

namespace persistproc::cli::agents {

namespace {

using Statements = std::vector<TomlStatement>;

Error unexpected(std::string_view text, std::size_t offset, std::string_view why) {
    return Error{ErrorCode::corrupt, fmt::format("{}: {}", position_text(text, offset), why)};
}

bool begins_with(const TomlKey& key, const TomlKey& prefix) {
    return key.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), key.begin());
}

EntryValue entry_value(const TomlValue& value) {
    switch (value.kind) {
        case TomlValue::Kind::string: return value.text;
        case TomlValue::Kind::yes: return true;
        case TomlValue::Kind::no: return false;
        case TomlValue::Kind::array: {
            std::vector<std::string> words;
            for (const TomlValue& item : value.items) {
                if (item.kind != TomlValue::Kind::string) return std::monostate();
                words.push_back(item.text);
            }
            return words;
        }
        default: return std::monostate();
    }
}

EntryMember entry_member(std::string name, const TomlValue& value) {
    const bool is_empty = (value.kind == TomlValue::Kind::string && value.text.empty()) ||
                          (value.kind == TomlValue::Kind::array && value.items.empty()) ||
                          (value.kind == TomlValue::Kind::table && value.pairs.empty());
    return {std::move(name), entry_value(value), is_empty};
}

/// Collects entries in the order of their first appearance.
class Entries {
public:
    Entries(std::string_view text, TomlKey table) : text_(text), table_(std::move(table)) {}

    void add(const TomlStatement& statement) {
        if (!begins_with(statement.path, table_)) return;
        const TomlKey rest(statement.path.begin() + static_cast<std::ptrdiff_t>(table_.size()), statement.path.end());
        if (statement.kind == TomlStatement::Kind::pair) {
            add(rest, statement.value, statement.begin);
        } else if (!rest.empty()) {
            FoundEntry& entry = named(rest[0], statement.begin);
            entry.is_table = entry.is_table && statement.kind == TomlStatement::Kind::header;
            if (rest.size() > 1) add_member(entry, rest[1], TomlValue{}, false);
        }
    }

    std::vector<FoundEntry> take() { return std::move(entries_); }

private:
    void add(const TomlKey& rest, const TomlValue& value, std::size_t offset) {
        if (rest.size() < 2 && value.kind == TomlValue::Kind::table) {
            if (rest.size() == 1) named(rest[0], offset);
            for (const TomlPair& pair : value.pairs) {
                TomlKey inner = rest;
                inner.insert(inner.end(), pair.key.begin(), pair.key.end());
                add(inner, pair.value, offset);
            }
            return;
        }
        if (rest.empty()) return;
        FoundEntry& entry = named(rest[0], offset);
        if (rest.size() == 1)
            entry.is_table = false;
        else
            add_member(entry, rest[1], value, rest.size() == 2);
    }
    /// A member that is a table of its own, or a part of one, counts once and is not empty.
    static void add_member(FoundEntry& entry, const std::string& name, const TomlValue& value, bool is_whole) {
        if (is_whole)
            entry.members.push_back(entry_member(name, value));
        else if (entry.find(name) == nullptr)
            entry.members.push_back({name, std::monostate(), false});
    }
    FoundEntry& named(const std::string& name, std::size_t offset) {
        for (FoundEntry& entry : entries_)
            if (entry.name == name) return entry;
        FoundEntry& entry = entries_.emplace_back();
        entry.name = name;
        entry.position = position_text(text_, offset);
        return entry;
    }

    std::string_view text_;
    TomlKey table_;
    std::vector<FoundEntry> entries_;
};

std::string render_line(const api::AgentMember& member, std::string_view newline) {
    return fmt::format("{} = {}{}", member.first, api::quote_value(member), newline);
}

std::string render_table(const api::Agent& agent, const api::AgentEntry& entry, std::string_view newline) {
    std::string out = fmt::format("[{}.{}]{}", agent.table, entry.name, newline);
    for (const auto& member : api::entry_members(agent, entry)) out += render_line(member, newline);
    return out;
}

/// Where our entry stands.
struct Place {
    std::optional<std::size_t> home;             // the header [table.name]
    std::optional<std::size_t> first_sub_table;  // a header [table.name.…]
    std::vector<std::size_t> members;            // pairs directly under home
};

/// Errors: corrupt, for forms that are right in TOML and that we leave to their author.
Result<Place> find_place(std::string_view text, const Statements& statements, const TomlKey& table,
                         const TomlKey& whole) {
    Place place;
    for (std::size_t i = 0; i < statements.size(); ++i) {
        const TomlStatement& each = statements[i];
        if (each.path == table && each.kind != TomlStatement::Kind::header)
            return unexpected(text, each.begin,
                              each.is_header() ? fmt::format("{} is a list of tables", table[0])
                                               : fmt::format("{} is written as a value on one line", table[0]));
        if (!begins_with(each.path, whole)) continue;
        if (each.is_header() && each.path.size() > whole.size()) {
            if (!place.first_sub_table) place.first_sub_table = i;
        } else if (each.is_header()) {
            if (each.kind == TomlStatement::Kind::array_header)
                return unexpected(text, each.begin, fmt::format("{}.{} is a list of tables", whole[0], whole[1]));
            if (place.home)
                return unexpected(text, each.begin, fmt::format("[{}.{}] is there more than once", whole[0], whole[1]));
            place.home = i;
        } else if (each.path.size() == whole.size()) {
            return unexpected(text, each.begin,
                              fmt::format("{}.{} is written as a value on one line", whole[0], whole[1]));
        } else if (place.home && each.header == *place.home) {
            place.members.push_back(i);
        } else if (each.header == static_cast<std::size_t>(-1) || statements[each.header].path.size() < whole.size()) {
            return unexpected(text, each.begin, fmt::format("{}.{} is written with dotted keys", whole[0], whole[1]));
        }
    }
    return place;
}

Result<void> check_members(std::string_view text, const Statements& statements, const Place& place,
                           const TomlKey& whole, const api::AgentEntry& entry) {
    std::map<std::string, int> count;
    for (const std::size_t index : place.members) {
        const TomlStatement& each = statements[index];
        if (is_form_member(each.key[0]) && (each.key.size() > 1 || ++count[each.key[0]] > 1))
            return unexpected(text, each.begin, fmt::format("{} is there more than once", each.key[0]));
    }
    for (const TomlStatement& each : statements) {
        if (!begins_with(each.path, whole) || each.path.size() == whole.size()) continue;
        const std::string& name = each.path[whole.size()];
        const bool is_empty = each.kind == TomlStatement::Kind::pair && each.path.size() == whole.size() + 1 &&
                              entry_member(name, each.value).is_empty;
        if (belongs_to_other_form(name, entry) && !is_empty)
            return foreign_member_error(position_text(text, each.begin), name, entry);
    }
    return {};
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

EditedText update_entry(std::string_view text, const Statements& statements, const Place& place,
                        const api::Agent& agent, const api::AgentEntry& entry) {
    const std::string_view newline = newline_of(text);
    const TomlStatement& home = statements[*place.home];
    const auto wanted = api::entry_members(agent, entry);
    std::vector<Replacement> changes;
    std::string missing;
    const TomlStatement* last = &home;
    for (const std::size_t index : place.members) last = &statements[index];
    const std::string indent(line_indent(text, last->begin));
    for (const auto& each : wanted) {
        const TomlStatement* found = nullptr;
        for (const std::size_t index : place.members)
            if (statements[index].key == TomlKey{each.first}) found = &statements[index];
        if (found == nullptr) {
            missing += indent + render_line(each, newline);
        } else if (const EntryMember member = entry_member(each.first, found->value); !holds(&member, each)) {
            changes.push_back({found->value.begin, found->value.end, api::quote_value(each)});
        }
    }
    if (!missing.empty()) {
        if (!text.substr(0, last->line_end).ends_with('\n')) {
            missing.insert(0, newline);
            missing.resize(missing.size() - newline.size());
        }
        changes.push_back({last->line_end, last->line_end, missing});
    }
    for (const std::size_t index : place.members) {
        const TomlStatement& each = statements[index];
        const std::string& name = each.key[0];
        const bool is_wanted =
            std::any_of(wanted.begin(), wanted.end(), [&](const auto& member) { return member.first == name; });
        if (is_wanted || !(is_form_member(name) || belongs_to_other_form(name, entry))) continue;
        if (name == "type") {
            if (const auto type = corrected_type(each.value.text, entry))
                changes.push_back({each.value.begin, each.value.end, api::quote_text(*type)});
        } else {
            changes.push_back({each.line_begin, each.line_end, ""});
        }
    }
    EditedText out;
    out.change = changes.empty() ? Change::none : Change::updated;
    out.text = apply(text, std::move(changes));
    return out;
}

}  // namespace

Result<std::vector<FoundEntry>> find_toml_entries(std::string_view text, const std::vector<std::string>& path) {
    const auto statements = parse_toml(text);
    if (!statements) return statements.error();
    Entries entries(text, path);
    for (const TomlStatement& statement : *statements) entries.add(statement);
    return entries.take();
}

Result<EditedText> set_toml_entry(std::string_view text, const api::Agent& agent, const api::AgentEntry& entry) {
    const auto statements = parse_toml(text);
    if (!statements) return statements.error();
    const TomlKey table = {std::string(agent.table)};
    const TomlKey whole = {table[0], entry.name};
    EditedText out;
    const auto place = find_place(text, *statements, table, whole);
    if (!place) {
        // Whatever its form: where it says what it should, there is nothing to do.
        Entries entries(text, table);
        for (const TomlStatement& statement : *statements) entries.add(statement);
        const auto members = api::entry_members(agent, entry);
        for (const FoundEntry& each : entries.take()) {
            if (each.name != entry.name || each.members.size() != members.size()) continue;
            if (!std::all_of(members.begin(), members.end(),
                             [&](const auto& member) { return holds(each.find(member.first), member); }))
                continue;
            out.text = text;
            return out;
        }
        return place.error();
    }
    if (auto checked = check_members(text, *statements, *place, whole, entry); !checked) return checked.error();
    if (place->home) return update_entry(text, *statements, *place, agent, entry);

    const std::string newline(newline_of(text));
    out.change = Change::added;
    if (place->first_sub_table) {
        // A sub-table of the user's without its table: ours comes first, as people write it.
        const std::size_t at = (*statements)[*place->first_sub_table].line_begin;
        out.text = apply(text, {{at, at, render_table(agent, entry, newline) + newline}});
        return out;
    }
    out.text = text;
    const std::string_view content = text.substr(mark_size(text));
    if (!content.empty() && !content.ends_with('\n')) out.text += newline;
    if (!is_blank(content) && !content.ends_with(newline + newline)) out.text += newline;
    out.text += render_table(agent, entry, newline);
    return out;
}

}  // namespace persistproc::cli::agents
