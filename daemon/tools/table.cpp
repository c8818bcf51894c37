#include "daemon/tools/tools.hpp"

namespace persistproc::tools {

void add_all(mcp::Server& server, Core core) {
    add_start_process(server, core);
    add_stop_process(server, core);
    add_restart_process(server, core);
    add_list_processes(server, core);
    add_get_process_output(server, core);
    add_wait_for_process(server, core);
    add_client_operations(server, core);
}

}  // namespace persistproc::tools
