#include "daemon/tools/compat/compat.hpp"
#include "daemon/tools/compat/control.hpp"
#include "daemon/tools/compat/reading.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools::compat {

namespace {

template <class Request>
void add(mcp::Server& server, Core core, Task<mcp::ToolResult> (*answer)(Core, Request, mcp::CallContext)) {
    server.add_tool(define<Request>(),
                    typed_handler<Request>([core, answer](Request request, mcp::CallContext context) {
                        return answer(core, std::move(request), std::move(context));
                    }));
}

Task<mcp::ToolResult> start(Core core, StartRequest request, mcp::CallContext context) {
    return control(core, as_control(std::move(request)), std::move(context));
}
Task<mcp::ToolResult> stop(Core core, StopRequest request, mcp::CallContext context) {
    return control(core, as_control(std::move(request), Action::stop), std::move(context));
}
Task<mcp::ToolResult> restart(Core core, RestartRequest request, mcp::CallContext context) {
    return control(core, as_control(std::move(request), Action::restart), std::move(context));
}
Task<mcp::ToolResult> newest_output(Core core, OutputRequest request, mcp::CallContext context) {
    return output(core, std::move(request), std::move(context), 100);
}

}  // namespace

void add_original_tools(mcp::Server& server, Core core) {
    add<ControlRequest>(server, core, control);
    add<ListRequest>(server, core, list);
    add<OutputRequest>(server, core, newest_output);
    add<StartRequest>(server, core, start);
    add<StopRequest>(server, core, stop);
    add<RestartRequest>(server, core, restart);
    add<StatusRequest>(server, core, status);
    add<LogPathsRequest>(server, core, log_paths);
}

}  // namespace persistproc::tools::compat
