#include "common/project/names.hpp"

#include <algorithm>

#include "common/project/foreign.hpp"
#include "common/project/parts.hpp"
#include "common/project/project_files.hpp"

namespace persistproc::project {

namespace {

/// One line, as far as nothing in it is replaced yet.
std::string text_of(const Node* node) {
    if (node == nullptr) return {};
    std::string out = node->text;
    for (const Node& word : node->items) out += (out.empty() ? "" : " ") + word.text;
    return out;
}

std::vector<std::string> words_of(const Node* node) {
    std::vector<std::string> out;
    if (node == nullptr) return out;
    for (const Node& word : node->items) out.push_back(word.text);
    return out;
}

TypedName name_of(const Member& process, const std::string& file) {
    TypedName out;
    out.name = process.key;
    const std::vector<std::string> command = words_of(process.value.find("run"));
    out.script = script_name(file, command);
    if (out.script == out.name) out.script.clear();
    out.about = text_of(process.value.find("description"));
    if (out.about.empty()) out.about = text_of(process.value.find("run"));
    return out;
}

}  // namespace

std::vector<TypedName> find_names(const std::string& directory, const std::optional<std::string>& file,
                                  const std::string& home) {
    std::vector<TypedName> out;
    const auto found = file ? take_project_file(joined_path(directory, *file)) : find_project_file(directory, home);
    if (!found) return out;
    const auto main_copy = find_main_copy(found->repository);
    Lookups lookups;
    lookups.read = [&](const std::string& path) { return read_believed(path, found->repository, main_copy); };
    lookups.exists = is_there;
    lookups.repository = found->repository;
    Loaded loaded;
    Sources sources(lookups, loaded);
    for (const Part& part : read_parts(found->file, lookups, sources, loaded))
        for (const auto& [key, is_group] : {std::pair("process", false), std::pair("groups", true)}) {
            const Node* const table = part.root.find(key);
            if (table == nullptr) continue;
            for (const Member& each : table->members) {
                if (!check_process_name(each.key) || (!is_group && !each.value.is_table())) continue;
                TypedName name = is_group ? TypedName{} : name_of(each, found->file);
                name.name = each.key;
                name.is_group = is_group;
                out.push_back(std::move(name));
            }
        }
    return out;
}

}  // namespace persistproc::project
