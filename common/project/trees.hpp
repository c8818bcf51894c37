#pragma once
/// Texts of three syntaxes as trees. Pure, and linear in the text but for the order of a table's members.
#include <cstddef>
#include <optional>
#include <string_view>

#include "common/project/node.hpp"

namespace persistproc::project {

/// Of one file; toml++ and yaml-cpp call themselves for what is nested.
inline constexpr std::size_t max_file_bytes = 1u << 20;

/// The tree, which is a table, or nothing and one more problem. `file` stands in all places.
std::optional<Node> parse_toml(std::string_view text, std::uint32_t file, Problems& problems);

/// YAML 1.2 as files of process managers have it: one document, aliases copied within a budget, merge keys (`<<`)
/// resolved; doubled keys are refused. Scalars are texts, marked `is_plain` where they had no quotes; a plain `null`
/// or nothing is null.
std::optional<Node> parse_yaml(std::string_view text, std::uint32_t file, Problems& problems);

/// JSON with comments and commas behind the last member. Doubled names are refused.
std::optional<Node> parse_json_tree(std::string_view text, std::uint32_t file, Problems& problems);

}  // namespace persistproc::project
