#include "cli/taken_port.hpp"

#include <utility>

#include "common/ops/client_operations.hpp"

namespace persistproc::cli {

Task<std::optional<ops::FailureFacts>> find_taken_port(DaemonClient& client, ProcessView view) {
    auto details = co_await client.describe(view.id, view.run);
    if (!details || !details->failure || !details->failure->held_port) co_return std::nullopt;
    co_return std::move(details->failure);
}

Task<std::string> explain_taken_port(DaemonClient& client, ProcessView view) {
    const auto failure = co_await find_taken_port(client, std::move(view));
    co_return failure ? ops::held_port_text(*failure) : std::string();
}

}  // namespace persistproc::cli
