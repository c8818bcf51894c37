#pragma once
/// A server and its client in one process: a channel of whole messages, each one JSON text, as stdio would be.
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/async/notifier.hpp"
#include "common/mcp/batch.hpp"

namespace persistproc::tests {

using mcp::Principal;

/// One direction of a memory transport.
struct Channel {
    explicit Channel(boost::asio::any_io_executor executor) : changed(std::move(executor)) {}
    std::deque<std::string> messages;
    bool closed = false;
    async::Notifier changed;
};

/// One end. What was written before `close` still arrives; the next `read` has no value then. One reader at a time;
/// cancelling it loses no message.
class Transport {
public:
    Transport(std::shared_ptr<Channel> in, std::shared_ptr<Channel> out) : in_(std::move(in)), out_(std::move(out)) {}
    ~Transport() { end(); }

    Task<std::optional<std::string>> read() {
        const auto in = in_;
        while (in->messages.empty() && !in->closed) co_await in->changed.wait();
        std::optional<std::string> out;
        if (!in->messages.empty()) {
            out = std::move(in->messages.front());
            in->messages.pop_front();
        }
        co_return out;
    }

    void write(std::string message) {
        if (out_->closed) return;
        out_->messages.push_back(std::move(message));
        out_->changed.notify_all();
    }

    void close() { end(); }

private:
    void end() {
        for (const auto& channel : {in_, out_}) {
            channel->closed = true;
            channel->changed.notify_all();
        }
    }

    std::shared_ptr<Channel> in_, out_;
};

class TransportReply final : public mcp::Reply {
public:
    explicit TransportReply(std::shared_ptr<Transport> transport) : transport_(std::move(transport)) {}
    bool notify(std::string message) override {
        transport_->write(std::move(message));
        return true;
    }
    void finish(std::string response, int) override {
        if (!response.empty()) transport_->write(std::move(response));
    }

private:
    std::shared_ptr<Transport> transport_;
};

inline void refuse(Transport& transport, const mcp::RpcError& error) { transport.write(error_response(error)); }

inline void handle_text(mcp::Server& server, const std::shared_ptr<mcp::Session>& session,
                        const std::shared_ptr<Transport>& transport, Principal::Role role, const std::string& text) {
    auto json = mcp::read_json(text);
    if (!json)
        return refuse(*transport,
                      mcp::RpcError{mcp::rpc::parse_error, "Parse error: " + json.error().message, "null", nullptr});
    auto reply = std::make_shared<TransportReply>(transport);
    if (json->is_array()) {
        if (session->revision() != mcp::Revision::r2025_03_26)
            return refuse(*transport, mcp::RpcError{mcp::rpc::invalid_request,
                                                    "Invalid request: batches ended with 2025-03-26", "null", nullptr});
        auto batch = mcp::read_batch(std::move(*json));
        if (const auto* error = std::get_if<mcp::RpcError>(&batch)) return refuse(*transport, *error);
        return handle_batch(server, session, {role, session.get()}, std::move(std::get<mcp::Batch>(batch)),
                            std::move(reply));
    }
    auto message = mcp::read_message(std::move(*json));
    if (const auto* error = std::get_if<mcp::RpcError>(&message)) return refuse(*transport, *error);
    server.handle(session, {role, session.get()}, std::move(std::get<mcp::Message>(message)), std::move(reply));
}

/// Two ends of one channel; both carry serialised JSON, so that both see the bytes a wire would.
inline std::pair<std::unique_ptr<Transport>, std::unique_ptr<Transport>> make_memory_transport(
    boost::asio::any_io_executor executor) {
    auto there = std::make_shared<Channel>(executor);
    auto back = std::make_shared<Channel>(executor);
    return {std::make_unique<Transport>(back, there), std::make_unique<Transport>(there, back)};
}

/// Serves one client until it closes; its open calls are cancelled then. `server` and `transport` must outlive the
/// task and the calls.
inline Task<> serve(mcp::Server& server, std::shared_ptr<Transport> transport, Principal::Role role) {
    auto session = std::make_shared<mcp::Session>();
    server.set_outlet(session, [transport](std::string message) { transport->write(std::move(message)); });
    for (;;) {
        const auto text = co_await transport->read();
        if (!text) break;
        handle_text(server, session, transport, role, *text);
    }
    server.set_outlet(session, nullptr);
    server.cancel_calls(*session);
}

}  // namespace persistproc::tests
