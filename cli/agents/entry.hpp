#pragma once
/// An entry for a server in an agent's file, whatever the file's syntax, and the change that sets ours. Pure: texts in,
/// texts out.
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/result.hpp"
#include "common/ops/agent_setup.hpp"

namespace persistproc::cli::agents {

/// A value as far as entries have them; monostate stands for everything else.
using EntryValue = std::variant<std::monostate, bool, std::string, std::vector<std::string>, ops::AgentHeaders>;

struct EntryMember {
    std::string name;
    EntryValue value;
    bool is_empty = false;  // an object, array or string that holds nothing, or nothing but our token
};

/// Servers in a table that is read, and what is in an entry that is changed: a repository's file keeps nobody busy.
inline constexpr std::size_t max_members = 1000;

struct FoundEntry {
    std::string name;
    std::string position;  // "line 3, column 5"
    bool is_table = true;  // false: something else stands under this name
    std::vector<EntryMember> members;

    const EntryMember* find(std::string_view member) const noexcept;
    /// The text of a member; empty: there is none.
    std::string_view text(std::string_view member) const noexcept;
};

/// All entries of the servers' table `path` ({"mcpServers"}); none where there is no such table.
/// Errors: corrupt (not understood: with the position).
Result<std::vector<FoundEntry>> find_entries(std::string_view text, ops::AgentSyntax syntax,
                                             const std::vector<std::string>& path);

enum class Change { none, added, updated, removed };

struct EditedText {
    std::string text;
    Change change = Change::none;
};

/// The text of an agent's file with our entry in it. Every byte outside the entry stays, and so do members of the entry
/// that are not ours; new lines follow the file's own indentation and line ends. An empty text becomes a whole file.
/// Errors: corrupt (the text is not understood, or something stands where our table must be), conflict (the entry
/// holds what only its other form knows); one line that begins with the position.
Result<EditedText> set_entry(std::string_view text, const ops::Agent& agent, const ops::AgentEntry& entry);

/// The text without the entry of this name and all that is in it; every other byte stays, an empty table too. `none`:
/// it is not there. Errors: corrupt, as set_entry.
Result<EditedText> remove_entry(std::string_view text, const ops::Agent& agent, std::string_view name);

/// Ours of one form and not of the other: removed when the form changes.
bool is_form_member(std::string_view name) noexcept;
/// The user's, and of use to the form alone that `entry` has not ("headers" beside a command, "env" beside a URL).
bool belongs_to_other_form(std::string_view name, const ops::AgentEntry& entry) noexcept;
/// What "type" must become beside our members; nothing: it may stay as it is.
std::optional<std::string> corrected_type(std::string_view type, const ops::AgentEntry& entry);

/// Whether the member has this value; of fields to send, whether they are among others.
bool holds(const EntryMember* found, const ops::AgentMember& wanted);
/// What is written instead of what was found: of fields to send, the others stay.
ops::AgentMember merge(const EntryMember& found, const ops::AgentMember& wanted);
/// Fields to send that are the token and nothing else.
bool is_token_alone(const EntryValue& value) noexcept;

Error foreign_member_error(std::string_view position, std::string_view member, const ops::AgentEntry& entry);

}  // namespace persistproc::cli::agents
