#include "common/mcp/http/client.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstring>
#include <set>
#include <vector>

#include "common/base/file.hpp"
#include "common/mcp/http/access.hpp"
#include "common/mcp/http/sse.hpp"
#include "common/mcp/message.hpp"
#include "common/mcp/revision.hpp"

namespace persistproc::mcp::http {

namespace asio = boost::asio;
namespace bhttp = boost::beast::http;
using asio::local::stream_protocol;

namespace {

constexpr std::size_t read_bytes = 64u << 10;
constexpr std::size_t max_answer_bytes = 64u << 20;
constexpr std::size_t max_idle = 4;
constexpr std::chrono::milliseconds full_queue_pause{1};
constexpr int full_queue_tries = 5000;
// Answers of our own daemon may be larger than what it takes from strangers.
constexpr JsonLimits answer_limits{.depth = 64, .nodes = 4000000};

Error lost(const std::string& what) {
    return Error{ErrorCode::unavailable, "the connection to the daemon was lost: " + what};
}

std::string post_text(std::string_view session, std::string_view body) {
    std::string out;
    out.reserve(body.size() + 320);
    fmt::format_to(std::back_inserter(out),
                   "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: application/json, text/event-stream\r\n"
                   "Content-Type: application/json\r\nMCP-Protocol-Version: {}\r\nContent-Length: {}\r\n",
                   revision_name(newest_session_revision), body.size());
    if (!session.empty()) fmt::format_to(std::back_inserter(out), "Mcp-Session-Id: {}\r\n", session);
    out += "\r\n";
    out += body;
    return out;
}

/// Connects and checks the peer. `would_block`: the listener's queue is full, try again.
Result<base::UniqueFd> connect_socket(const std::filesystem::path& path, bool& would_block) {
    would_block = false;
    // Through the directory's descriptor a path of any length fits the address.
    base::UniqueFd directory(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const auto nobody = [&](int err) {
        return Error{ErrorCode::unavailable,
                     fmt::format("no daemon answers at {}: {}", path.string(), std::strerror(err)), err};
    };
    if (!directory) return nobody(errno);
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return base::os_failure("socket", errno);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string through = base::socket_path_through(directory.get(), path.filename().string());
    if (through.size() >= sizeof(address.sun_path))
        return Error{ErrorCode::invalid, "socket name too long: " + path.string()};
    std::memcpy(address.sun_path, through.data(), through.size());
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        would_block = errno == EAGAIN;
        return nobody(errno);
    }
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return base::os_failure("SO_PEERCRED", errno);
    if (peer.uid != ::geteuid() && peer.uid != 0)
        return Error{ErrorCode::denied,
                     fmt::format("{} belongs to user {}: nothing was sent", path.string(), peer.uid)};
    return fd;
}

struct Answer {
    unsigned status = 0;
    std::string session;
    std::string message;  // the JSON-RPC response; empty when the answer held none
};

using OnMessage = std::function<void(const Json&)>;

/// One connection to the daemon; carries one request at a time.
class Wire {
public:
    Wire(asio::any_io_executor executor, int fd) : socket_(std::move(executor), stream_protocol(), fd) {}

    /// Written before the next request, with one answer each that nobody waits for.
    std::string ahead;
    int answers_ahead = 0;

    void close() {
        boost::system::error_code ignored;
        socket_.close(ignored);
    }

    /// Whether the peer has closed it, or sent what nobody asked for.
    bool is_stale() {
        char byte = 0;
        return ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
    }

    /// Sends `request` and reads its answer; `on_message` sees the messages before the response.
    Task<Result<Answer>> exchange(std::string request, std::string id, OnMessage on_message) {
        boost::system::error_code error;
        const std::string bytes = std::exchange(ahead, {}) + request;
        const auto buffer = asio::buffer(bytes);
        co_await asio::async_write(socket_, buffer, asio::redirect_error(asio::use_awaitable, error));
        if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
        // A refused request may be answered before it was taken whole: what was said is read all the same.
        if (error && error != asio::error::broken_pipe) co_return lost(error.message());
        for (; answers_ahead > 0; --answers_ahead) {
            auto skipped = co_await read_answer(std::string(), nullptr);
            if (!skipped) co_return skipped.error();
        }
        auto answer = co_await read_answer(std::move(id), std::move(on_message));
        co_return answer;
    }

    bool can_stay() const { return keep_alive_; }

private:
    using Parser = bhttp::response_parser<bhttp::string_body>;

    Task<Result<Answer>> read_answer(std::string id, OnMessage on_message) {
        Parser parser;
        parser.eager(true);
        parser.body_limit(boost::none);
        Answer answer;
        SseReader events(max_answer_bytes);
        bool is_stream = false;
        bool has_head = false;
        while (!parser.is_done()) {
            boost::system::error_code error;
            const std::size_t used = parser.put(asio::buffer(input_), error);
            input_.erase(0, used);
            if (error && error != bhttp::error::need_more)
                co_return Error{ErrorCode::corrupt, "the daemon's answer is not HTTP: " + error.message()};
            if (!has_head && parser.is_header_done()) {
                has_head = true;
                const auto& head = parser.get();
                answer.status = head.result_int();
                const auto session = head["Mcp-Session-Id"];
                answer.session.assign(session.data(), session.size());
                const auto type = head[bhttp::field::content_type];
                is_stream = std::string_view(type.data(), type.size()).substr(0, 17) == "text/event-stream";
            }
            auto& body = parser.get().body();
            if (is_stream && !body.empty()) {
                std::vector<SseEvent> found;
                if (!events.feed(body, found)) co_return Error{ErrorCode::corrupt, "the daemon's answer is too large"};
                body.clear();
                for (auto& event : found) take(std::move(event.data), id, on_message, answer);
            }
            if (body.size() > max_answer_bytes) co_return Error{ErrorCode::corrupt, "the daemon's answer is too large"};
            if (parser.is_done()) break;
            if (used > 0 && !input_.empty() && !error) continue;
            const std::size_t got = co_await read_some(error);
            if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
            if (error) co_return lost(error == asio::error::eof ? "it closed" : error.message());
            input_.append(chunk_.data(), got);
        }
        keep_alive_ = parser.get().keep_alive();
        if (!is_stream) answer.message = std::move(parser.get().body());
        co_return answer;
    }

    Task<std::size_t> read_some(boost::system::error_code& error) {
        chunk_.resize(read_bytes);
        const auto buffer = asio::buffer(chunk_);
        co_return co_await socket_.async_read_some(buffer, asio::redirect_error(asio::use_awaitable, error));
    }

    /// A message of the stream: ours is the one with our id.
    static void take(std::string text, const std::string& id, const OnMessage& on_message, Answer& answer) {
        if (text.empty()) return;
        auto json = read_json(text, answer_limits);
        if (!json || !json->is_object()) return;
        if (json->contains("method")) {
            if (on_message) on_message(*json);
        } else if ((*json)["id"].dump() == id) {
            answer.message = std::move(text);
        }
    }

    stream_protocol::socket socket_;
    std::string input_;
    std::string chunk_;
    bool keep_alive_ = true;
};

}  // namespace

struct Client::State {
    State(asio::any_io_executor e, std::filesystem::path p, ClientInfo i)
        : executor(std::move(e)), path(std::move(p)), info(std::move(i)) {}

    asio::any_io_executor executor;
    std::filesystem::path path;
    ClientInfo info;
    std::string session;
    std::string server_version;
    std::uint64_t next_id = 0;
    std::vector<std::shared_ptr<Wire>> idle;
    std::set<std::shared_ptr<Wire>> busy;
    bool closed = false;

    Task<Result<std::shared_ptr<Wire>>> open() {
        for (int tries = 0;; ++tries) {
            bool would_block = false;
            auto fd = connect_socket(path, would_block);
            if (fd) co_return std::make_shared<Wire>(executor, fd->release());
            if (!would_block || tries == full_queue_tries) co_return fd.error();
            asio::steady_timer pause(executor, full_queue_pause);
            co_await pause.async_wait(asio::use_awaitable);
        }
    }
};

namespace {

/// Keeps a wire in the set of busy ones for as long as a call uses it, however the call ends.
class Busy {
public:
    Busy(std::shared_ptr<std::set<std::shared_ptr<Wire>>> set, std::shared_ptr<Wire> wire)
        : set_(std::move(set)), wire_(std::move(wire)) {
        set_->insert(wire_);
    }
    ~Busy() { set_->erase(wire_); }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

private:
    std::shared_ptr<std::set<std::shared_ptr<Wire>>> set_;
    std::shared_ptr<Wire> wire_;
};

Result<ToolResult> read_result(const Answer& answer) {
    auto json = read_json(answer.message, answer_limits);
    if (!json || !json->is_object())
        return Error{ErrorCode::corrupt,
                     fmt::format("the daemon answered with HTTP status {} and no message", answer.status)};
    const auto error = json->find("error");
    if (error != json->end()) {
        const int code = error->value("code", 0);
        const auto text = error->value("message", std::string("refused"));
        // A session the daemon does not know is its restart with another data directory: connect anew.
        if (answer.status == 404) return Error{ErrorCode::unavailable, text};
        return Error{code == rpc::internal_error ? ErrorCode::unavailable : ErrorCode::invalid, text};
    }
    const auto found = json->find("result");
    if (found == json->end() || !found->is_object())
        return Error{ErrorCode::corrupt, "the daemon's answer holds no result"};
    ToolResult out;
    const auto content = found->find("content");
    if (content != found->end() && content->is_array()) {
        for (auto& block : *content) {
            if (!block.is_object() || block.value("type", std::string()) != "text") continue;
            if (!out.text.empty()) out.text += '\n';
            out.text += block.value("text", std::string());
        }
    }
    const auto structured = found->find("structuredContent");
    if (structured != found->end()) out.structured = std::move(*structured);
    const auto meta = found->find("_meta");
    if (meta != found->end()) out.meta = std::move(*meta);
    out.is_error = found->value("isError", false);
    return out;
}

}  // namespace

Client::Client(std::shared_ptr<State> state) : state_(std::move(state)) {}

Client::~Client() {
    state_->closed = true;
    for (const auto& wire : state_->idle) wire->close();
    for (const auto& wire : state_->busy) wire->close();
}

const std::string& Client::server_version() const noexcept { return state_->server_version; }

Task<Result<std::unique_ptr<Client>>> Client::connect(asio::any_io_executor executor, std::filesystem::path socket,
                                                      ClientInfo info) {
    auto state = std::make_shared<State>(std::move(executor), std::move(socket), std::move(info));
    auto wire = co_await state->open();
    if (!wire) co_return wire.error();
    std::string body = fmt::format(
        R"({{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":)",
        revision_name(newest_session_revision));
    append_quoted(body, state->info.name);
    body += R"(,"version":)";
    append_quoted(body, state->info.version);
    body += "}}}";
    std::string request = post_text({}, body);
    std::string id = "0";
    auto answer = co_await (*wire)->exchange(std::move(request), std::move(id), nullptr);
    if (!answer) co_return answer.error();
    auto json = read_json(answer->message, answer_limits);
    if (!json || !json->is_object() || !json->contains("result") || answer->session.empty())
        co_return Error{ErrorCode::corrupt,
                        fmt::format("no MCP server at {} (HTTP status {})", state->path.string(), answer->status)};
    const auto& result = (*json)["result"];
    if (result.contains("serverInfo") && result["serverInfo"].is_object())
        state->server_version = result["serverInfo"].value("version", std::string());
    state->session = answer->session;
    // Goes out with the first call: one write, no round trip of its own.
    (*wire)->ahead = post_text(state->session, R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    (*wire)->answers_ahead = 1;
    state->idle.push_back(std::move(*wire));
    co_return std::unique_ptr<Client>(new Client(std::move(state)));
}

Task<Result<ToolResult>> Client::call(std::string tool, Json arguments) {
    return call(std::move(tool), std::move(arguments), ProgressHandler());
}

Task<Result<ToolResult>> Client::call(std::string tool, Json arguments, ProgressHandler on_progress) {
    const auto state = state_;
    if (state->closed) co_return lost("this client has closed it");
    std::shared_ptr<Wire> wire;
    while (!wire && !state->idle.empty()) {
        wire = std::move(state->idle.back());
        state->idle.pop_back();
        if (wire->is_stale()) wire.reset();
    }
    if (!wire) {
        auto opened = co_await state->open();
        if (!opened) co_return opened.error();
        wire = std::move(*opened);
    }
    std::string id = std::to_string(++state->next_id);
    std::string body = R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":"tools/call","params":{"name":)";
    append_quoted(body, tool);
    body += R"(,"arguments":)" + arguments.dump(-1, ' ', false, Json::error_handler_t::replace);
    OnMessage on_message;
    if (on_progress) {
        body += R"(,"_meta":{"progressToken":)" + id + "}";
        on_message = [on_progress = std::move(on_progress)](const Json& message) {
            if (message["method"] != "notifications/progress" || !message.contains("params")) return;
            const auto& params = message["params"];
            std::optional<double> total;
            if (params.contains("total") && params["total"].is_number()) total = params["total"].get<double>();
            on_progress(params.value("progress", 0.0), total, params.value("message", std::string()));
        };
    }
    body += "}}";
    std::string request = post_text(state->session, body);
    const std::shared_ptr<std::set<std::shared_ptr<Wire>>> busy_set(state, &state->busy);
    const Busy busy(busy_set, wire);
    auto answer = co_await wire->exchange(std::move(request), std::move(id), std::move(on_message));
    if (!answer) co_return answer.error();
    if (answer->message.empty()) co_return lost("the call ended without an answer");
    if (wire->can_stay() && !state->closed && state->idle.size() < max_idle) state->idle.push_back(wire);
    co_return read_result(*answer);
}

}  // namespace persistproc::mcp::http
