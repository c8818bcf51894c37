#pragma once
/// A client's side of a session (2024-11-05 to 2025-11-25): what its requests carry, and how its streams, which outlive
/// the connections that carry them, are read on.
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/mcp/client/endpoint.hpp"
#include "common/mcp/client/wire.hpp"
#include "common/mcp/json_reader.hpp"
#include "common/mcp/revision.hpp"

namespace persistproc::mcp::client {

struct ClientSession {
    std::string id;                    // Mcp-Session-Id; empty: none
    std::optional<Revision> revision;  // as negotiated; none: not yet, or one that is not known here
    std::uint64_t generation = 0;      // grows with each beginning

    /// What its requests carry: lines that end with CRLF.
    std::string headers() const;
    /// Begins it, perhaps again: with the id of the answer to `initialize`, and the answer's result.
    void begin(std::string its_id, const Json& result);
};

/// How far a stream has been read.
struct Track {
    std::string last_event;
    std::chrono::nanoseconds retry = std::chrono::milliseconds(1000);  // as the server says, from 10 ms to 60 s
    std::uint64_t events = 0;

    void see(const http::SseEvent& event);
    /// Before the stream is asked for again: `retry`, doubled with each failure in a row.
    std::chrono::nanoseconds pause(int failures, std::chrono::nanoseconds longest) const;
};

/// In a row, without an event in between, the rest of an answer is asked for so often.
inline constexpr int max_fruitless = 4;

/// Notes in `track`, which must outlive the sink, what comes, and gives `take` the messages. True: enough.
EventSink tracked(Track* track, std::function<bool(std::string message)> take);

/// The request for what follows on a stream of the session; without an event so far, for the session's own.
std::string stream_request(const Endpoint& endpoint, const ClientSession& session, const Track& track);

/// What came of a request for a stream.
enum class Heard {
    ended,            // by the server: it may be asked for again
    cut,              // the connection was lost
    nobody,           // no connection was to be had
    unknown_session,  // to the server
    not_offered,      // there is no stream of a session
    refused,
};
/// Also forgets in `track` what the server cannot resume: it may be listened to from now on. Pure.
Heard heard(const Result<Answer>& answer, Track& track);

}  // namespace persistproc::mcp::client
