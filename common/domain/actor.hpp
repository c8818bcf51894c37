#pragma once
#include <string>
#include <string_view>

namespace persistproc::domain {

/// Whether an actor, as a client called itself, is our command line: the person's own.
inline bool is_own_client(std::string_view actor) noexcept {
    return actor == "persistproc" || actor.starts_with("persistproc ");
}

/// `by agent "codex" 1.2`, "from a command line": whoever types in a shell may be the person or an agent.
inline std::string by_whom(std::string_view actor) {
    return is_own_client(actor) ? "from a command line" : "by " + std::string(actor);
}

}  // namespace persistproc::domain
