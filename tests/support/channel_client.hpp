#pragma once
/// A client at one end of an in-memory channel, served at the other: what stdio is.
#include <boost/asio/co_spawn.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/http_machine.hpp"
#include "tests/support/memory_transport.hpp"

namespace persistproc::tests {

class ChannelClient {
public:
    using Json = mcp::Json;

    explicit ChannelClient(SampleServer& sample) : sample_(sample), group_(sample.io.get_executor()) {
        auto ends = make_memory_transport(sample.io.get_executor());
        transport_ = std::move(ends.first);
        group_.spawn("serve", serve(sample.server, std::move(ends.second), mcp::Principal::Role::agent));
        sample_.settle();
    }
    ~ChannelClient() { close(); }
    ChannelClient(const ChannelClient&) = delete;
    ChannelClient& operator=(const ChannelClient&) = delete;

    /// Sends one line and gives back the messages that came since the last time.
    std::vector<Json> send(std::string line) {
        transport_->write(std::move(line));
        return take();
    }
    std::vector<Json> take() {
        sample_.settle();
        for (;;) {
            if (!is_reading_) {
                is_reading_ = true;
                boost::asio::co_spawn(sample_.io, transport_->read(),
                                      [this](std::exception_ptr, std::optional<std::string> text) {
                                          is_reading_ = false;
                                          if (text) inbox_.push_back(Json::parse(*text));
                                      });
            }
            sample_.settle();
            if (is_reading_ || is_closed_) break;
        }
        return std::exchange(inbox_, {});
    }
    /// The only message that answers a line; null when it is not exactly one.
    Json ask(std::string line) {
        auto all = send(std::move(line));
        return all.size() == 1 ? std::move(all.front()) : Json();
    }
    Json legacy(std::string_view method, std::string_view params = {}, std::string_view id = "1") {
        return ask(HttpMachine::legacy_body(method, params, id));
    }
    Json modern(std::string_view method, std::string_view members = {}, std::string_view meta = {},
                std::string_view id = "1", std::string_view capabilities = "{}") {
        return ask(HttpMachine::modern_body(method, members, meta, id, capabilities));
    }
    /// Both steps of the opening.
    void initialize(std::string_view revision, std::string_view capabilities = "{}") {
        send(HttpMachine::legacy_body("initialize", R"({"protocolVersion":")" + std::string(revision) +
                                                        R"(","capabilities":)" + std::string(capabilities) + "}"));
        send(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    }
    void cancel(std::string_view id) {
        transport_->write(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" +
                          std::string(id) + "}}");
        sample_.settle();
    }
    void close() {
        is_closed_ = true;
        transport_->close();
        sample_.settle();
    }

private:
    SampleServer& sample_;
    std::unique_ptr<Transport> transport_;
    async::TaskGroup group_;
    std::vector<Json> inbox_;
    bool is_reading_ = false;
    bool is_closed_ = false;
};

}  // namespace persistproc::tests
