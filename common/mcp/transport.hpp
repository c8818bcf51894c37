#pragma once
/// A channel of whole messages, each one JSON text: what stdio and the in-memory pair are. (HTTP is not one: there
/// every request has a channel of its own, see common/mcp/http.)
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/mcp/server.hpp"

namespace persistproc::mcp {

class Transport {
public:
    virtual ~Transport() = default;
    /// The next message; no value when the peer has closed. One reader at a time. Cancelling loses no message.
    virtual Task<std::optional<std::string>> read() = 0;
    /// Queues a message; ignored after either side has closed.
    virtual void write(std::string message) = 0;
    /// Ends both directions; what was written before still arrives.
    virtual void close() = 0;
};

/// Two ends of one channel; both carry serialised JSON, so that both see the bytes a wire would.
std::pair<std::unique_ptr<Transport>, std::unique_ptr<Transport>> make_memory_transport(
    boost::asio::any_io_executor executor);

/// Serves one client until it closes; its open calls are cancelled then. `server` and `transport` must outlive the
/// task and the calls.
Task<> serve(Server& server, std::shared_ptr<Transport> transport, Audience audience);

}  // namespace persistproc::mcp
