#include "common/mcp/batch.hpp"

#include <fmt/format.h>

namespace persistproc::mcp {

namespace {

/// Collects the responses of one batch; its elements share it.
struct Collected {
    std::shared_ptr<Reply> reply;
    std::size_t open = 0;
    std::vector<std::string> responses;

    void add(std::string response) {
        if (!response.empty()) responses.push_back(std::move(response));
    }
    void close_one() {
        if (--open > 0) return;
        if (responses.empty()) return reply->finish({}, 0);
        if (reply->is_stream()) {
            std::string last = std::move(responses.back());
            responses.pop_back();
            for (auto& each : responses) reply->notify(std::move(each));
            return reply->finish(std::move(last), 0);
        }
        reply->finish(fmt::format("[{}]", fmt::join(responses, ",")), 0);
    }
};

class ElementReply final : public Reply {
public:
    explicit ElementReply(std::shared_ptr<Collected> collected) : collected_(std::move(collected)) {}
    bool notify(std::string message) override { return collected_->reply->notify(std::move(message)); }
    void finish(std::string response, int) override {
        collected_->add(std::move(response));
        collected_->close_one();
    }

private:
    std::shared_ptr<Collected> collected_;
};

}  // namespace

std::variant<Batch, RpcError> read_batch(Json array) {
    if (array.empty()) return RpcError{rpc::invalid_request, "Invalid request: empty batch", "null", nullptr};
    Batch out;
    for (auto& element : array) {
        auto read = read_message(std::move(element));
        if (auto* refused = std::get_if<RpcError>(&read)) {
            out.refusals.push_back(error_response(*refused));
            out.has_requests = true;
            continue;
        }
        auto& message = std::get<Message>(read);
        if (message.method == "initialize")
            return RpcError{rpc::invalid_request, "Invalid request: initialize in a batch", "null", nullptr};
        if (message.kind != MessageKind::response && has_envelope(message.params))
            return RpcError{rpc::invalid_request, "Invalid request: 2026-07-28 has no batches", "null", nullptr};
        out.has_requests |= message.kind == MessageKind::request;
        out.messages.push_back(std::move(message));
    }
    return out;
}

void handle_batch(Server& server, const std::shared_ptr<Session>& session, Principal principal, Batch batch,
                  std::shared_ptr<Reply> reply) {
    auto collected = std::make_shared<Collected>();
    collected->reply = std::move(reply);
    // One more than the requests, so that the array is not complete before the last element was handled.
    collected->open = 1;
    for (auto& refusal : batch.refusals) collected->add(std::move(refusal));
    for (auto& message : batch.messages) {
        if (message.kind != MessageKind::request) {
            server.handle(session, principal, std::move(message), nullptr);
            continue;
        }
        ++collected->open;
        server.handle(session, principal, std::move(message), std::make_shared<ElementReply>(collected));
    }
    if (batch.has_requests) collected->close_one();
}

}  // namespace persistproc::mcp
