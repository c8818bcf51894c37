#pragma once
/// The eras with sessions: revisions 2024-11-05 to 2025-11-25.
#include <map>
#include <memory>
#include <string>

#include "common/async/mutex.hpp"
#include "common/mcp/client/client_session.hpp"
#include "common/mcp/client/conversation.hpp"

namespace persistproc::mcp::client {

class LegacyConversation final : public Conversation, public std::enable_shared_from_this<LegacyConversation> {
public:
    LegacyConversation(boost::asio::any_io_executor executor, Endpoint endpoint, Dial dial,
                       std::shared_ptr<async::Clock> clock, Options options);

    /// Before everything else. Errors: see Client::connect.
    Task<Result<void>> open();
    Task<Result<Reply>> request(std::string method, Json params, CallOptions options) override;
    Task<> leave() override;

private:
    struct Pending;
    struct Attempt;

    Task<Result<void>> begin_session();
    /// Without a session. Errors: also those of a server that knows no such requests.
    Task<Result<Reply>> ask_alone(std::string method, Json params);
    Task<Result<Reply>> ask(std::string method, Json params, ProgressHandler on_progress, Attempt* attempt);
    /// Goes on with an answer whose stream ended before it. `was_cut`: by the death of the connection.
    Task<Result<void>> resume(Pending* pending, Track* track, bool was_cut);

    /// The stream of the session, until it ends. False: there is none to be had.
    Task<bool> hear_session(Track* track);

    /// A message of any stream. `own`: the call whose stream it is.
    void take(const std::string& text, Pending* own);
    std::string post(std::string_view body) const;
    void lose_session(std::uint64_t generation);
    void ensure_listening();
    void tell_cancelled(const std::string& id);

    // Tasks of the group: they keep the conversation alive until they end.
    static Task<> listen_to_session(std::shared_ptr<LegacyConversation> self, std::uint64_t generation);
    static Task<> answer_question(std::shared_ptr<LegacyConversation> self, std::string id, std::string method,
                                  Json params);
    static Task<> send(std::shared_ptr<LegacyConversation> self, std::string body);

    std::map<std::string, Pending*> pending_;  // by id as JSON text
    ClientSession session_;
    bool is_open_ = false;
    bool greeting_is_due_ = false;  // notifications/initialized goes out with the next request
    bool was_cut_ = false;          // the connection, while a session was begun
    bool is_listening_ = false;
    bool may_listen_ = true;  // the server offers a stream
    async::Mutex opening_;
};

}  // namespace persistproc::mcp::client
