#pragma once
/// One POST whose request is being handled: decides between one answer and an event stream. In a session it outlives
/// its connection, unless all it does is to read for a client that can never hear of it; a request of 2026-07-28 is
/// alone with its connection and is cancelled when that goes.
#include "common/mcp/http/connection.hpp"

namespace persistproc::mcp::http {

/// To send may be to find that the connection is gone, with which everybody lets go of this object: each function keeps
/// it until it returns.
class Connection::Exchange final : public Reply, public std::enable_shared_from_this<Connection::Exchange> {
public:
    /// Of a session.
    Exchange(std::weak_ptr<Connection> connection, std::shared_ptr<HttpSession> session,
             std::shared_ptr<Sessions> sessions)
        : connection_(std::move(connection)), session_(std::move(session)), sessions_(std::move(sessions)) {}
    /// Of 2026-07-28; `alone` holds nothing but this request.
    Exchange(std::weak_ptr<Connection> connection, std::shared_ptr<Session> alone)
        : connection_(std::move(connection)), alone_(std::move(alone)) {}

    bool notify(std::string message) override;
    void finish(std::string response, int error) override;
    bool let_connection_go() override;
    bool is_stream() override;

    /// Makes the answer an event stream where that is possible.
    void upgrade();
    bool gave_up() const noexcept { return gave_up_; }
    bool is_alone() const noexcept { return alone_ != nullptr; }
    void connection_lost(Server& server);

private:
    std::shared_ptr<Connection> carrier() const;

    std::weak_ptr<Connection> connection_;
    std::shared_ptr<HttpSession> session_;
    std::shared_ptr<Sessions> sessions_;
    std::shared_ptr<Session> alone_;
    std::shared_ptr<Stream> stream_;  // of a session, once upgraded
    bool is_streaming_ = false;
    bool gave_up_ = false;
};

}  // namespace persistproc::mcp::http
