#include "cli/bridge/bridge.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <list>
#include <optional>
#include <vector>

#include "cli/bridge/daemon_link.hpp"
#include "cli/bridge/line_reader.hpp"
#include "cli/bridge/message_scan.hpp"
#include "cli/bridge/session.hpp"
#include "cli/reader_gone.hpp"
#include "cli/session/paced_writer.hpp"
#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "common/base/diagnostics.hpp"
#include "common/mcp/http/header_value.hpp"
#include "common/mcp/json_reader.hpp"
#include "common/mcp/message.hpp"
#include "common/mcp/revision.hpp"

namespace persistproc::cli::bridge {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;
using mcp::client::Answer;
using mcp::client::EventSink;

/// As much as the daemon takes.
constexpr std::size_t max_line_bytes = 4u << 20;
constexpr std::size_t read_bytes = 64u << 10;
constexpr std::size_t max_open = 1000;
/// Of lines that the agent does not read; more is no use to it.
constexpr std::size_t max_unread_bytes = 64u << 20;
constexpr std::chrono::milliseconds patience_after_input{1500};
constexpr std::chrono::milliseconds farewell_patience{300};
constexpr std::chrono::milliseconds standard_retry{1000};
constexpr std::chrono::milliseconds shortest_retry{20};
constexpr std::chrono::milliseconds longest_retry{10'000};
constexpr int max_fruitless = 4;
/// The daemon says something at least every fifteen seconds while a request is open.
constexpr std::chrono::seconds longest_silence{45};
constexpr std::chrono::milliseconds dying_pause{20};
constexpr int dying_tries = 20;
/// A cancellation must not overtake what it cancels.
constexpr std::chrono::milliseconds overtaking_pause{1};
constexpr int overtaking_tries = 200;

constexpr int failure_status = 125;

constexpr const char* lost_text =
    "the daemon was lost before it answered; if the call changes something, it may have happened: look before you "
    "repeat it. The next call reaches a new daemon, and the processes go on";

constexpr std::string_view accepts = "Accept: application/json, text/event-stream\r\n";

bool is_header_text(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

/// The headers of a modern message, made from its body.
std::string modern_headers(const ScannedMessage& message) {
    // A body that does not name its version in a way that fits here is refused for that, whatever the header says.
    const bool is_named = message.version && is_header_text(*message.version);
    std::string out(accepts);
    out += "MCP-Protocol-Version: " +
           (is_named ? *message.version : std::string(mcp::revision_name(mcp::modern_revision))) + "\r\n";
    if (is_header_text(message.method)) out += "Mcp-Method: " + message.method + "\r\n";
    if (message.name) out += "Mcp-Name: " + mcp::http::encode_header_value(*message.name) + "\r\n";
    return out;
}

/// How far a stream has been read.
struct Track {
    std::string last_event;
    std::chrono::milliseconds retry = standard_retry;
    std::uint64_t events = 0;

    void see(const mcp::http::SseEvent& event) {
        ++events;
        if (!event.id.empty()) last_event = event.id;
        constexpr auto longest = static_cast<std::uint64_t>(longest_retry.count());
        if (event.retry_ms)
            retry = std::max(shortest_retry,
                             std::chrono::milliseconds(static_cast<std::int64_t>(std::min(*event.retry_ms, longest))));
    }
};

/// A message of the agent that the daemon has not answered yet.
struct Open {
    ScannedMessage message;
    std::string text;
    bool is_answered = false;
    bool is_listening = false;  // to changes, acknowledged: it ends when somebody ends it
    bool is_cancelled = false;  // modern: its POST was closed; of the others the daemon sends nothing more
    std::shared_ptr<mcp::client::Wire> wire;

    bool is_initialize() const { return message.method == "initialize" && !message.is_modern; }
    bool wants_answer() const { return message.kind == MessageKind::request || !message.batch_ids.empty(); }
};

/// Keeps an open message in the list for as long as it is worked on.
class Registered {
public:
    Registered(std::list<Open*>& list, Open* open) : list_(list), place_(list.insert(list.end(), open)) {}
    ~Registered() { list_.erase(place_); }
    Registered(const Registered&) = delete;
    Registered& operator=(const Registered&) = delete;

private:
    std::list<Open*>& list_;
    std::list<Open*>::iterator place_;
};

class Bridge {
public:
    Bridge(boost::asio::any_io_executor executor, CommonOptions common, BridgeOptions options)
        : executor_(executor),
          options_(options),
          link_(executor, std::move(common), options.autostart),
          writer_(executor, options.output),
          written_(executor),
          changed_(executor),
          renewing_(executor),
          signals_(executor, SIGINT, SIGTERM, SIGHUP),
          tasks_(executor) {}

    Task<int> run() {
        tasks_.spawn("signals", take_signals());
        tasks_.spawn("output", write_lines());
        tasks_.spawn("input", read_lines());
        while (!is_ending_) co_await changed_.wait();
        const MonoTime until = clock_.now() + patience_after_input;
        while (!is_dropped_ && !is_settled() && clock_.now() < until) co_await changed_.wait_until(until, clock_);
        co_await say_goodbye();
        // A start that is under way holds its thread, and goes on without us.
        if (link_.is_starting()) ::_exit(0);
        link_.close();
        co_await tasks_.close();
        co_return status_;
    }

private:
    // ---- lines in ----

    Task<> take_signals() {
        const int number = co_await signals_.async_wait(boost::asio::use_awaitable);
        (void)number;
        drop();
    }

    void drop() {
        is_ending_ = is_dropped_ = true;
        changed_.notify_all();
    }

    bool is_settled() const {
        const auto is_listening = [](const Open* each) { return each->is_listening; };
        return unread_bytes_ == 0 && std::all_of(open_.begin(), open_.end(), is_listening);
    }

    Task<> read_lines() {
        LineReader reader(max_line_bytes);
        std::vector<Line> lines;
        std::string chunk(read_bytes, '\0');
        boost::asio::posix::stream_descriptor readiness(executor_);
        bool may_wait = watch_input(readiness);
        while (true) {
            if (may_wait) {
                boost::system::error_code failed;
                auto token = boost::asio::redirect_error(boost::asio::use_awaitable, failed);
                co_await readiness.async_wait(boost::asio::posix::descriptor_base::wait_read, token);
                if (failed == boost::asio::error::operation_aborted) throw boost::system::system_error(failed);
                // What epoll cannot watch never keeps a reader waiting.
                if (failed) may_wait = false;
            } else {
                co_await boost::asio::post(executor_, boost::asio::use_awaitable);
            }
            const ssize_t got = ::read(options_.input, chunk.data(), chunk.size());
            if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (got <= 0) break;
            reader.feed(std::string_view(chunk.data(), static_cast<std::size_t>(got)), lines);
            for (auto& line : lines) take(std::move(line));
            lines.clear();
        }
        if (auto rest = reader.finish()) take(std::move(*rest));
        is_ending_ = true;
        changed_.notify_all();
    }

    /// False: a file, which is read as it is.
    bool watch_input(boost::asio::posix::stream_descriptor& readiness) const {
        const int duplicate = ::fcntl(options_.input, F_DUPFD_CLOEXEC, 3);
        if (duplicate < 0) return false;
        boost::system::error_code failed;
        readiness.assign(duplicate, failed);
        if (failed) ::close(duplicate);
        return !failed;
    }

    void take(Line line) {
        if (line.is_too_long)
            return refuse("null", mcp::rpc::invalid_request, "Invalid request: a line is longer than 4 MiB");
        Open open;
        open.message = scan_message(line.text);
        open.text = std::move(line.text);
        const ScannedMessage& message = open.message;
        if (message.kind == MessageKind::not_json)
            return refuse("null", mcp::rpc::parse_error, "Parse error: the line is not JSON");
        if (message.kind == MessageKind::not_a_message)
            return refuse(message.id, mcp::rpc::invalid_request, "Invalid request: not a JSON-RPC 2.0 message");
        if (!message.cancelled_id.empty() && cancel(message.cancelled_id)) return;
        // There are no notifications of clients in 2026-07-28.
        if (message.kind == MessageKind::notification && message.is_modern) return;
        if (open_.size() >= max_open) return fail(open, fmt::format("more than {} requests are open", max_open));
        if (open.is_initialize()) ++initializing_;
        if (message.method == "notifications/initialized") session_.initialized = open.text;
        tasks_.spawn("message of the agent", pass_on(std::make_unique<Open>(std::move(open))));
    }

    /// Ends a modern request by closing its connection. False: it is not one, and the daemon is to be told.
    bool cancel(const std::string& id) {
        bool is_modern = false;
        for (Open* each : open_) {
            if (each->message.id != id || each->message.kind != MessageKind::request) continue;
            each->is_cancelled = true;
            if (!each->message.is_modern) continue;
            is_modern = true;
            if (each->wire) each->wire->close();
        }
        return is_modern;
    }

    // ---- lines out ----

    void put(std::string line) {
        line += '\n';
        unread_bytes_ += line.size();
        lines_.push_back(std::move(line));
        if (unread_bytes_ > max_unread_bytes) {
            base::report(base::Severity::error, "the agent does not read its answers");
            drop();
        }
        written_.notify_all();
    }

    Task<> write_lines() {
        while (true) {
            while (lines_.empty()) co_await written_.wait();
            std::string bytes = std::move(lines_.front());
            lines_.pop_front();
            const std::size_t size = bytes.size();
            const int error = co_await writer_.write(std::move(bytes));
            if (error != 0) {
                // Nobody is there any more, or nothing reaches them.
                if (!is_reader_gone(options_.output, error)) {
                    base::report(base::Severity::error, "{}",
                                 base::os_failure("cannot write to stdout", error).message);
                    status_ = failure_status;
                }
                drop();
                co_return;
            }
            unread_bytes_ -= size;
            if (is_ending_) changed_.notify_all();
        }
    }

    void refuse(std::string id, int code, std::string text) {
        mcp::RpcError error;
        error.code = code;
        error.message = std::move(text);
        error.id = std::move(id);
        put(mcp::error_response(error));
    }

    /// Every request of the message gets an answer.
    void fail(const Open& open, const std::string& why) {
        if (open.message.kind == MessageKind::request) refuse(open.message.id, mcp::rpc::internal_error, why);
        for (const auto& id : open.message.batch_ids) refuse(id, mcp::rpc::internal_error, why);
        if (!open.wants_answer()) base::report(base::Severity::warning, "a message was not delivered: {}", why);
    }

    // ---- what an agent said ----

    Task<> pass_on(std::unique_ptr<Open> open) {
        const Registered registered(open_, open.get());
        auto exchanging = exchange(open.get());
        co_await std::move(exchanging);
        if (open->is_initialize()) --initializing_;
        // After the entry is gone.
        boost::asio::post(executor_, [this, alive = std::weak_ptr<bool>(alive_)] {
            if (!alive.expired()) changed_.notify_all();
        });
    }

    Task<> exchange(Open* open) {
        const bool is_modern = open->message.is_modern;
        // What belongs to a session waits until there is one.
        while (!is_modern && !open->is_initialize() && initializing_ > 0) co_await changed_.wait();
        if (!open->message.cancelled_id.empty()) co_await let_pass(open->message.cancelled_id);
        bool was_renewed = false;
        bool was_resent = false;
        while (!open->is_cancelled || !is_modern) {
            auto lease = co_await link_.open();
            if (!lease) co_return fail(*open, lease.error().message);
            if (open->is_cancelled && is_modern) break;
            open->wire = lease->wire();
            const std::uint64_t generation = session_.generation;
            const bool has_session = !session_.id.empty();
            const std::string headers = is_modern               ? modern_headers(open->message)
                                        : open->is_initialize() ? std::string(accepts)
                                                                : std::string(accepts) + session_headers(session_);
            std::string bytes = link_.request("POST", headers, open->text);
            Track track;
            EventSink sink = [this, open, &track](mcp::http::SseEvent event) {
                track.see(event);
                if (!event.data.empty()) pass_back(*open, std::move(event.data));
                return open->is_answered;
            };
            auto answer = co_await talk(&*lease, std::move(bytes), std::move(sink));
            open->wire.reset();
            if (answer) lease->give_back();
            if (open->is_answered || (open->is_cancelled && is_modern)) {
                if (answer && open->is_initialize()) begin_session(*open, answer->session);
                co_return;
            }
            if (!answer) {
                link_.drop_idle();
                // What never left may be sent to the next daemon.
                if ((*lease)->is_unsent() && !was_resent) {
                    was_resent = true;
                    continue;
                }
                base::report(base::Severity::warning, "{}", answer.error().message);
                ensure_recovery();
                if (!open->is_cancelled) fail(*open, lost_text);
                co_return;
            }
            if (answer->status == 404 && !is_modern && has_session && !open->is_initialize() && !was_renewed) {
                was_renewed = true;
                auto renewed = co_await renew(generation);
                if (renewed) continue;
            }
            if (!answer->is_stream) co_return take_body(*open, std::move(*answer));
            // A cancelled request gets no answer, and a daemon that hung up in the middle is asked for the rest.
            if (open->is_cancelled || !open->wants_answer()) co_return;
            if (!is_modern && !track.last_event.empty()) {
                auto resuming = resume(open, &track);
                co_await std::move(resuming);
            }
            if (!open->is_answered && !open->is_cancelled) fail(*open, lost_text);
            co_return;
        }
    }

    /// One exchange, given up when the daemon hangs.
    Task<Result<Answer>> talk(DaemonLink::Lease* lease, std::string bytes, EventSink sink) {
        auto exchanging = (*lease)->exchange(std::move(bytes), 0, std::move(sink));
        auto silence = mcp::client::until_silent(lease->wire(), clock_, longest_silence);
        auto first = co_await (std::move(exchanging) || std::move(silence));
        if (first.index() == 0) co_return std::move(std::get<0>(first));
        co_return Error{ErrorCode::unavailable,
                        fmt::format("the daemon has said nothing for {} s: it hangs", longest_silence.count())};
    }

    /// Completes when the request that a cancellation names has been sent.
    Task<> let_pass(std::string id) {
        const auto is_unsent = [&](const Open* each) {
            return each->message.id == id && (!each->wire || each->wire->is_unsent());
        };
        for (int tries = 0; tries < overtaking_tries && std::any_of(open_.begin(), open_.end(), is_unsent); ++tries) {
            const MonoTime next = clock_.now() + overtaking_pause;
            co_await clock_.sleep_until(next);
        }
    }

    /// A message of a stream that belongs to `open`.
    void pass_back(Open& open, std::string text) {
        if (open.is_cancelled && open.message.is_modern) return;
        if (open.message.kind == MessageKind::request) {
            const ScannedMessage message = scan_message(text);
            open.is_answered = message.kind == MessageKind::response && message.id == open.message.id;
            if (open.is_answered && open.is_initialize()) initialize_answer_ = text;
            if (open.message.is_modern && open.message.method == "subscriptions/listen") open.is_listening = true;
        }
        put(one_line(std::move(text)));
    }

    /// An answer that is no stream.
    void take_body(Open& open, Answer answer) {
        if (open.is_cancelled && open.message.is_modern) return;
        if (!open.wants_answer()) {
            // A batch that is refused whole is answered, whatever is in it.
            if (open.message.kind == MessageKind::batch && scan_message(answer.body).kind == MessageKind::response)
                return put(one_line(std::move(answer.body)));
            if (answer.status >= 400)
                base::report(base::Severity::warning, "the daemon refused a message with HTTP status {}",
                             answer.status);
            return;
        }
        const ScannedMessage message = scan_message(answer.body);
        if (message.kind == MessageKind::response && message.id == "null" &&
            open.message.kind == MessageKind::request) {
            // The daemon could not read whose it is; we can.
            auto refusal = mcp::read_json(answer.body);
            if (refusal) {
                const auto id = mcp::read_json(open.message.id);
                if (id) (*refusal)["id"] = *id;
                return put(mcp::json_text(*refusal));
            }
        }
        const bool is_answer = message.kind == MessageKind::response || message.kind == MessageKind::batch;
        if (!is_answer) {
            // A request that is cancelled in a session ends without a message.
            if (open.is_cancelled && answer.status < 300) return;
            return fail(open, fmt::format("the daemon refused it with HTTP status {}", answer.status));
        }
        if (open.is_initialize()) {
            initialize_answer_ = answer.body;
            begin_session(open, answer.session);
        }
        put(one_line(std::move(answer.body)));
    }

    // ---- the session ----

    void begin_session(const Open& open, const std::string& id) {
        if (!learn(session_, id, initialize_answer_)) return;
        session_.initialize = open.text;
        if (!session_.id.empty()) ensure_listening();
    }

    /// Begins a session again that the daemon does not know: the agent hears nothing of it. `generation`: of the one
    /// that was refused.
    Task<bool> renew(std::uint64_t generation) {
        auto guard = co_await renewing_.lock();
        if (session_.generation != generation) co_return true;
        if (!session_.is_begun()) co_return false;
        auto lease = co_await link_.open();
        if (!lease) co_return false;
        std::string message;
        EventSink sink = [&message](mcp::http::SseEvent event) {
            if (scan_message(event.data).kind == MessageKind::response) message = std::move(event.data);
            return !message.empty();
        };
        std::string bytes = link_.request("POST", accepts, session_.initialize);
        auto answer = co_await (*lease)->exchange(std::move(bytes), 0, std::move(sink));
        if (!answer) co_return false;
        if (!answer->is_stream) message = std::move(answer->body);
        if (!learn(session_, answer->session, message)) co_return false;
        base::report(base::Severity::info, "the daemon did not know the session: began it again");
        if (!session_.initialized.empty()) {
            std::string introduced =
                link_.request("POST", std::string(accepts) + session_headers(session_), session_.initialized);
            auto ignored = co_await (*lease)->exchange(std::move(introduced), 0, EventSink());
            if (!ignored) co_return true;
        }
        lease->give_back();
        co_return true;
    }

    /// The rest of an answer whose stream the daemon ended early.
    Task<> resume(Open* open, Track* track) {
        int fruitless = 0;
        while (!open->is_answered && !open->is_cancelled && fruitless < max_fruitless) {
            const MonoTime until = clock_.now() + track->retry;
            co_await clock_.sleep_until(until);
            auto lease = co_await link_.open_to_running();
            if (!lease) co_return;
            const std::uint64_t seen = track->events;
            std::string bytes = link_.request("GET",
                                              fmt::format("Accept: text/event-stream\r\n{}Last-Event-ID: {}\r\n",
                                                          session_headers(session_), track->last_event),
                                              {});
            EventSink sink = [this, open, track](mcp::http::SseEvent event) {
                track->see(event);
                if (!event.data.empty()) pass_back(*open, std::move(event.data));
                return open->is_answered;
            };
            auto answer = co_await (*lease)->exchange(std::move(bytes), 0, std::move(sink));
            if (answer) lease->give_back();
            if (!answer || !answer->is_stream) co_return;
            fruitless = track->events == seen ? fruitless + 1 : 0;
        }
    }

    void ensure_listening() {
        if (is_listening_) return;
        is_listening_ = true;
        tasks_.spawn("stream of the session", listen());
    }

    /// The stream of the session, for as long as there is one.
    Task<> listen() {
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
            if (heard == Heard::refused) break;
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
                auto recovering = recover();
                co_await std::move(recovering);
                if (failures == 1) continue;
            }
            const std::chrono::milliseconds pause = std::min(track.retry * (1 << std::min(failures, 4)), longest_retry);
            const MonoTime next = clock_.now() + pause;
            co_await clock_.sleep_until(next);
        }
        is_listening_ = false;
    }

    enum class Heard { ended, cut, nobody, unknown_session, refused };

    Task<Heard> hear(Track* track) {
        auto lease = co_await link_.open_to_running();
        if (!lease) co_return Heard::nobody;
        const bool is_resumed = !track->last_event.empty();
        std::string headers = "Accept: text/event-stream\r\n" + session_headers(session_);
        if (is_resumed) headers += "Last-Event-ID: " + track->last_event + "\r\n";
        std::string bytes = link_.request("GET", headers, {});
        EventSink sink = [this, track](mcp::http::SseEvent event) {
            track->see(event);
            if (!event.data.empty()) put(one_line(std::move(event.data)));
            return false;
        };
        auto answer = co_await talk(&*lease, std::move(bytes), std::move(sink));
        if (!answer) {
            link_.drop_idle();
            co_return Heard::cut;
        }
        lease->give_back();
        if (answer->is_stream) co_return Heard::ended;
        if (answer->status == 404) co_return Heard::unknown_session;
        // What the daemon forgot cannot be resumed, but listened to from now on.
        track->last_event.clear();
        co_return is_resumed && answer->status == 400 ? Heard::ended : Heard::refused;
    }

    void ensure_recovery() {
        if (is_recovering_) return;
        is_recovering_ = true;
        tasks_.spawn("recovery", recover());
    }

    /// Sees to it that a daemon is there again before the agent asks for it.
    Task<> recover() {
        for (int tries = 0; tries < dying_tries; ++tries) {
            auto lease = co_await link_.open();
            if (!lease) break;
            // The listener of a daemon that is just dying takes connections for a moment still.
            const MonoTime next = clock_.now() + dying_pause;
            co_await clock_.sleep_until(next);
            if ((*lease)->is_stale()) continue;
            lease->give_back();
            break;
        }
        is_recovering_ = false;
    }

    Task<> say_goodbye() {
        if (session_.id.empty() || link_.is_starting()) co_return;
        const MonoTime until = clock_.now() + farewell_patience;
        auto deleting = delete_session();
        auto limit = clock_.sleep_until(until);
        co_await (std::move(deleting) || std::move(limit));
    }

    Task<> delete_session() {
        auto lease = co_await link_.open_to_running();
        if (!lease) co_return;
        std::string bytes = link_.request("DELETE", session_headers(session_), {});
        auto ignored = co_await (*lease)->exchange(std::move(bytes), 0, EventSink());
        (void)ignored;
    }

    boost::asio::any_io_executor executor_;
    BridgeOptions options_;
    async::SystemClock clock_;
    DaemonLink link_;
    session::PacedWriter writer_;
    std::list<std::string> lines_;  // to be written
    std::size_t unread_bytes_ = 0;  // of them, and of the one that is being written
    async::Notifier written_;
    std::list<Open*> open_;
    Session session_;
    std::string initialize_answer_;
    int initializing_ = 0;
    async::Notifier changed_;
    async::Mutex renewing_;
    boost::asio::signal_set signals_;
    int status_ = 0;
    bool is_ending_ = false;
    bool is_dropped_ = false;
    bool is_listening_ = false;
    bool is_recovering_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    async::TaskGroup tasks_;
};

}  // namespace

Task<int> serve(boost::asio::any_io_executor executor, CommonOptions common, BridgeOptions options) {
    auto bridge = std::make_unique<Bridge>(std::move(executor), std::move(common), options);
    co_return co_await bridge->run();
}

}  // namespace persistproc::cli::bridge
