#pragma once
/// Entries in JSON files; see entry.hpp, which is what others use.
#include "cli/agents/entry.hpp"

namespace persistproc::cli::agents {

Result<std::vector<FoundEntry>> find_json_entries(std::string_view text, const std::vector<std::string>& path);
Result<EditedText> set_json_entry(std::string_view text, const ops::Agent& agent, const ops::AgentEntry& entry);
Result<EditedText> remove_json_entry(std::string_view text, const ops::Agent& agent, std::string_view name);

}  // namespace persistproc::cli::agents
