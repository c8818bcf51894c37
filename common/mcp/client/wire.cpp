#include "common/mcp/client/wire.hpp"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <vector>

#include "common/mcp/http/access.hpp"

namespace persistproc::mcp::client {

namespace asio = boost::asio;
namespace bhttp = boost::beast::http;
using asio::generic::stream_protocol;

namespace {

constexpr std::size_t read_bytes = 64u << 10;
constexpr std::size_t max_answer_bytes = 64u << 20;

stream_protocol protocol_of(int fd) {
    int family = AF_UNIX;
    socklen_t size = sizeof(family);
    ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
    return {family, 0};
}

bool is_event_stream(std::string_view content_type) {
    const auto type = http::trim_blanks(content_type.substr(0, content_type.find(';')));
    return http::equals_ignoring_case(type, "text/event-stream");
}

/// One response as it is put together from bytes.
class Reading {
public:
    explicit Reading(const EventSink& sink) : sink_(sink), events_(max_answer_bytes) {
        parser_.emplace();
        prepare();
    }

    /// Takes what it can from `input`. True: the answer is whole, or enough of it was seen.
    Result<bool> feed(std::string& input) {
        while (!input.empty()) {
            boost::system::error_code error;
            const std::size_t used = parser_->put(asio::buffer(input), error);
            input.erase(0, used);
            if (error && error != bhttp::error::need_more) return not_http(error);
            auto done = look();
            if (!done || *done) return done;
            if (used == 0) break;
        }
        return is_enough_;
    }

    /// The peer has closed: whether that is how this answer ends.
    bool ends_here() {
        if (!parser_->is_header_done() || !parser_->need_eof()) return false;
        boost::system::error_code error;
        parser_->put_eof(error);
        return !error && parser_->is_done();
    }

    Answer take() {
        if (!answer_.is_stream) answer_.body = std::move(parser_->get().body());
        return std::move(answer_);
    }
    bool keeps_alive() const { return parser_->is_done() && parser_->get().keep_alive(); }

private:
    using Parser = bhttp::response_parser<bhttp::string_body>;

    static Error not_http(const boost::system::error_code& error) {
        return Error{ErrorCode::corrupt, "what came back is not HTTP: " + error.message()};
    }
    static Error too_large() { return Error{ErrorCode::corrupt, "the answer is too large"}; }

    void prepare() {
        parser_->eager(true);
        parser_->body_limit(boost::none);
    }

    Result<bool> look() {
        if (!has_head_ && parser_->is_header_done()) {
            if (parser_->get().result_int() < 200) {
                parser_.emplace();
                prepare();
                return false;
            }
            read_head();
        }
        auto& body = parser_->get().body();
        if (answer_.is_stream && !body.empty()) {
            std::vector<http::SseEvent> found;
            if (!events_.feed(body, found)) return too_large();
            body.clear();
            for (auto& event : found)
                if (!is_enough_ && sink_) is_enough_ = sink_(std::move(event));
        }
        if (body.size() > max_answer_bytes) return too_large();
        return parser_->is_done();
    }

    void read_head() {
        has_head_ = true;
        const auto& head = parser_->get();
        answer_.status = head.result_int();
        const auto session = head["Mcp-Session-Id"];
        answer_.session.assign(session.data(), session.size());
        const auto type = head[bhttp::field::content_type];
        answer_.is_stream = is_event_stream(std::string_view(type.data(), type.size()));
    }

    const EventSink& sink_;
    http::SseReader events_;
    std::optional<Parser> parser_;
    Answer answer_;
    bool has_head_ = false;
    bool is_enough_ = false;
};

}  // namespace

Wire::Wire(asio::any_io_executor executor, base::UniqueFd fd, std::string peer)
    : socket_(std::move(executor)), peer_(std::move(peer)) {
    const auto protocol = protocol_of(fd.get());
    socket_.assign(protocol, fd.release());
}

Error Wire::lost(const std::string& why) const {
    return Error{ErrorCode::unavailable, "the connection to the " + peer_ + " was lost: " + why};
}

void Wire::close() {
    is_open_ = false;
    boost::system::error_code ignored;
    socket_.close(ignored);
}

bool Wire::is_stale() {
    char byte = 0;
    return !is_open_ || !input_.empty() || ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
           errno != EAGAIN;
}

Task<Result<Answer>> Wire::exchange(std::string bytes, int skipped, EventSink sink) {
    boost::system::error_code error;
    sent_ = 0;
    keep_alive_ = false;
    const auto tell = std::exchange(when_sent_, nullptr);
    const auto buffer = asio::buffer(bytes);
    sent_ = co_await asio::async_write(socket_, buffer, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted && is_open_) throw boost::system::system_error(error);
    if (tell && !is_unsent()) tell();
    // A refused request may be answered before it was taken whole: what was said is read all the same.
    const bool may_be_answered = error == asio::error::broken_pipe || error == asio::error::connection_reset;
    if (error && !(may_be_answered && sent_ > 0)) co_return lost(is_open_ ? error.message() : "it was closed here");
    for (; skipped > 0; --skipped) {
        auto unwanted = co_await read_answer(EventSink());
        if (!unwanted) co_return unwanted.error();
    }
    auto answer = co_await read_answer(std::move(sink));
    co_return answer;
}

Task<Result<Answer>> Wire::read_answer(EventSink sink) {
    Reading reading(sink);
    while (true) {
        auto done = reading.feed(input_);
        if (!done) co_return done.error();
        if (*done) break;
        auto got = co_await read_some();
        if (!got) co_return got.error();
        if (*got == 0) {
            if (reading.ends_here()) break;
            co_return lost("it closed");
        }
        input_.append(chunk_.get(), *got);
    }
    keep_alive_ = reading.keeps_alive();
    co_return reading.take();
}

Task<Result<std::size_t>> Wire::read_some() {
    // Not made zeros: most answers touch one page of it.
    if (!chunk_) chunk_ = std::make_unique_for_overwrite<char[]>(read_bytes);
    const auto buffer = asio::buffer(chunk_.get(), read_bytes);
    boost::system::error_code error;
    const std::size_t got = co_await socket_.async_read_some(buffer, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted && is_open_) throw boost::system::system_error(error);
    if (error == asio::error::eof) co_return std::size_t(0);
    if (error) co_return lost(is_open_ ? error.message() : "it was closed here");
    heard_ += got;
    co_return got;
}

Task<> until_silent(std::shared_ptr<Wire> wire, async::Clock& clock, std::chrono::nanoseconds bound) {
    std::uint64_t heard = 0;
    do {
        heard = wire->heard();
        const MonoTime until = clock.now() + bound;
        co_await clock.sleep_until(until);
    } while (wire->heard() != heard);
}

}  // namespace persistproc::mcp::client
