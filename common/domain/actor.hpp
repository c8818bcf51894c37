#pragma once
#include <string_view>

namespace persistproc::domain {

/// Whether an actor, as a client called itself, is our command line: the person's own.
inline bool is_own_client(std::string_view actor) noexcept {
    return actor == "persistproc" || actor.starts_with("persistproc ");
}

}  // namespace persistproc::domain
