#pragma once
/// JSON from outside, and what lies in it. The bounds hold while parsing: a value that breaks one is never built, so
/// nothing deep can overflow a stack later.
#include <cstddef>
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "common/schema/json.hpp"

namespace persistproc::mcp {

using schema::Json;

struct JsonLimits {
    std::size_t depth = 64;
    std::size_t nodes = 100000;  // values and member names
};
/// Answers of servers may be larger than what a server takes from strangers.
inline constexpr JsonLimits answer_limits{.depth = 64, .nodes = 4000000};

/// One JSON text (RFC 8259): UTF-8, no byte order mark, nothing after it, every member name once per object.
/// Pure. Errors: invalid, naming what and at which byte.
Result<Json> read_json(std::string_view text, const JsonLimits& limits = {});

/// The member of an object by its name; null where there is none, or `json` is no object. Pure.
const Json* find_member(const Json& json, std::string_view name) noexcept;
Json* find_member(Json& json, std::string_view name) noexcept;
/// The same of a member that is a string.
const std::string* find_text(const Json& json, std::string_view name) noexcept;

/// Ends an object whose members were mostly moved out. The destructor of nlohmann_json gathers all descendants in a
/// list before it frees them, which costs more than what is left.
void dismantle(Json& object);

}  // namespace persistproc::mcp
