#pragma once
/// Revision 2026-07-28: no session, every request carries its own context; a broken stream loses its request.
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/mcp/client/conversation.hpp"
#include "common/mcp/http/param_headers.hpp"

namespace persistproc::mcp::client {

class ModernConversation final : public Conversation, public std::enable_shared_from_this<ModernConversation> {
public:
    ModernConversation(boost::asio::any_io_executor executor, Endpoint endpoint, Dial dial,
                       std::shared_ptr<async::Clock> clock, Options options);

    /// Nothing to do: the first request is the first that is said.
    Task<Result<void>> open() override;
    /// Tools that no client may use (see find_param_headers) are left out of a result of tools/list.
    Task<Result<Reply>> request(std::string method, Json params, CallOptions options) override;
    /// Asks for log messages of this level with every request from now on.
    Task<Result<Reply>> set_log_level(std::string level) override;
    Task<Result<Reply>> subscribe(std::string uri) override;
    Task<Result<Reply>> unsubscribe(std::string uri) override;
    /// Opens a stream of its own; completes when the server has acknowledged it.
    Task<Result<Reply>> listen(Json wanted) override;
    Task<> leave() override;

    /// One question, without falling back to anything: is this server of this era?
    Task<Result<Reply>> discover();

private:
    struct Listening;

    /// One round: sent again where that cannot do harm.
    Task<Result<Reply>> send(std::string method, Json params, CallOptions options);
    Task<Result<Reply>> ask(std::string method, Json params, ProgressHandler on_progress, bool* is_repeatable);
    Task<Result<Reply>> exchange(std::string id, std::string bytes, bool* is_repeatable);
    /// The answers to what the server wants to know, as `inputResponses`.
    Task<Result<Json>> gather(Json questions);
    /// Learns which arguments travel as headers.
    Task<Result<void>> learn_tools();
    void keep_usable_tools(Json& result);

    Json with_context(Json params) const;
    Result<std::string> headers(const std::string& method, const Json& params) const;
    static Task<> listen_on(std::shared_ptr<ModernConversation> self, std::shared_ptr<Listening> listening);
    Task<bool> hear(Listening* listening);

    std::string log_level_;
    std::map<std::string, std::vector<http::ParamHeader>> param_headers_;  // by tool
    std::map<std::string, std::shared_ptr<Listening>> subscriptions_;      // by URI
};

}  // namespace persistproc::mcp::client
