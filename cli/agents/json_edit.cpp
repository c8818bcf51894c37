#include "cli/agents/json_edit.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/config/json_document.hpp"
#include "common/config/position.hpp"

namespace persistproc::cli::agents {

namespace {

using Kind = config::JsonNode::Kind;

Error unexpected(std::string_view text, std::size_t offset, std::string_view why) {
    return Error{ErrorCode::corrupt, fmt::format("{}: {}", config::position_text(text, offset), why)};
}

EntryValue entry_value(const config::JsonNode& node) {
    switch (node.kind) {
        case Kind::string: return node.text;
        case Kind::yes: return true;
        case Kind::no: return false;
        case Kind::array: {
            std::vector<std::string> words;
            for (const config::JsonNode& item : node.items) {
                if (item.kind != Kind::string) return std::monostate();
                words.push_back(item.text);
            }
            return words;
        }
        case Kind::object: {
            ops::AgentHeaders texts;
            for (const config::JsonMember& member : node.members) {
                if (member.value.kind != Kind::string) return std::monostate();
                texts.emplace_back(member.name, member.value.text);
            }
            return texts;
        }
        default: return std::monostate();
    }
}

EntryMember entry_member(const config::JsonMember& member) {
    const config::JsonNode& value = member.value;
    const bool is_empty = (value.kind == Kind::object && value.members.empty()) ||
                          (value.kind == Kind::array && value.items.empty()) ||
                          (value.kind == Kind::string && value.text.empty());
    EntryMember out{member.name, entry_value(value), is_empty};
    out.is_empty = out.is_empty || is_token_alone(out.value);
    return out;
}

/// Looks at the blanks before it alone: a file of one line may have any number of members.
bool is_first_on_line(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(config::mark_size(text), offset - config::mark_size(text));
    const std::size_t last = before.find_last_not_of(" \t");
    return last == std::string_view::npos || before[last] == '\n';
}

/// How the file is written.
struct Style {
    std::string unit = "  ";  // of indentation
    std::string newline = "\n";
    std::string colon = ": ";
    std::string comma = ", ";
};

Style style_of(std::string_view text, const config::JsonNode* root) {
    Style style;
    style.newline = config::newline_of(text);
    if (root == nullptr || root->members.empty()) return style;
    const std::string_view outer = config::line_indent(text, root->begin);
    for (const config::JsonMember& member : root->members) {
        if (!is_first_on_line(text, member.begin)) continue;
        const std::string_view inner = config::line_indent(text, member.begin);
        if (inner.size() > outer.size() && inner.starts_with(outer)) style.unit = inner.substr(outer.size());
        break;
    }
    // Nobody writes a file without spaces on several lines; where one is, it is a program's.
    const config::JsonMember& first = root->members.front();
    if (text[first.value.begin - 1] == ':') {
        style.colon = ":";
        style.comma = ",";
    }
    return style;
}

/// A place's indentation; nothing: everything stands on one line.
using Indent = std::optional<std::string>;
using Rendered = std::vector<std::pair<std::string, std::string>>;

std::string render_object(const Rendered& members, const Style& style, const Indent& indent) {
    std::string out = "{";
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (i > 0) out += indent ? "," : style.comma;
        if (indent) out += style.newline + *indent + style.unit;
        out += ops::quote_text(members[i].first) + style.colon + members[i].second;
    }
    if (indent) out += style.newline + *indent;
    return out + "}";
}

Indent deeper(const Indent& indent, const Style& style) { return indent ? Indent(*indent + style.unit) : std::nullopt; }

/// A file for people has several lines.
bool has_lines(std::string_view text, const config::JsonNode& root) {
    return root.members.empty() || text.substr(root.begin, root.end - root.begin).find('\n') != std::string_view::npos;
}

/// `render(indent)` gives the value for a member at this indentation.
template <class Render>
std::string insert_member(std::string_view text, const config::JsonNode& root, const config::JsonNode& object,
                          const Style& style, std::string_view name, Render render) {
    const std::string_view gap = text.substr(object.content_end, object.end - 1 - object.content_end);
    const bool gap_has_newline = gap.find('\n') != std::string_view::npos;
    const std::string outer(config::line_indent(text, object.begin));
    Indent indent;
    for (const config::JsonMember& member : object.members)
        if (is_first_on_line(text, member.begin)) indent = std::string(config::line_indent(text, member.begin));
    const bool is_bare = object.content_end == object.begin + 1;
    const bool opens = object.members.empty() && is_bare && !gap_has_newline && has_lines(text, root);
    if (!indent && (opens || gap_has_newline || object.ends_in_line_comment)) indent = outer + style.unit;

    std::string inserted;
    if (indent)
        inserted = style.newline + *indent;
    else if (!object.members.empty())
        inserted = style.comma.substr(1);
    else if (!is_bare)
        inserted = " ";
    inserted += ops::quote_text(name) + style.colon + render(indent);
    std::string out(text.substr(0, object.content_end));
    if (!object.members.empty()) {
        const config::JsonMember& last = object.members.back();
        if (last.comma)
            inserted += ",";  // as the file has it
        else
            out.insert(last.value.end, ",");
    }
    if (opens) inserted += style.newline + outer;
    return out + inserted + std::string(text.substr(object.content_end));
}

std::string replace_value(std::string_view text, const config::JsonNode& node, std::string_view value) {
    return std::string(text.substr(0, node.begin)) + std::string(value) + std::string(text.substr(node.end));
}

std::string remove_member(std::string_view text, const config::JsonNode& object, std::size_t index) {
    const config::JsonMember& member = object.members[index];
    std::size_t begin = member.begin, end = member.comma ? *member.comma + 1 : member.value.end;
    const std::size_t end_of_line = config::line_end(text, end);
    const bool is_whole_line = is_first_on_line(text, begin) && end_of_line > end && text[end_of_line - 1] == '\n' &&
                               config::is_blank(text.substr(end, end_of_line - end));
    std::string out(text);
    if (is_whole_line) {
        begin = config::line_begin(text, begin);
        end = end_of_line;
    } else if (member.comma) {
        end = std::min(text.find_first_not_of(" \t", end), text.size());
    }
    // The last one takes the comma before it along, unless commas may stand at the end.
    const bool takes_comma = !member.comma && index > 0;
    const std::size_t comma = takes_comma ? *object.members[index - 1].comma : 0;
    if (takes_comma && !is_whole_line && config::is_blank(text.substr(comma + 1, begin - comma - 1))) {
        out.erase(comma, end - comma);
        return out;
    }
    out.erase(begin, end - begin);
    if (takes_comma) out.erase(comma, 1);
    return out;
}

/// Nothing: there is none. Errors: it is there twice, or no object.
Result<const config::JsonNode*> find_object(std::string_view text, const config::JsonNode& in, std::string_view name) {
    const config::JsonMember* found = in.find(name);
    if (found == nullptr) return nullptr;
    if (in.count(name) > 1) return unexpected(text, found->begin, fmt::format("\"{}\" is there more than once", name));
    if (found->value.kind != Kind::object)
        return unexpected(text, found->value.begin, fmt::format("\"{}\" is no object", name));
    return &found->value;
}

/// The position of each is looked for from the beginning.
Error too_many_servers(std::string_view text, const config::JsonNode& table) {
    return unexpected(text, table.begin, fmt::format("more than {} servers", max_members));
}

/// The entry's object in a document that has it.
const config::JsonNode& entry_node(const config::JsonDocument& document, const ops::Agent& agent,
                                   const ops::AgentEntry& entry) {
    return document.root->find(agent.table)->value.find(entry.name)->value;
}

Result<EditedText> update_entry(std::string text, config::JsonDocument document, const ops::Agent& agent,
                                const ops::AgentEntry& entry) {
    for (const config::JsonMember& member : entry_node(document, agent, entry).members) {
        const bool is_other = belongs_to_other_form(member.name, entry);
        if ((is_other || is_form_member(member.name)) && entry_node(document, agent, entry).count(member.name) > 1)
            return unexpected(text, member.begin, fmt::format("\"{}\" is there more than once", member.name));
        if (is_other && !entry_member(member).is_empty)
            return foreign_member_error(config::position_text(text, member.begin), member.name, entry);
    }
    EditedText out;
    const auto apply = [&](std::string changed) {
        text = std::move(changed);
        out.change = Change::updated;
        // It was understood before, and each change keeps it so.
        document = config::parse_json(text).value();
    };
    const auto wanted = ops::entry_members(agent, entry);
    for (const auto& each : wanted) {
        const config::JsonNode& node = entry_node(document, agent, entry);
        const config::JsonMember* found = node.find(each.first);
        if (found == nullptr) {
            const Style style = style_of(text, &*document.root);
            const std::string value = ops::quote_value(each, agent.syntax);
            apply(insert_member(text, *document.root, node, style, each.first, [&](const Indent&) { return value; }));
        } else if (const EntryMember member = entry_member(*found); !holds(&member, each)) {
            const bool is_odd = std::holds_alternative<ops::AgentHeaders>(each.second) &&
                                !std::holds_alternative<ops::AgentHeaders>(member.value);
            if (is_odd)
                return unexpected(text, found->value.begin, fmt::format("\"{}\" is no object of texts", each.first));
            apply(replace_value(text, found->value, ops::quote_value(merge(member, each), agent.syntax)));
        }
    }
    const auto is_wanted = [&wanted](std::string_view name) {
        return std::any_of(wanted.begin(), wanted.end(), [name](const auto& each) { return each.first == name; });
    };
    for (std::size_t i = 0; i < entry_node(document, agent, entry).members.size();) {
        const config::JsonNode& node = entry_node(document, agent, entry);
        const config::JsonMember& member = node.members[i];
        const bool is_other = is_form_member(member.name) || belongs_to_other_form(member.name, entry);
        if (is_wanted(member.name) || !is_other) {
            ++i;
        } else if (member.name == "type") {
            if (const auto type = corrected_type(member.value.text, entry))
                apply(replace_value(text, member.value, ops::quote_text(*type)));
            ++i;
        } else {
            apply(remove_member(text, node, i));
        }
    }
    out.text = std::move(text);
    return out;
}

}  // namespace

Result<std::vector<FoundEntry>> find_json_entries(std::string_view text, const std::vector<std::string>& path) {
    auto document = config::parse_json(text);
    if (!document) return document.error();
    std::vector<FoundEntry> out;
    if (!document->root) return out;
    if (document->root->kind != Kind::object)
        return unexpected(text, document->root->begin, "the document is no object");
    const config::JsonNode* table = &*document->root;
    for (const std::string& name : path) {
        auto inner = find_object(text, *table, name);
        if (!inner) return inner.error();
        if (*inner == nullptr) return out;
        table = *inner;
    }
    if (table->members.size() > max_members) return too_many_servers(text, *table);
    for (const config::JsonMember& each : table->members) {
        FoundEntry& entry = out.emplace_back();
        entry.name = each.name;
        entry.position = config::position_text(text, each.begin);
        entry.is_table = each.value.kind == Kind::object;
        for (const config::JsonMember& member : each.value.members) entry.members.push_back(entry_member(member));
    }
    return out;
}

Result<EditedText> set_json_entry(std::string_view text, const ops::Agent& agent, const ops::AgentEntry& entry) {
    auto document = config::parse_json(text);
    if (!document) return document.error();
    const config::JsonNode* root = document->root ? &*document->root : nullptr;
    const Style style = style_of(text, root);
    Rendered members;
    for (const auto& member : ops::entry_members(agent, entry))
        members.emplace_back(member.first, ops::quote_value(member, agent.syntax));
    const auto render_entry = [&](const Indent& indent) { return render_object(members, style, indent); };
    const auto render_table = [&](const Indent& indent) {
        return render_object({{entry.name, render_entry(deeper(indent, style))}}, style, indent);
    };
    EditedText out;
    out.change = Change::added;
    if (root == nullptr) {
        out.text = text;
        if (!config::is_blank(text.substr(config::mark_size(text))) && !text.ends_with('\n')) out.text += style.newline;
        const Indent indent = "";
        out.text +=
            render_object({{std::string(agent.table), render_table(style.unit)}}, style, indent) + style.newline;
        return out;
    }
    if (root->kind != Kind::object) return unexpected(text, root->begin, "the document is no object");
    auto table = find_object(text, *root, agent.table);
    if (!table) return table.error();
    if (*table == nullptr) {
        out.text = insert_member(text, *root, *root, style, agent.table, render_table);
        return out;
    }
    if ((*table)->members.size() > max_members) return too_many_servers(text, **table);
    auto found = find_object(text, **table, entry.name);
    if (!found) return found.error();
    if (*found == nullptr) {
        out.text = insert_member(text, *root, **table, style, entry.name, render_entry);
        return out;
    }
    return update_entry(std::string(text), std::move(*document), agent, entry);
}

Result<EditedText> remove_json_entry(std::string_view text, const ops::Agent& agent, std::string_view name) {
    EditedText out{std::string(text), Change::none};
    const auto document = config::parse_json(text);
    if (!document) return document.error();
    if (!document->root) return out;
    if (document->root->kind != Kind::object)
        return unexpected(text, document->root->begin, "the document is no object");
    const auto table = find_object(text, *document->root, agent.table);
    if (!table) return table.error();
    if (*table == nullptr) return out;
    const auto found = find_object(text, **table, name);
    if (!found) return found.error();
    if (*found == nullptr) return out;
    const auto& members = (*table)->members;
    const auto member =
        std::find_if(members.begin(), members.end(), [&](const auto& each) { return each.name == name; });
    out.change = Change::removed;
    out.text = remove_member(text, **table, static_cast<std::size_t>(member - members.begin()));
    // A table that has nothing left is written as one.
    const std::size_t begin = (*table)->begin + 1, end = (*table)->end - 1 - (text.size() - out.text.size());
    if (config::is_blank(std::string_view(out.text).substr(begin, end - begin))) out.text.erase(begin, end - begin);
    return out;
}

}  // namespace persistproc::cli::agents
