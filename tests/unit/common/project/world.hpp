#pragma once
/// Files, variables and a book of ports for loads, all in memory.
#include <map>
#include <string>

#include "common/project/load.hpp"
#include "tests/support/catch.hpp"

namespace persistproc::project {

struct World {
    std::map<std::string, std::string> files;
    std::map<std::string, std::string> variables;
    std::optional<int> base_port;
    int next_port = 20000;

    Lookups lookups() {
        Lookups out;
        out.read = [this](const std::string& path) -> Result<std::string> {
            const auto found = files.find(path);
            if (found == files.end()) return Error{ErrorCode::not_found, path + ": no such file"};
            return found->second;
        };
        out.exists = [this](const std::string& path) { return files.contains(path); };
        out.variable = [this](const std::string& name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
        };
        out.base_port = [this] { return base_port; };
        out.port = [this](const std::string&, const PortWish& wish) -> Result<int> {
            return wish.kind == PortWish::Kind::automatic ? next_port++ : wish.number;
        };
        out.repository = "/shop";
        out.name = "shop";
        return out;
    }

    Loaded load(const std::string& file = "/shop/persistproc.toml") { return project::load(file, lookups()); }

    /// The project, of which nothing is wrong.
    Project good(const std::string& file = "/shop/persistproc.toml") {
        const Loaded loaded = load(file);
        for (const auto& each : loaded.problems) UNSCOPED_INFO(loaded.text(each));
        REQUIRE(loaded.project);
        return *loaded.project;
    }

    /// All that is wrong, as people see it.
    std::vector<std::string> wrong(const std::string& file = "/shop/persistproc.toml") {
        const Loaded loaded = load(file);
        std::vector<std::string> out;
        for (const auto& each : loaded.problems) out.push_back(loaded.text(each));
        return out;
    }
};

/// A world of one file.
inline World world_of(std::string text, const std::string& file = "/shop/persistproc.toml") {
    World out;
    out.files[file] = std::move(text);
    return out;
}

}  // namespace persistproc::project
