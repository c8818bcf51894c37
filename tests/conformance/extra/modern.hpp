#pragma once
/// A client's side of revision 2026-07-28: no session, every request carries its own context; a broken stream loses its
/// request. The product's client speaks the revisions with sessions alone.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/mcp/client/conversation.hpp"
#include "tests/conformance/extra/param_headers.hpp"

namespace persistproc::conformance {

using mcp::client::CallOptions;
using mcp::client::ProgressHandler;
using mcp::client::Reply;

class ModernConversation final : public mcp::client::Conversation {
public:
    ModernConversation(boost::asio::any_io_executor executor, mcp::client::Endpoint endpoint, mcp::client::Dial dial,
                       std::shared_ptr<async::Clock> clock, mcp::client::Options options);

    /// Tools that no client may use (see find_param_headers) are left out of a result of tools/list.
    Task<Result<Reply>> request(std::string method, Json params, CallOptions options) override;
    Task<> leave() override;

    int max_rounds = 8;  // of questions within one call

private:
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

    std::map<std::string, std::vector<ParamHeader>> param_headers_;  // by tool
};

}  // namespace persistproc::conformance
