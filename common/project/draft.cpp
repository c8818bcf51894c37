#include "common/project/draft.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "common/project/foreign.hpp"
#include "common/project/parts.hpp"
#include "common/project/project_files.hpp"
#include "common/schema/json.hpp"

namespace persistproc::project {

namespace {

bool is_bare_key(std::string_view key) {
    return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

std::string quoted_text(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\')
            out += {'\\', c};
        else if (c == '\n')
            out += "\\n";
        else if (c == '\t')
            out += "\\t";
        else if (byte < 0x20 || byte == 0x7f)
            out += fmt::format("\\u{:04x}", byte);
        else
            out += c;
    }
    return out + "\"";
}

/// A script keeps its lines where TOML needs no escapes for it.
std::string written(const std::string& text) {
    const bool has_controls = std::any_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f;
    });
    const bool is_script = text.find('\n') != std::string::npos && text.find("'''") == std::string::npos &&
                           !text.ends_with('\'') && !has_controls;
    return is_script ? "'''\n" + text + "'''" : quoted_text(text);
}

std::string key_text(std::string_view key) { return is_bare_key(key) ? std::string(key) : quoted_text(key); }

/// What stands there as it is, though ours would be replaced.
std::string without_references(std::string text) {
    for (std::size_t at = 0; (at = text.find("${", at)) != std::string::npos; at += 3) text.insert(at, 1, '$');
    return text;
}

std::string value_text(const Node& node) {
    if (node.is_list()) {
        std::string out;
        for (const Node& each : node.items) out += (out.empty() ? "" : ", ") + value_text(each);
        return "[" + out + "]";
    }
    if (node.is_table()) {
        std::string out;
        for (const Member& each : node.members)
            if (each.value.kind != Node::Kind::null)
                out += fmt::format("{} {} = {}", out.empty() ? "" : ",", key_text(each.key), value_text(each.value));
        return "{" + out + (out.empty() ? "}" : " }");
    }
    const schema::Json value = to_json(node);
    if (!value.is_string()) return value.dump();
    const std::string text = base::to_valid_utf8(value.get<std::string>());
    return written(node.is_literal ? without_references(text) : text);
}

std::string members_text(const Node& table) {
    std::string out;
    for (const Member& each : table.members)
        if (each.value.kind != Node::Kind::null)
            out += fmt::format("{} = {}\n", key_text(each.key), value_text(each.value));
    return out;
}

std::string document_text(const Node& root, const std::string& from) {
    std::string out = fmt::format("# From {}, by persistproc init. persistproc check shows what it comes to.\n", from);
    Node top = root;
    std::erase_if(top.members, [](const Member& each) { return each.key == "process" || each.key == "groups"; });
    out += members_text(top);
    const Node* const groups = root.find("groups");
    if (groups != nullptr && !groups->members.empty()) out += "\n[groups]\n" + members_text(*groups);
    const Node* const processes = root.find("process");
    if (processes == nullptr) return out;
    for (const Member& each : processes->members)
        out += fmt::format("\n[process.{}]\n{}", key_text(each.key), members_text(each.value));
    return out;
}

}  // namespace

Draft draft_from(const std::string& file, const Lookups& lookups) {
    Draft out;
    Sources sources(lookups, out.read);
    const auto parts = read_parts(file, lookups, sources, out.read);
    if (parts.empty() || !out.read.problems.empty()) return out;
    const Node* const processes = parts.front().root.find("process");
    if (processes == nullptr || processes->members.empty()) return out;
    out.text = document_text(parts.front().root, base::escape_line(file.substr(file.rfind('/') + 1)));
    return out;
}

std::string first_draft() {
    return R"(# The programs of this project. persistproc check shows what it comes to.

[process.web]
run = "npm run dev"
# port = "3000+"          # passed as PORT: this number, or the next that is free
# ready = "/healthz"      # when what waits for it may begin
# env = { NODE_ENV = "development" }
# env_file = ".env"
# depends_on = ["db"]
# restart = "on-failure"

# [process.db]
# run = "postgres -D .pg -p ${db.port}"
# port = "auto"
# ready = { command = "pg_isready -p ${db.port}" }
)";
}

Result<DraftedProject> draft_project(const std::string& directory, const std::optional<std::string>& from) {
    auto found = from ? take_project_file(joined_path(directory, *from)) : find_foreign_file(directory);
    if (!found && (from || found.error().code != ErrorCode::not_found)) return found.error();
    DraftedProject out;
    if (!found) {
        out.file = joined_path(directory, "persistproc.toml");
        out.draft.text = first_draft();
        return out;
    }
    if (kind_of(found->file) == FileKind::own)
        return Error{ErrorCode::invalid, base::escape_line(found->file) + " is no file of another tool"};
    Lookups lookups;
    const auto main_copy = find_main_copy(found->repository);
    lookups.read = [&](const std::string& path) { return read_believed(path, found->repository, main_copy); };
    lookups.exists = is_there;
    lookups.repository = found->repository;
    out.from = found->file;
    out.file = joined_path(project_directory(found->file), "persistproc.toml");
    out.draft = draft_from(found->file, lookups);
    if (!out.draft.read.problems.empty()) return out.draft.read.error();
    if (!out.draft.text.empty()) return out;
    if (from) return Error{ErrorCode::invalid, base::escape_line(found->file) + ": there is no process in it"};
    out.from.clear();
    out.draft.text = first_draft();
    return out;
}

}  // namespace persistproc::project
