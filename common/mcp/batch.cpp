#include "common/mcp/batch.hpp"

#include <fmt/format.h>

namespace persistproc::mcp {

namespace {

constexpr std::size_t most_elements = 1000;
constexpr std::size_t most_answer_bytes = 4u << 20;  // they are kept until the last one is there

/// Collects the responses of one batch; its elements share it.
struct Collected {
    std::shared_ptr<Reply> reply;
    std::size_t open = 0;
    std::vector<std::string> responses;
    std::size_t bytes = 0;  // of them

    /// `id` is the request's.
    void add(std::string response, const std::string& id) {
        if (response.empty()) return;
        if (bytes + response.size() > most_answer_bytes)
            response = error_response(RpcError{rpc::internal_error,
                                               "The answers of this batch are too large together: ask in smaller ones",
                                               id, nullptr});
        bytes += response.size();
        responses.push_back(std::move(response));
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
    ElementReply(std::shared_ptr<Collected> collected, std::string id)
        : collected_(std::move(collected)), id_(std::move(id)) {}
    bool notify(std::string message) override { return collected_->reply->notify(std::move(message)); }
    void finish(std::string response, int) override {
        collected_->add(std::move(response), id_);
        collected_->close_one();
    }

    bool is_of(const Reply& whole) const override { return collected_->reply.get() == &whole; }

private:
    std::shared_ptr<Collected> collected_;
    std::string id_;
};

}  // namespace

std::variant<Batch, RpcError> read_batch(Json array) {
    if (array.empty()) return RpcError{rpc::invalid_request, "Invalid request: empty batch", "null", nullptr};
    if (array.size() > most_elements)
        return RpcError{rpc::invalid_request,
                        fmt::format("Invalid request: a batch has {} messages at most", most_elements), "null",
                        nullptr};
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
    for (auto& refusal : batch.refusals) collected->add(std::move(refusal), "null");
    for (auto& message : batch.messages) {
        if (message.kind != MessageKind::request) {
            server.handle(session, principal, std::move(message), nullptr);
            continue;
        }
        ++collected->open;
        auto reply_of_one = std::make_shared<ElementReply>(collected, message.id);
        server.handle(session, principal, std::move(message), std::move(reply_of_one));
    }
    if (batch.has_requests) collected->close_one();
}

}  // namespace persistproc::mcp
