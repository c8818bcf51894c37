#include "daemon/tools/compat/compat.hpp"
#include "daemon/tools/compat/control.hpp"
#include "daemon/tools/compat/reading.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::tools::compat {

namespace {

template <class Request>
void add(mcp::Server& server, Core core, mcp::Annotations annotations,
         Task<mcp::ToolResult> (*answer)(Core, Request, mcp::CallContext)) {
    server.add_tool(define<Request>(annotations),
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
Task<mcp::ToolResult> newest_output(Core core, OutputRequest request, mcp::CallContext) {
    return output(core, std::move(request), 100);
}

}  // namespace

void add_original_tools(mcp::Server& server, Core core) {
    const mcp::Annotations reading{.read_only = true, .idempotent = true};
    const mcp::Annotations starting{.open_world = true};
    const mcp::Annotations ending{.destructive = true};
    const mcp::Annotations anything{.destructive = true, .open_world = true};
    add<ControlRequest>(server, core, anything, control);
    add<ListRequest>(server, core, reading, list);
    add<OutputRequest>(server, core, reading, newest_output);
    add<StartRequest>(server, core, starting, start);
    add<StopRequest>(server, core, ending, stop);
    add<RestartRequest>(server, core, ending, restart);
    add<StatusRequest>(server, core, reading, status);
    add<LogPathsRequest>(server, core, reading, log_paths);
}

}  // namespace persistproc::tools::compat
