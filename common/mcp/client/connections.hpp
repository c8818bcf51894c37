#pragma once
/// The connections of one client: idle ones are used again, a dead server is tried again with growing pauses.
#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "common/mcp/client/endpoint.hpp"
#include "common/mcp/client/wire.hpp"

namespace persistproc::mcp::client {

/// Opens a connection; see `open_connection`.
using Dial = std::function<Task<Result<base::UniqueFd>>()>;

class Connections {
public:
    /// `clock` must outlive it.
    Connections(boost::asio::any_io_executor executor, Endpoint endpoint, Dial dial, async::Clock& clock);

    /// A connection for as long as one request lasts. Closed at the end unless it was given back.
    class Lease {
    public:
        Lease(Connections* owner, std::shared_ptr<Wire> wire);
        Lease(Lease&& other) noexcept = default;
        Lease& operator=(Lease&&) = delete;
        ~Lease();
        Wire& operator*() const noexcept { return *wire_; }
        Wire* operator->() const noexcept { return wire_.get(); }
        /// The wire, for whoever wants to end the request early.
        const std::shared_ptr<Wire>& wire() const noexcept { return wire_; }
        /// The answer was read whole.
        void give_back();

    private:
        Connections* owner_;
        std::shared_ptr<Wire> wire_;
    };

    /// An idle connection, or a new one. Where nobody listens it tries again for as long as `patience`, with pauses
    /// that grow from 5 ms to 200 ms. Errors: those of the dial; unavailable after `close`.
    Task<Result<Lease>> open(std::chrono::nanoseconds patience);

    /// Closes the idle connections. After one was lost: those to a server that is just dying look alive for a moment.
    void drop_idle();

    /// Ends every request that goes on, with `unavailable`. Nothing is opened after it.
    void close();
    bool is_closed() const noexcept { return closed_; }

    const Endpoint& endpoint() const noexcept { return endpoint_; }
    const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
    async::Clock& clock() const noexcept { return clock_; }

private:
    boost::asio::any_io_executor executor_;
    Endpoint endpoint_;
    Dial dial_;
    async::Clock& clock_;
    std::vector<std::shared_ptr<Wire>> idle_;
    std::set<std::shared_ptr<Wire>> busy_;
    bool closed_ = false;
};

}  // namespace persistproc::mcp::client
