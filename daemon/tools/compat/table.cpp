#include "daemon/tools/compat/compat.hpp"
#include "daemon/tools/compat/control.hpp"
#include "daemon/tools/compat/reading.hpp"
#include "daemon/tools/compat/typed_call.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools::compat {

namespace {

template <class Request>
void add(mcp::Server& server, Shape shape, std::function<Task<mcp::ToolResult>(Request, mcp::CallContext)> answer) {
    server.add_tool(define<Request>(), typed_call<Request>(shape, std::move(answer)));
}

/// Start, stop or restart, by a request that `as` makes one of `ctrl`.
template <class Request, class As>
void add_control(mcp::Server& server, Backend backend, Shape shape, As as) {
    add<Request>(server, shape, [backend, shape, as](Request request, mcp::CallContext context) {
        return control(backend, as(std::move(request)), std::move(context), shape);
    });
}

template <class Request>
void add_facts(mcp::Server& server, Backend backend, Shape shape) {
    add<Request>(server, shape, [backend, shape](Request request, mcp::CallContext) {
        return facts(backend, std::move(request), shape);
    });
}

}  // namespace

void add_original_tools(mcp::Server& server, Backend backend) {
    add_control<ControlRequest>(server, backend, controlled, [](ControlRequest request) { return request; });
    add<ListRequest>(server, listed, [backend](ListRequest request, mcp::CallContext context) {
        return list(backend, std::move(request), std::move(context));
    });
    add<OutputRequest>(server, output_lines, [backend](OutputRequest request, mcp::CallContext context) {
        return output(backend, std::move(request), std::move(context), Generation::later);
    });
    add_control<StartRequest>(server, backend, started,
                              [](StartRequest request) { return as_control(std::move(request)); });
    add_control<StopRequest>(server, backend, stopped,
                             [](StopRequest request) { return as_control(std::move(request), Action::stop); });
    add_control<RestartRequest>(server, backend, restarted,
                                [](RestartRequest request) { return as_control(std::move(request), Action::restart); });
    add_facts<StatusRequest>(server, backend, status_told);
    add_facts<LogPathsRequest>(server, backend, log_paths_told);
    add_facts<FirstStatusRequest>(server, backend, first_info);
    add_facts<FirstLogPathsRequest>(server, backend, first_log_paths);
}

}  // namespace persistproc::tools::compat
