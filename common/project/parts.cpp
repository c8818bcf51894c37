#include "common/project/parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "common/base/text.hpp"
#include "common/project/foreign.hpp"
#include "common/project/trees.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::project {

namespace {

const std::vector<std::string> top_keys{"name", "include", "env_file", "env", "defaults", "groups", "process", "x"};

/// persistproc.toml has persistproc.local.toml beside it, and "" any other file.
std::string local_path(const std::string& file) {
    constexpr std::string_view ending = ".toml";
    if (kind_of(file) != FileKind::own || !file.ends_with(ending)) return {};
    return file.substr(0, file.size() - ending.size()) + ".local.toml";
}

/// process-compose.yaml has process-compose.override.yaml beside it.
std::string override_path(const std::string& file) {
    const std::size_t dot = file.rfind('.');
    return file.substr(0, dot) + ".override" + file.substr(dot);
}

class PartReader {
public:
    PartReader(const Lookups& lookups, Sources& sources, Loaded& into)
        : lookups_(lookups), sources_(sources), into_(into) {}

    std::vector<Part> read(const std::string& file) {
        if (!add(file, std::nullopt, 0)) return {};
        join_names();
        lay_local_over(file);
        return std::move(parts_);
    }

private:
    void refuse(Place at, std::string what) { add_problem(into_.problems, at, std::move(what)); }

    /// `named_at`: where a file is included; nothing: it is the project's own.
    bool add(const std::string& path, std::optional<Place> named_at, std::size_t depth) {
        const auto file = sources_.read(path, false);
        if (!file) {
            refuse(named_at.value_or(Place{}), file.error().message);
            return false;
        }
        paths_.insert(path);
        auto root = parse(path, *file);
        if (!root) return false;
        check_keys(*root, named_at.has_value());
        const Node include = root->find("include") != nullptr ? *root->find("include") : Node{};
        parts_.push_back({path, directory_of(path), std::move(*root)});
        include_all(include, directory_of(path), depth);
        return true;
    }

    std::optional<Node> parse(const std::string& path, std::uint32_t file) {
        const std::string& text = sources_.bytes(file);
        switch (kind_of(path)) {
            case FileKind::own: return parse_toml(text, file, into_.problems);
            case FileKind::launch_json: return read_launch_json(text, file, into_.problems);
            case FileKind::package_json:
                return read_package_json(text, file, runner_beside(path), into_.problems, into_.notes);
            case FileKind::procfile: return read_procfile(text, file, next_base(directory_of(path)), into_.problems);
            case FileKind::process_compose: break;
        }
        auto root = parse_yaml(text, file, into_.problems);
        if (!root) return std::nullopt;
        const std::string over_path = override_path(path);
        if (const auto over_file = sources_.read(over_path, false)) {
            auto over = parse_yaml(sources_.bytes(*over_file), *over_file, into_.problems);
            if (!over) return std::nullopt;
            lay_over(*root, std::move(*over));
        } else if (over_file.error().code != ErrorCode::not_found) {
            refuse({}, over_file.error().message);
            return std::nullopt;
        }
        return read_process_compose(*root, into_.problems, into_.notes);
    }

    /// By the lock file that lies beside package.json.
    std::string_view runner_beside(const std::string& path) const {
        constexpr std::pair<const char*, std::string_view> locks[] = {
            {"pnpm-lock.yaml", "pnpm"}, {"yarn.lock", "yarn"}, {"bun.lockb", "bun"}, {"bun.lock", "bun"}};
        for (const auto& [name, runner] : locks)
            if (lookups_.exists && lookups_.exists(joined_path(directory_of(path), name))) return runner;
        return "npm";
    }

    /// foreman's: PORT of .env, else of who brings it up. What is wrong with .env is said where it is read for its own
    /// sake.
    std::optional<int> base_port(const std::string& directory) {
        std::optional<int> out = lookups_.base_port ? lookups_.base_port() : std::nullopt;
        if (const auto file = sources_.read(joined_path(directory, ".env"), true)) {
            const auto variables = config::parse_environment_file(sources_.bytes(*file), ".env");
            const auto port = variables ? variables->find("PORT") : domain::Environment::const_iterator{};
            if (variables && port != variables->end()) out = port_in(port->second);
        }
        return out;
    }

    /// No other Procfile of the project begins there.
    BasePort next_base(const std::string& directory) {
        constexpr int usual_base = 5000, step = 1000;
        const auto said = base_port(directory);
        BasePort out{said.value_or(usual_base), said.has_value()};
        while (bases_.contains(out.number) && out.number + step <= 65535) out.number += step;
        bases_.insert(out.number);
        return out;
    }

    void check_keys(Node& root, bool is_included) {
        for (const Member& each : root.members) {
            if (std::find(top_keys.begin(), top_keys.end(), each.key) == top_keys.end())
                refuse(each.at, fmt::format("{}: {}", base::shortened(each.key),
                                            schema::detail::no_such_key(each.key, top_keys)));
            if (is_included && each.key == "name")
                refuse(each.at, "name: the file that includes this one has the name");
        }
        Node* const processes = root.find("process");
        if (processes == nullptr) return;
        if (!processes->is_table()) return refuse(processes->at, "process: tables are expected: [process.NAME]");
        if (processes->members.size() > most_processes) {
            refuse(processes->members[most_processes].at, fmt::format("more than {} processes", most_processes));
            processes->members.resize(most_processes);
        }
        for (const Member& each : processes->members) {
            if (auto fits = check_process_name(each.key); !fits) refuse(each.at, fits.error().message);
            if (!each.value.is_table())
                refuse(each.value.at, fmt::format("process.{}: a table is expected, got {}", base::shortened(each.key),
                                                  each.value.kind_text()));
        }
    }

    void include_all(const Node& include, const std::string& directory, std::size_t depth) {
        if (include.kind == Node::Kind::null) return;
        if (!include.is_list()) return refuse(include.at, "include: a list of files is expected");
        for (const Node& each : include.items) {
            if (!each.is_text() || each.text.empty()) {
                refuse(each.at, "include: a file's name is expected");
                continue;
            }
            const std::string path = joined_path(directory, each.text);
            if (depth + 1 > max_include_depth)
                refuse(each.at, fmt::format("include: more than {} files include each other", max_include_depth));
            else if (!is_within(path, lookups_.repository))
                refuse(each.at,
                       fmt::format("include: {} lies outside of the repository {}", base::quote(base::shortened(path)),
                                   base::escape_line(lookups_.repository)));
            else if (paths_.contains(path))
                refuse(each.at, fmt::format("include: {} is there already", base::quote(base::shortened(path))));
            else
                add(path, each.at, depth + 1);
        }
    }

    /// A process or group that two files define is what neither of them says.
    void join_names() {
        for (const char* const key : {"process", "groups"}) {
            std::map<std::string, Place> seen;
            for (const Part& part : parts_) {
                const Node* const table = part.root.find(key);
                if (table == nullptr) continue;
                for (const Member& each : table->members) {
                    const auto [first, is_new] = seen.emplace(each.key, each.at);
                    if (!is_new)
                        refuse(each.at, fmt::format("{}.{} is defined already: {}:{}", key, base::shortened(each.key),
                                                    base::escape_line(into_.files[first->second.file].path),
                                                    first->second.line));
                }
            }
        }
    }

    void lay_local_over(const std::string& main_file) {
        const std::string path = local_path(main_file);
        if (path.empty()) return;
        const auto file = sources_.read(path, false);
        if (!file) {
            if (file.error().code != ErrorCode::not_found) refuse({}, file.error().message);
            return;
        }
        auto root = parse_toml(sources_.bytes(*file), *file, into_.problems);
        if (!root) return;
        check_keys(*root, false);
        if (const Member* const include = root->find_member("include"))
            return refuse(include->at, "include: what is laid over the project's file adds no files");
        if (Node* const processes = root->find("process"); processes != nullptr && processes->is_table())
            for (Member& each : processes->members) lay_process_over(std::move(each));
        std::erase_if(root->members, [](const Member& each) { return each.key == "process"; });
        lay_over(parts_.front().root, std::move(*root));
    }

    void lay_process_over(Member over) {
        const Node* const removes = over.value.find("remove");
        if (removes != nullptr && removes->kind != Node::Kind::boolean)
            return refuse(removes->at, "remove: true or false is expected");
        const bool is_removed = removes != nullptr && removes->flag;
        std::erase_if(over.value.members, [](const Member& each) { return each.key == "remove"; });
        for (Part& part : parts_) {
            Node* const processes = part.root.find("process");
            if (processes == nullptr || processes->find(over.key) == nullptr) continue;
            if (is_removed)
                std::erase_if(processes->members, [&over](const Member& each) { return each.key == over.key; });
            else
                lay_over(*processes->find(over.key), std::move(over.value));
            return;
        }
        if (is_removed)
            return refuse(over.at, fmt::format("process.{}: there is none to remove", base::shortened(over.key)));
        Node& root = parts_.front().root;
        Node* processes = root.find("process");
        if (processes == nullptr) processes = &add_member(root, "process", make_table(over.at));
        processes->members.push_back(std::move(over));
    }

    const Lookups& lookups_;
    Sources& sources_;
    Loaded& into_;
    std::vector<Part> parts_;
    std::set<std::string> paths_;
    std::set<int> bases_;  // of the Procfiles that were read
};

}  // namespace

Result<std::uint32_t> Sources::read(const std::string& path, bool is_environment) {
    for (std::uint32_t i = 0; i < into_.files.size(); ++i)
        if (into_.files[i].path == path && into_.files[i].is_environment == is_environment) return i;
    auto bytes = lookups_.read(path);
    if (!bytes) return bytes.error();
    total_bytes_ += bytes->size();
    if (total_bytes_ > max_project_bytes)
        return Error{ErrorCode::limit, fmt::format("{}: the project's files are more than {} MiB in all",
                                                   base::escape_line(path), max_project_bytes >> 20)};
    into_.files.push_back({path, std::move(*bytes), is_environment});
    return static_cast<std::uint32_t>(into_.files.size() - 1);
}

std::vector<Part> read_parts(const std::string& file, const Lookups& lookups, Sources& sources, Loaded& into) {
    return PartReader(lookups, sources, into).read(file);
}

std::string joined_path(const std::string& directory, const std::string& path) {
    std::string out = (std::filesystem::path(directory) / path).lexically_normal().native();
    if (out.size() > 1 && out.ends_with('/')) out.pop_back();
    return out;
}

bool is_within(const std::string& path, const std::string& directory) {
    if (directory.empty() || directory == "/") return true;
    return path.starts_with(directory) && path.size() > directory.size() && path[directory.size()] == '/';
}

std::string directory_of(const std::string& path) { return std::filesystem::path(path).parent_path().native(); }

}  // namespace persistproc::project
