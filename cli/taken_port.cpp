#include "cli/taken_port.hpp"

#include <utility>

#include "common/ops/client_operations.hpp"

namespace persistproc::cli {

Task<std::string> explain_taken_port(DaemonClient& client, ProcessView view) {
    const auto details = co_await client.describe(view.id, view.run);
    co_return details && details->failure ? ops::held_port_text(*details->failure) : std::string();
}

}  // namespace persistproc::cli
