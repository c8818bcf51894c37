#pragma once
/// A project's file as a tree, whatever syntax it had: TOML, YAML and JSON become the same.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/project/problem.hpp"
#include "common/schema/field.hpp"

namespace persistproc::project {

struct Member;

struct Node {
    enum class Kind { null, boolean, integer, number, text, list, table };

    Kind kind = Kind::null;
    Place at;
    bool flag = false;
    std::int64_t integer = 0;
    double number = 0;
    std::string text;
    bool is_plain = false;    // YAML: without quotes, so that who reads it says whether it is a number or a word
    bool is_literal = false;  // a foreign file's: `${a.b}` in it is the shell's
    std::vector<Node> items;
    std::vector<Member> members;  // in the order of the file; no name twice

    /// Null: no table, or none of that name in it. Valid until the table is changed.
    const Node* find(std::string_view key) const noexcept;
    Node* find(std::string_view key) noexcept;
    const Member* find_member(std::string_view key) const noexcept;

    bool is_text() const noexcept { return kind == Kind::text; }
    bool is_table() const noexcept { return kind == Kind::table; }
    bool is_list() const noexcept { return kind == Kind::list; }

    /// "a text", "a table": of what kind it is, for errors.
    std::string_view kind_text() const noexcept;
};

struct Member {
    std::string key;
    Place at;  // of the key
    Node value;
};

Node make_text(std::string text, Place at);
Node make_boolean(bool flag, Place at);
Node make_integer(std::int64_t number, Place at);
Node make_list(Place at);
Node make_table(Place at);
/// Adds a member to a table that has none of this name.
Node& add_member(Node& table, std::string key, Node value);

/// Lays `over` over `base`: tables are joined key by key, anything else is replaced, lists too.
void lay_over(Node& base, Node over);

/// Whether no table or list of it has more members than anybody writes: what is done with one afterwards is not always
/// linear.
inline constexpr std::size_t most_members = 1024;
bool is_within_bounds(const Node& node) noexcept;

/// As JSON, for the readers of single values.
schema::Json to_json(const Node& node);

/// The place that an error is about whose message begins with the path of a value below `node`, which itself has the
/// path `path`: "ready[1].port: …".
Place place_of(const Node& node, const std::string& path, std::string_view message);

}  // namespace persistproc::project
