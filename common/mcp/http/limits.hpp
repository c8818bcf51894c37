#pragma once
#include <chrono>
#include <cstddef>
#include <limits>

namespace persistproc::mcp::http {

/// Bounds of the server side (keeping-runs.md, section 5). Defaults are the product's; tests narrow them.
struct Limits {
    std::size_t request_line_bytes = 8u << 10;
    std::size_t header_bytes = 16u << 10;
    std::size_t header_fields = 64;
    std::size_t body_bytes = 4u << 20;
    std::size_t agent_connections = 2048;  // a bridge's are among them
    std::size_t client_connections = 1024;
    int agent_descriptors = std::numeric_limits<int>::max();  // where the next one would be no lower, agents give way
    // Of requests and answers on their way: of agents over TCP, and as much of those behind the bridge. Beyond, the
    // process that holds most gives its oldest.
    std::size_t held_bytes = 9u << 20;
    std::size_t unsent_bytes = 4u << 20;  // agents' answers that were not taken: beyond, who takes none goes soon
    std::size_t sessions = 256;
    std::size_t streams = 512;                 // of calls
    std::size_t standing_streams = 512;        // of GETs, one of a session
    std::size_t streams_per_session = 8;       // of calls
    std::size_t stored_events = 256;           // per stream
    std::size_t stored_bytes = 1u << 20;       // per stream
    std::size_t stored_total = 4u << 20;       // of ended streams
    std::size_t answers_ahead = 64u << 10;     // not taken yet: beyond, no further request is read
    std::size_t pending_output = 8u << 20;     // of a peer that does not read; then it is dropped
    std::chrono::seconds header_deadline{10};  // from the first byte of a request
    std::chrono::seconds body_deadline{30};
    std::chrono::seconds idle{60};
    std::chrono::hours session_idle{24};      // without a request, an open stream or a call
    std::chrono::seconds upgrade_after{5};    // a call without an answer becomes an event stream
    std::chrono::seconds keep_alive{15};      // comment on a silent event stream
    std::chrono::seconds stored_for{300};     // an ended stream can be resumed
    std::chrono::seconds linger{5};           // reading on after our half-close, so that the peer gets all of it
    std::size_t linger_bytes = 8u << 20;      // and no more than this
    std::chrono::seconds stalled{60};         // output the peer does not take
    std::chrono::seconds stalled_of_full{2};  // and while there is more of it than `unsent_bytes`,
    std::chrono::seconds unsent_of_full{10};  // which who takes it slowly must have taken by then
};

}  // namespace persistproc::mcp::http
