#pragma once
/// JSON from outside. The bounds hold while parsing: a value that breaks one is never built, so nothing deep can
/// overflow a stack later.
#include <cstddef>
#include <string_view>

#include "common/base/result.hpp"
#include "common/schema/json.hpp"

namespace persistproc::mcp {

using schema::Json;

struct JsonLimits {
    std::size_t depth = 64;
    std::size_t nodes = 100000;  // values and member names
};

/// One JSON text (RFC 8259): UTF-8, no byte order mark, nothing after it, every member name once per object.
/// Pure. Errors: invalid, naming what and at which byte.
Result<Json> read_json(std::string_view text, const JsonLimits& limits = {});

/// Ends an object whose members were mostly moved out. The destructor of nlohmann_json gathers all descendants in a
/// list before it frees them, which costs more than what is left.
void dismantle(Json& object);

}  // namespace persistproc::mcp
