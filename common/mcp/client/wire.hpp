#pragma once
/// One HTTP/1.1 connection to a server; carries one request at a time. A read is pending while an answer is awaited, so
/// the death of the peer is known at once.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/async/clock.hpp"
#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"
#include "common/mcp/http/sse.hpp"

namespace persistproc::mcp::client {

struct Answer {
    unsigned status = 0;
    std::string session;     // Mcp-Session-Id
    bool is_stream = false;  // events, which the sink has seen
    std::string body;        // of everything else
};

/// Takes an event of the answer as it comes. True: enough, the rest is not waited for.
using EventSink = std::function<bool(http::SseEvent event)>;

class Wire {
public:
    /// `peer` is what errors call the other side.
    Wire(boost::asio::any_io_executor executor, base::UniqueFd fd, std::string peer);

    /// Ends what goes on with `unavailable`.
    void close();
    /// Whether the peer has closed it, or sent what nobody asked for.
    bool is_stale();
    /// Whether it may carry another request.
    bool can_stay() const noexcept { return is_open_ && keep_alive_; }
    /// Whether the last request never left this process: nobody can have acted on it.
    bool is_unsent() const noexcept { return sent_ == 0; }
    /// Has `tell` called once the next request, or a part of it, has left this process.
    void when_sent(std::function<void()> tell) { when_sent_ = std::move(tell); }
    /// Grows whenever the peer says anything, comments of a stream included.
    std::uint64_t heard() const noexcept { return heard_; }

    /// Sends `bytes`, which hold `skipped` requests whose answers nobody wants and then one more, and reads the answer
    /// to that one. Errors: unavailable (the connection ended before the answer did), corrupt (no HTTP, or larger than
    /// 64 MiB). Cancelling leaves the connection unusable; `this` must outlive the task.
    Task<Result<Answer>> exchange(std::string bytes, int skipped, EventSink sink);

private:
    Task<Result<Answer>> read_answer(EventSink sink);
    /// The bytes that came; nothing at the end. Throws operation_aborted when cancelled.
    Task<Result<std::size_t>> read_some();
    Error lost(const std::string& why) const;

    boost::asio::generic::stream_protocol::socket socket_;
    std::string peer_;
    std::string input_;
    std::unique_ptr<char[]> chunk_;  // what is being read
    std::size_t sent_ = 0;
    std::function<void()> when_sent_;
    std::uint64_t heard_ = 0;
    bool is_open_ = true;
    bool keep_alive_ = true;
};

/// Completes when the peer has said nothing for `bound`. Whoever waits for an answer races it with this: a peer that is
/// stopped, and not dead, closes nothing.
Task<> until_silent(std::shared_ptr<Wire> wire, async::Clock& clock, std::chrono::nanoseconds bound);

}  // namespace persistproc::mcp::client
