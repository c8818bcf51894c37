#pragma once
#include "common/mcp/json_reader.hpp"

namespace persistproc::conformance {

/// Answers elicitation/create without asking anybody: the defaults of its form, or "decline" where a required answer
/// has none, and for everything that is not a form. Pure.
mcp::Json answer_with_defaults(const mcp::Json& params);

}  // namespace persistproc::conformance
