#pragma once
/// What the bridge remembers of the agent's session, to carry it over a daemon that has forgotten it. Pure.
#include <cstdint>
#include <string>

namespace persistproc::cli::bridge {

struct Session {
    std::string id;                // Mcp-Session-Id; empty: none
    std::string version;           // as negotiated
    std::string initialize;        // the agent's request, as it came
    std::string initialized;       // its notification; empty while it has not come
    std::uint64_t generation = 0;  // grows when the id changes

    bool is_begun() const noexcept { return !initialize.empty(); }
};

/// Headers of what is sent in the session. Lines that end with CRLF.
std::string session_headers(const Session& session);

/// Learns from the answer to `initialize`. `id` is the header's; `message` the response. False: it is a refusal.
bool learn(Session& session, std::string id, const std::string& message);

}  // namespace persistproc::cli::bridge
