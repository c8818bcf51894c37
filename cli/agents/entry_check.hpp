#pragma once
/// What is right and wrong with an entry that somebody, or an older version, wrote into an agent's file. Pure.
#include <functional>
#include <string>
#include <string_view>

#include "cli/agents/entry.hpp"

namespace persistproc::cli::agents {

enum class Verdict { ok, note, problem };

struct Finding {
    Verdict verdict = Verdict::ok;
    std::string detail;
    std::string advice;  // what to do; empty: nothing
};

struct Expected {
    std::string endpoint;                               // "http://127.0.0.1:8947/mcp"
    bool daemon_answers = false;                        // at that endpoint; false: it is where one would be
    bool needs_token = false;                           // of entries with a URL
    bool is_project = false;                            // the file comes with a project: somebody else's word
    std::string token;                                  // empty: it cannot be read
    std::function<bool(const std::string&)> can_start;  // whether a command is found as agents look for it
};

/// Whether it holds a URL in whatever member an agent may look for it.
bool names_url(const FoundEntry& entry);

/// By its name, its URL or its command.
bool is_ours(const FoundEntry& entry, const Expected& expected);

/// What an entry in a project's file sets beside what we would write there, as "\"env\" and \"cwd\"": by those whoever
/// made the project decides what is run, and how. Empty: nothing, or nothing but what does no harm (a timeout).
std::string other_members(const FoundEntry& entry);

/// Whether an entry of this name in a project's file may be taken for ours, or made ours. Errors: conflict
/// (`other_members`), corrupt (as find_entries).
Result<void> check_project_entry(std::string_view text, const ops::Agent& agent, std::string_view name);

/// `repair` is the command that rewrites the entry. Values that may be secrets (headers, variables, the query and user
/// of a URL) appear nowhere in the finding.
Finding check_entry(const ops::Agent& agent, const FoundEntry& entry, const Expected& expected,
                    std::string_view repair);

}  // namespace persistproc::cli::agents
