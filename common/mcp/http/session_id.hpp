#pragma once
/// Session ids that outlive the process: base64url(8 random bytes of their maker ‖ 8 of their own ‖ revision ‖ its
/// client's name) "." base64url(HMAC-SHA256). A well-signed id needs no memory of the session. An id is no
/// authentication.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/mcp/revision.hpp"
#include "common/mcp/signature.hpp"

namespace persistproc::mcp::http {

using SessionKey = SigningKey;

/// What an id tells of its session.
struct SessionFacts {
    Revision revision;
    std::string client_name;  // as Caller::name; its first 100 bytes
};

class SessionIds {
public:
    /// `key` is secret and kept in the data directory, so that ids stay valid across restarts.
    explicit SessionIds(const SessionKey& key);
    std::string make(Revision revision, std::string_view client_name = {}) const;
    /// Whether this object has made an id that is one of ours, and no process before it.
    bool has_made(std::string_view id) const;
    /// No value when the id is not one of ours.
    std::optional<SessionFacts> read(std::string_view id) const;

private:
    SessionKey key_;
    std::array<std::uint8_t, 8> maker_;
};

/// Ids of sessions that clients have ended; they must stay dead across restarts. Called on the io thread: keep the
/// disk out of the way.
class SessionGraveyard {
public:
    virtual ~SessionGraveyard() = default;
    virtual bool contains(const std::string& id) const = 0;
    virtual void bury(const std::string& id) = 0;
};

}  // namespace persistproc::mcp::http
