#pragma once
/// One logical event stream of a session: it outlives the connection that carries it, so that a client whose
/// connection broke can ask for the events after the last one it saw.
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/time.hpp"
#include "common/mcp/http/limits.hpp"

namespace persistproc::mcp::http {

/// The connection that carries a stream at the moment.
class StreamSink {
public:
    virtual ~StreamSink() = default;
    virtual void send_event(std::string_view text) = 0;
    /// Nothing more comes on this connection: the stream has ended, or another connection took it over.
    virtual void end_stream() = 0;
};

/// A call's stream ends with its response; the one of a session's GET goes on, and no response is lost with it.
enum class StreamKind { call, standing };

class Stream {
public:
    Stream(std::uint64_t number, const Limits& limits, StreamKind kind = StreamKind::call)
        : number_(number), limits_(limits), kind_(kind) {}

    std::uint64_t number() const noexcept { return number_; }
    bool has_ended() const noexcept { return has_ended_; }
    bool has_events() const noexcept { return last_ > 0; }
    std::size_t stored_bytes() const noexcept { return bytes_; }

    /// Makes `sink` the carrier; a former one is ended.
    void attach(const std::shared_ptr<StreamSink>& sink);
    /// Sends an event and stores it; without a carrier it only waits in the store.
    void push(std::string data, std::optional<std::uint64_t> retry_ms = std::nullopt);
    void end();
    /// The carrier, if it is still `sink`, has gone; events wait in the store.
    void detach(const StreamSink* sink);
    /// Ends the carrier's connection but not the stream: the client comes back with the last event it saw.
    void let_carrier_go();
    bool has_carrier() const noexcept { return !sink_.expired(); }
    /// Whether every event after `position` is still here.
    bool can_resume(std::uint64_t position) const noexcept;
    /// Attaches `sink` and sends it everything after `position`; ends it if the stream has ended.
    void resume(std::uint64_t position, const std::shared_ptr<StreamSink>& sink);

private:
    struct Stored {
        std::uint64_t position;
        std::string text;
    };

    std::uint64_t number_;
    Limits limits_;
    StreamKind kind_;
    std::deque<Stored> stored_;
    std::size_t bytes_ = 0;
    std::uint64_t last_ = 0;
    std::weak_ptr<StreamSink> sink_;
    bool has_ended_ = false;
};

struct EventId {
    std::uint64_t stream = 0;
    std::uint64_t position = 0;
    StreamKind kind = StreamKind::call;
};
/// "s<stream>-<position>", or with "g" for the stream of a GET.
std::string to_string(const EventId& id);
std::optional<EventId> find_event_id(std::string_view text) noexcept;

}  // namespace persistproc::mcp::http
