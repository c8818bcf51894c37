#include "cli/bridge/agent_session.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "cli/bridge/line_reader.hpp"
#include "cli/bridge/message_scan.hpp"
#include "common/base/diagnostics.hpp"

namespace persistproc::cli::bridge {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;
using mcp::client::EventSink;
using mcp::client::Heard;
using mcp::client::Track;
using mcp::client::tracked;

constexpr std::chrono::milliseconds farewell_patience{300};
constexpr std::chrono::seconds longest_retry_pause{10};

}  // namespace

bool learn(mcp::client::ClientSession& session, std::string id, const std::string& answer) {
    const auto json = mcp::read_json(answer);
    const mcp::Json* result = json ? mcp::find_member(*json, "result") : nullptr;
    if (result == nullptr || !result->is_object()) return false;
    session.begin(std::move(id), *result);
    return true;
}

AgentSession::AgentSession(boost::asio::any_io_executor executor, DaemonLink& link, async::TaskGroup& tasks,
                           std::function<void(std::string)> put)
    : link_(link), tasks_(tasks), put_(std::move(put)), renewing_(executor) {}

void AgentSession::begin(std::string initialize, const std::string& answer, std::string id) {
    if (!learn(session_, std::move(id), answer)) return;
    initialize_ = std::move(initialize);
    if (session_.id.empty() || is_listening_) return;
    is_listening_ = true;
    tasks_.spawn("stream of the session", listen());
}

Task<bool> AgentSession::renew(std::uint64_t generation) {
    auto guard = co_await renewing_.lock();
    if (session_.generation != generation) co_return true;
    if (initialize_.empty()) co_return false;
    auto lease = co_await link_.open();
    if (!lease) co_return false;
    std::string message;
    EventSink sink = [&message](mcp::http::SseEvent event) {
        if (scan_message(event.data).kind == MessageKind::response) message = std::move(event.data);
        return !message.empty();
    };
    std::string bytes = link_.request("POST", accepts, initialize_);
    auto answer = co_await (*lease)->exchange(std::move(bytes), 0, std::move(sink));
    if (!answer) co_return false;
    if (!answer->is_stream) message = std::move(answer->body);
    if (!learn(session_, answer->session, message)) co_return false;
    base::report(base::Severity::info, "the daemon did not know the session: began it again");
    if (!initialized_.empty()) {
        std::string introduced = link_.request("POST", std::string(accepts) + headers(), initialized_);
        auto ignored = co_await (*lease)->exchange(std::move(introduced), 0, EventSink());
        if (!ignored) co_return true;
    }
    lease->give_back();
    co_return true;
}

Task<> AgentSession::resume(Track* track, std::function<bool(std::string)> take, std::function<bool()> is_over) {
    int fruitless = 0;
    while (!is_over() && fruitless < mcp::client::max_fruitless) {
        const MonoTime until = clock_.now() + track->retry;
        co_await clock_.sleep_until(until);
        auto lease = co_await link_.open_to_running();
        if (!lease) co_return;
        const std::uint64_t seen = track->events;
        std::string bytes = stream_request(link_.endpoint(), session_, *track);
        EventSink sink = tracked(track, take);
        auto answer = co_await (*lease)->exchange(std::move(bytes), 0, std::move(sink));
        if (answer) lease->give_back();
        if (!answer || !answer->is_stream) co_return;
        fruitless = track->events == seen ? fruitless + 1 : 0;
    }
}

/// The stream of the session, for as long as there is one.
Task<> AgentSession::listen() {
    Track track;
    std::uint64_t generation = session_.generation;
    int failures = 0;
    bool is_repair_due = false;
    while (true) {
        if (generation != session_.generation) {
            generation = session_.generation;
            track = Track();
        }
        auto hearing = hear(&track);
        const Heard heard = co_await std::move(hearing);
        if (heard == Heard::refused || heard == Heard::not_offered) break;
        if (heard == Heard::unknown_session) {
            const bool is_renewed = co_await renew(generation);
            if (!is_renewed) break;
            continue;
        }
        failures = heard == Heard::ended ? 0 : failures + 1;
        // A death is repaired, and at once; a daemon that ended its stream was asked to leave.
        if (heard == Heard::ended) is_repair_due = false;
        if (heard == Heard::cut) is_repair_due = true;
        if (is_repair_due) {
            auto recovering = link_.recover();
            co_await std::move(recovering);
            if (failures == 1) continue;
        }
        const MonoTime next = clock_.now() + track.pause(failures, longest_retry_pause);
        co_await clock_.sleep_until(next);
    }
    is_listening_ = false;
}

Task<Heard> AgentSession::hear(Track* track) {
    auto lease = co_await link_.open_to_running();
    if (!lease) co_return Heard::nobody;
    std::string bytes = stream_request(link_.endpoint(), session_, *track);
    EventSink sink = tracked(track, [this](std::string message) {
        put_(one_line(std::move(message)));
        return false;
    });
    auto answer = co_await link_.talk(&*lease, std::move(bytes), std::move(sink));
    if (answer)
        lease->give_back();
    else
        link_.drop_idle();
    co_return heard(answer, *track);
}

Task<> AgentSession::leave() {
    if (session_.id.empty() || link_.is_starting()) co_return;
    const MonoTime until = clock_.now() + farewell_patience;
    auto ending = end();
    auto limit = clock_.sleep_until(until);
    co_await (std::move(ending) || std::move(limit));
}

Task<> AgentSession::end() {
    auto lease = co_await link_.open_to_running();
    if (!lease) co_return;
    std::string bytes = link_.request("DELETE", headers(), {});
    auto ignored = co_await (*lease)->exchange(std::move(bytes), 0, EventSink());
    (void)ignored;
}

}  // namespace persistproc::cli::bridge
