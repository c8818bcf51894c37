#include "common/mcp/client/legacy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "common/async/notifier.hpp"
#include "common/base/text.hpp"
#include "common/mcp/http/header_value.hpp"
#include "common/mcp/message.hpp"

namespace persistproc::mcp::client {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

/// A stream that lasted so long was not refused.
constexpr std::chrono::seconds shortest_stream{1};
constexpr std::chrono::seconds longest_listen_pause{5};
constexpr int max_listen_failures = 8;
/// What is sent and needs no answer gets no more time than this.
constexpr std::chrono::seconds aside_patience{5};

const std::string greeting = R"({"jsonrpc":"2.0","method":"notifications/initialized"})";

Reply unknown_session() {
    Reply reply;
    reply.status = 404;
    reply.refusal.emplace();
    reply.refusal->code = rpc::session_not_found;
    reply.refusal->message = "the server does not know the session";
    return reply;
}

}  // namespace

/// A request that waits for its response, on whichever stream that comes.
struct LegacyConversation::Pending {
    Pending(LegacyConversation& owner, std::string its_id)
        : table(owner.pending_), id(std::move(its_id)), arrived(owner.connections_.executor()) {
        table[id] = this;
    }
    ~Pending() { table.erase(id); }
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;

    std::map<std::string, Pending*>& table;
    std::string id;
    std::optional<Json> response;
    std::shared_ptr<Wire> wire;  // where it is read from now
    async::Notifier arrived;
};

/// What an attempt leaves behind for the decision on another.
struct LegacyConversation::Attempt {
    bool was_dialled = false;  // a connection stood
    bool is_unsent = false;    // and nothing left over it
};

LegacyConversation::LegacyConversation(boost::asio::any_io_executor executor, Endpoint endpoint, Dial dial,
                                       std::shared_ptr<async::Clock> clock, Options options)
    : Conversation(executor, std::move(endpoint), std::move(dial), std::move(clock), std::move(options)),
      opening_(executor) {}

std::string LegacyConversation::post(std::string_view body) const {
    return http_request(connections_.endpoint(), "POST",
                        "Accept: application/json, text/event-stream\r\n" + session_.headers(), body);
}

// ---- the session ----

Task<Result<void>> LegacyConversation::open() {
    if (options_.greets_late) {
        const auto patience = dial_patience();
        auto lease = co_await connections_.open(patience);
        if (!lease) co_return lease.error();
        was_reached_ = true;
        lease->give_back();
        co_return Result<void>();
    }
    auto begun = co_await begin_session();
    // A server that is just replaced by another may take the connection along.
    if (begun || !was_cut_ || connections_.is_closed()) co_return begun;
    co_await pause_before_repeat();
    co_return co_await begin_session();
}

Task<Result<void>> LegacyConversation::begin_session() {
    auto guard = co_await opening_.lock();
    if (is_open_) co_return Result<void>();
    const auto patience = dial_patience();
    auto lease = co_await connections_.open(patience);
    if (!lease) co_return lease.error();
    was_reached_ = true;
    Json params = Json::object();
    params["protocolVersion"] = revision_name(options_.revision);
    params["capabilities"] = options_.capabilities;
    params["clientInfo"]["name"] = options_.name;
    params["clientInfo"]["version"] = options_.version;
    Pending pending(*this, std::to_string(last_id_++));
    std::string bytes = http_request(connections_.endpoint(), "POST", "Accept: application/json, text/event-stream\r\n",
                                     message_text(pending.id, "initialize", params));
    EventSink sink = [this, &pending](http::SseEvent event) {
        if (!event.data.empty()) take(event.data, &pending);
        return pending.response.has_value();
    };
    auto answer = co_await (*lease)->exchange(std::move(bytes), 0, std::move(sink));
    was_cut_ = !answer && answer.error().code == ErrorCode::unavailable;
    if (!answer) co_return answer.error();
    auto reply =
        pending.response ? read_reply(std::move(*pending.response), answer->status) : read_reply(*answer, pending.id);
    const std::string where = name_of(connections_.endpoint());
    if (!reply && reply.error().code == ErrorCode::corrupt)
        co_return Error{ErrorCode::corrupt, fmt::format("no MCP server at {}: {}", where, reply.error().message)};
    if (!reply) co_return reply.error();
    if (reply->refusal) co_return base::with_context(error_of(*reply), "the server begins no session");
    session_.begin(answer->session, reply->result);
    if (!session_.revision)
        co_return Error{ErrorCode::unsupported, fmt::format("{} speaks no revision of MCP that is known here", where)};
    read_server_facts(reply->result, server_);
    server_.revision = *session_.revision;
    if (options_.quick) {
        // Goes out with the first call: one write, no round trip of its own.
        greeting_is_due_ = true;
        lease->give_back();
    } else {
        std::string introduced = post(greeting);
        auto ignored = co_await (*lease)->exchange(std::move(introduced), 0, EventSink());
        if (ignored) lease->give_back();
        ensure_listening();
    }
    is_open_ = true;
    co_return Result<void>();
}

void LegacyConversation::lose_session(std::uint64_t generation) {
    if (generation != session_.generation) return;
    is_open_ = false;
    session_.id.clear();
}

Task<> LegacyConversation::leave() {
    co_await tasks_.close();
    if (session_.id.empty()) co_return;
    auto lease = co_await connections_.open(std::chrono::nanoseconds(0));
    if (!lease) co_return;
    std::string bytes = http_request(connections_.endpoint(), "DELETE", session_.headers(), {});
    auto ignored = co_await (*lease)->exchange(std::move(bytes), 0, EventSink());
    (void)ignored;
    session_.id.clear();
    is_open_ = false;
}

// ---- requests ----

Task<Result<Reply>> LegacyConversation::request(std::string method, Json params, CallOptions options) {
    bool was_repeated = false;
    bool was_renewed = false;
    if (options_.greets_late && !is_open_ && options.repeatable && !options.on_progress) {
        auto reply = co_await ask_alone(method, params);
        if (reply && !reply->refusal) co_return reply;
        // A session tells what is wrong.
        was_repeated = !reply && reply.error().code == ErrorCode::unavailable;
        if (was_repeated && connections_.is_closed()) co_return reply;
        if (was_repeated) co_await pause_before_repeat();
    }
    while (true) {
        if (!is_open_) {
            auto begun = co_await begin_session();
            if (!begun) co_return begun.error();
        }
        const std::uint64_t generation = session_.generation;
        const bool had_session = !session_.id.empty();
        Attempt attempt;
        auto reply = co_await ask(method, params, options.on_progress, &attempt);
        if (!reply) {
            const bool may_go_again = attempt.was_dialled && (options.repeatable || attempt.is_unsent);
            if (reply.error().code != ErrorCode::unavailable || was_repeated || !may_go_again ||
                connections_.is_closed())
                co_return reply;
            was_repeated = true;
            co_await pause_before_repeat();
            continue;
        }
        // The session is unknown there: the request was not looked at, so any may be sent again.
        if (reply->status == 404 && had_session) {
            lose_session(generation);
            if (!was_renewed) {
                was_renewed = true;
                continue;
            }
        }
        if (!options_.quick) ensure_listening();
        co_return reply;
    }
}

Task<Result<Reply>> LegacyConversation::ask(std::string method, Json params, ProgressHandler on_progress,
                                            Attempt* attempt) {
    const auto patience = dial_patience();
    auto lease = co_await connections_.open(patience);
    if (!lease) co_return lease.error();
    attempt->was_dialled = true;
    Pending pending(*this, std::to_string(last_id_++));
    pending.wire = lease->wire();
    const ProgressEntry entry(progress_, pending.id, on_progress);
    if (on_progress) params["_meta"]["progressToken"] = std::stoull(pending.id);
    const bool is_greeting = std::exchange(greeting_is_due_, false);
    std::string bytes = is_greeting ? post(greeting) : std::string();
    bytes += post(message_text(pending.id, method, params));
    Track track;
    EventSink sink = tracked(&track, [this, &pending](std::string message) {
        take(message, &pending);
        return pending.response.has_value();
    });
    try {
        auto answer = co_await (*lease)->exchange(std::move(bytes), is_greeting ? 1 : 0, std::move(sink));
        attempt->is_unsent = (*lease)->is_unsent();
        pending.wire.reset();
        if (!answer && is_greeting) greeting_is_due_ = true;
        if (answer) lease->give_back();
        const bool is_cut = !answer && answer.error().code == ErrorCode::unavailable;
        if (!pending.response) {
            if (answer && !answer->is_stream) {
                auto reply = read_reply(*answer, pending.id);
                if (!reply && answer->status == 404 && !session_.id.empty()) co_return unknown_session();
                co_return reply;
            }
            if (!answer && (!is_cut || track.last_event.empty() || connections_.is_closed())) co_return answer.error();
            if (track.last_event.empty())
                co_return Error{ErrorCode::unavailable, "the connection ended before the answer did"};
            auto resumed = co_await resume(&pending, &track, is_cut);
            if (!resumed) co_return resumed.error();
        }
    } catch (...) {
        tell_cancelled(pending.id);
        throw;
    }
    co_return read_reply(std::move(*pending.response), 200);
}

Task<Result<Reply>> LegacyConversation::ask_alone(std::string method, Json params) {
    const auto patience = dial_patience();
    auto lease = co_await connections_.open(patience);
    if (!lease) co_return lease.error();
    const std::string id = std::to_string(last_id_++);
    Json& meta = params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = revision_name(modern_revision);
    meta["io.modelcontextprotocol/clientCapabilities"] = options_.capabilities;
    meta["io.modelcontextprotocol/clientInfo"]["name"] = options_.name;
    meta["io.modelcontextprotocol/clientInfo"]["version"] = options_.version;
    std::string headers =
        fmt::format("Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {}\r\nMcp-Method: {}\r\n",
                    revision_name(modern_revision), method);
    const auto member = http::named_member(method);
    if (const std::string* name = member.empty() ? nullptr : find_text(params, member))
        headers += fmt::format("Mcp-Name: {}\r\n", http::encode_header_value(*name));
    std::string bytes = http_request(connections_.endpoint(), "POST", headers, message_text(id, method, params));
    std::optional<Json> response;
    EventSink sink = [&response, &id](http::SseEvent event) {
        auto message = read_json(event.data, answer_limits);
        const Json* given = message ? find_member(*message, "id") : nullptr;
        if (given == nullptr || id_text(*given) != id || message->contains("method")) return false;
        response = std::move(*message);
        return true;
    };
    auto answer = co_await (*lease)->exchange(std::move(bytes), 0, std::move(sink));
    if (!answer && !response) co_return answer.error();
    if (answer) lease->give_back();
    if (response) co_return read_reply(std::move(*response), 200);
    if (answer->is_stream) co_return Error{ErrorCode::unavailable, "the connection ended before the answer did"};
    co_return read_reply(*answer, id);
}

Task<Result<void>> LegacyConversation::resume(Pending* pending, Track* track, bool was_cut) {
    int fruitless = 0;
    while (true) {
        if (was_cut) {
            // Whether anybody is there still shows at once, not after the pause.
            auto probe = co_await connections_.open(std::chrono::nanoseconds(0));
            if (!probe) co_return probe.error();
            probe->give_back();
        }
        const MonoTime until = clock_->now() + track->retry;
        while (!pending->response && clock_->now() < until) co_await pending->arrived.wait_until(until, *clock_);
        if (pending->response) co_return Result<void>();
        auto lease = co_await connections_.open(options_.return_patience);
        if (!lease) co_return lease.error();
        pending->wire = lease->wire();
        const std::uint64_t seen = track->events;
        std::string bytes = stream_request(connections_.endpoint(), session_, *track);
        EventSink sink = tracked(track, [this, pending](std::string message) {
            take(message, pending);
            return pending->response.has_value();
        });
        auto answer = co_await (*lease)->exchange(std::move(bytes), 0, std::move(sink));
        pending->wire.reset();
        if (answer) lease->give_back();
        if (pending->response) co_return Result<void>();
        if (!answer && (answer.error().code != ErrorCode::unavailable || connections_.is_closed()))
            co_return answer.error();
        if (answer && !answer->is_stream)
            co_return Error{ErrorCode::unavailable,
                            fmt::format("the connection was lost, and the server does not go on with the answer (HTTP "
                                        "status {})",
                                        answer->status)};
        was_cut = !answer;
        fruitless = track->events == seen ? fruitless + 1 : 0;
        if (fruitless == max_fruitless)
            co_return Error{ErrorCode::unavailable, "the connection was lost, and the answer does not come"};
    }
}

void LegacyConversation::take(const std::string& text, Pending* own) {
    auto message = read_json(text, answer_limits);
    if (!message || !message->is_object()) return;
    const Json* id = find_member(*message, "id");
    const Json* method = find_member(*message, "method");
    if (method == nullptr) {
        if (id == nullptr) return;
        const auto found = pending_.find(id_text(*id));
        if (found == pending_.end()) return;
        Pending& waiting = *found->second;
        waiting.response = std::move(*message);
        waiting.arrived.notify_all();
        // It came on another stream than the one that is being read for it.
        if (&waiting != own && waiting.wire) waiting.wire->close();
        return;
    }
    if (!method->is_string()) return;
    if (id == nullptr) return notify(*message);
    std::string its_id = id_text(*id);
    if (its_id.empty()) return;
    Json* params = find_member(*message, "params");
    tasks_.spawn("answer to the server",
                 answer_question(shared_from_this(), std::move(its_id), method->get<std::string>(),
                                 params == nullptr ? Json::object() : std::move(*params)));
}

// ---- what goes on beside the requests ----

Task<> LegacyConversation::send(std::shared_ptr<LegacyConversation> self, std::string body) {
    const MonoTime until = self->clock_->now() + aside_patience;
    auto lease = co_await self->connections_.open(std::chrono::nanoseconds(0));
    if (!lease) co_return;
    std::string bytes = self->post(body);
    auto exchange = (*lease)->exchange(std::move(bytes), 0, EventSink());
    auto limit = self->clock_->sleep_until(until);
    auto first = co_await (std::move(exchange) || std::move(limit));
    if (first.index() == 0 && std::get<0>(first)) lease->give_back();
}

void LegacyConversation::tell_cancelled(const std::string& id) {
    if (connections_.is_closed()) return;
    Json params = Json::object();
    params["requestId"] = std::stoull(id);
    tasks_.spawn("cancelled notification",
                 send(shared_from_this(), message_text({}, "notifications/cancelled", params)));
}

Task<> LegacyConversation::answer_question(std::shared_ptr<LegacyConversation> self, std::string id, std::string method,
                                           Json params) {
    auto answered = co_await self->answer(std::move(method), std::move(params));
    std::string body;
    if (answered) {
        body = result_response(id, json_text(*answered));
    } else {
        RpcError error;
        error.code = answered.error().code == ErrorCode::unsupported ? rpc::method_not_found : rpc::internal_error;
        error.message = answered.error().message;
        error.id = std::move(id);
        body = error_response(error);
    }
    auto sending = send(self, std::move(body));
    co_await std::move(sending);
}

void LegacyConversation::ensure_listening() {
    if (is_listening_ || !may_listen_ || connections_.is_closed()) return;
    is_listening_ = true;
    tasks_.spawn("stream of the session", listen_to_session(shared_from_this(), session_.generation));
}

Task<bool> LegacyConversation::hear_session(Track* track) {
    auto lease = co_await connections_.open(std::chrono::nanoseconds(0));
    if (!lease) co_return true;
    std::string bytes = stream_request(connections_.endpoint(), session_, *track);
    EventSink sink = tracked(track, [this](std::string message) {
        take(message, nullptr);
        return false;
    });
    auto answer = co_await (*lease)->exchange(std::move(bytes), 0, std::move(sink));
    if (answer) lease->give_back();
    const Heard what = heard(answer, *track);
    if (what == Heard::not_offered) may_listen_ = false;
    co_return what == Heard::ended || what == Heard::cut;
}

Task<> LegacyConversation::listen_to_session(std::shared_ptr<LegacyConversation> self, std::uint64_t generation) {
    Track track;
    int failures = 0;
    while (generation == self->session_.generation && failures < max_listen_failures) {
        const MonoTime begun = self->clock_->now();
        const std::uint64_t seen = track.events;
        auto hearing = self->hear_session(&track);
        const bool may_go_on = co_await std::move(hearing);
        if (!may_go_on) break;
        const bool was_idle_stream = self->clock_->now() - begun >= shortest_stream;
        failures = track.events == seen && !was_idle_stream ? failures + 1 : 0;
        const MonoTime next = self->clock_->now() + track.pause(failures, longest_listen_pause);
        co_await self->clock_->sleep_until(next);
    }
    self->is_listening_ = false;
    if (generation != self->session_.generation) self->ensure_listening();
}

}  // namespace persistproc::mcp::client
