#pragma once
/// A handler for a request of the original's.
#include <functional>
#include <utility>

#include "common/schema/json.hpp"
#include "daemon/tools/compat/answers.hpp"
#include "daemon/tools/tools.hpp"

namespace persistproc::tools::compat {

inline Task<mcp::ToolResult> at_once(mcp::ToolResult result) { co_return result; }

/// As typed_handler, but arguments that are refused are told as every other failure of the original's.
template <class Request>
mcp::ToolHandler typed_call(Shape shape, std::function<Task<mcp::ToolResult>(Request, mcp::CallContext)> handle) {
    return [shape, handle = std::move(handle)](Json arguments, mcp::CallContext context) -> Task<mcp::ToolResult> {
        auto request = schema::parse<Request>(arguments, context.principal.audience());
        if (!request) return at_once(refused(request.error(), shape));
        return handle(std::move(*request), std::move(context));
    };
}

}  // namespace persistproc::tools::compat
