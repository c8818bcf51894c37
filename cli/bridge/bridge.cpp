#include "cli/bridge/bridge.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <filesystem>
#include <list>
#include <optional>
#include <vector>

#include "cli/bridge/agent_environment.hpp"
#include "cli/bridge/agent_output.hpp"
#include "cli/bridge/agent_session.hpp"
#include "cli/bridge/daemon_link.hpp"
#include "cli/bridge/line_reader.hpp"
#include "cli/bridge/message_scan.hpp"
#include "cli/environment.hpp"
#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/text.hpp"
#include "common/mcp/http/header_value.hpp"
#include "common/mcp/json_reader.hpp"
#include "common/mcp/message.hpp"
#include "common/mcp/revision.hpp"

namespace persistproc::cli::bridge {

namespace {

using mcp::client::Answer;
using mcp::client::Track;
using mcp::client::tracked;

/// As much as the daemon takes.
constexpr std::size_t max_line_bytes = 4u << 20;
constexpr std::size_t read_bytes = 64u << 10;
constexpr std::size_t max_open = 1000;
constexpr std::chrono::milliseconds patience_after_input{1500};

constexpr int most_repeats = 3;

constexpr const char* lost_text =
    "the daemon was lost before it answered; if the call changes something, it may have happened: look before you "
    "repeat it. The next call reaches a new daemon, and the processes go on";

constexpr const char* lost_behind_text =
    "; the daemon was lost before what was waited for: the process goes on, and wait_for_process asks the next daemon";

bool is_header_text(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

/// The headers of a modern message, made from its body.
std::string modern_headers(const ScannedMessage& message) {
    // A body that does not name its version in a way that fits here is refused for that, whatever the header says.
    const bool is_named = message.version && is_header_text(*message.version);
    std::string out = "MCP-Protocol-Version: " +
                      (is_named ? *message.version : std::string(mcp::revision_name(mcp::modern_revision))) + "\r\n";
    if (is_header_text(message.method)) out += "Mcp-Method: " + message.method + "\r\n";
    if (message.name) out += "Mcp-Name: " + mcp::http::encode_header_value(*message.name) + "\r\n";
    return out;
}

/// Empty: it is gone, or not to be said in JSON.
std::string own_directory() {
    std::error_code failed;
    std::string out = std::filesystem::current_path(failed).native();
    return failed || !base::is_utf8(out) ? std::string() : out;
}

/// A message of the agent that the daemon has not answered yet.
struct Open {
    ScannedMessage message;
    std::string text;
    bool is_sent = false;  // at least a part of it
    bool is_answered = false;
    bool is_listening = false;  // to changes, acknowledged: it ends when somebody ends it
    bool is_cancelled = false;  // modern: its POST was closed; of the others the daemon sends nothing more
    std::string done{};         // what it has done already, as the daemon told
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
          output_(executor, options.output),
          changed_(executor),
          session_(executor, link_, tasks_, [this](std::string message) { output_.put(std::move(message)); }),
          signals_(executor, SIGINT, SIGTERM, SIGHUP),
          tasks_(executor) {
        output_.on_overflow = [this] { drop(); };
        output_.on_taken = [this] {
            if (is_ending_) changed_.notify_all();
        };
    }

    Task<int> run() {
        tasks_.spawn("signals", take_signals());
        tasks_.spawn("output", write());
        tasks_.spawn("reader", leave_without_reader());
        tasks_.spawn("input", read_lines());
        while (!is_ending_) co_await changed_.wait();
        const MonoTime until = clock_.now() + patience_after_input;
        while (!is_dropped_ && !is_settled() && clock_.now() < until) co_await changed_.wait_until(until, clock_);
        co_await session_.leave();
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
        return output_.is_empty() && std::all_of(open_.begin(), open_.end(), is_listening);
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
        open.text = with_directory(open.message, std::move(line.text), directory_);
        open.text = with_environment(open.message, std::move(open.text), environment_);
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
        if (message.method == "notifications/initialized") session_.introduce(open.text);
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

    Task<> write() {
        status_ = co_await output_.write();
        drop();
    }

    Task<> leave_without_reader() {
        const bool is_gone = co_await output_.wait_reader_gone();
        if (is_gone) drop();
    }

    void refuse(std::string id, int code, std::string text) {
        mcp::RpcError error;
        error.code = code;
        error.message = std::move(text);
        error.id = std::move(id);
        output_.put(mcp::error_response(error));
    }

    /// Every request of the message gets an answer.
    void fail(const Open& open, const std::string& why) {
        if (open.message.kind == MessageKind::request) refuse(open.message.id, mcp::rpc::internal_error, why);
        for (const auto& id : open.message.batch_ids) refuse(id, mcp::rpc::internal_error, why);
        if (!open.wants_answer()) base::report(base::Severity::warning, "a message was not delivered: {}", why);
    }

    void fail_lost(const Open& open) { fail(open, open.done.empty() ? lost_text : open.done + lost_behind_text); }

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
        int repeats = 0;
        const MonoTime asked = clock_.now();
        while (!open->is_cancelled || !is_modern) {
            auto lease = co_await link_.open();
            if (!lease) co_return fail(*open, lease.error().message);
            if (open->is_cancelled && is_modern) break;
            open->wire = lease->wire();
            open->wire->when_sent([this, open] {
                open->is_sent = true;
                changed_.notify_all();
            });
            const std::uint64_t generation = session_.generation();
            const bool has_session = session_.has_id();
            const std::string headers = is_modern               ? modern_headers(open->message)
                                        : open->is_initialize() ? std::string()
                                                                : session_.headers();
            std::string text = open->text;
            if (repeats > 0) text = with_rest_of_time(open->message, std::move(text), clock_.now() - asked);
            std::string bytes = link_.request("POST", std::string(accepts) + headers, text);
            Track track;
            const auto take = [this, open](std::string message) { return pass_back(*open, std::move(message)); };
            mcp::client::EventSink sink = tracked(&track, take);
            auto answer = co_await link_.talk(&*lease, std::move(bytes), std::move(sink));
            open->wire.reset();
            if (answer) lease->give_back();
            if (open->is_answered || (open->is_cancelled && is_modern)) {
                if (answer && open->is_initialize()) session_.begin(open->text, initialize_answer_, answer->session);
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
                link_.ensure_recovery(tasks_);
                // A daemon that hangs would do so again.
                const bool has_died = answer.error().os_error != ETIMEDOUT;
                if (has_died && may_repeat(*open, repeats)) continue;
                if (!open->is_cancelled) fail_lost(*open);
                co_return;
            }
            if (answer->status == 404 && !is_modern && has_session && !open->is_initialize() && !was_renewed) {
                was_renewed = true;
                open->is_sent = false;
                auto renewed = co_await session_.renew(generation);
                if (renewed) continue;
            }
            if (!answer->is_stream) co_return take_body(*open, std::move(*answer));
            // A cancelled request gets no answer, and a daemon that hung up in the middle is asked for the rest.
            if (open->is_cancelled || !open->wants_answer()) co_return;
            if (!is_modern && !track.last_event.empty()) {
                const auto is_over = [open] { return open->is_answered || open->is_cancelled; };
                auto resuming = session_.resume(&track, take, is_over);
                co_await std::move(resuming);
            }
            if (open->is_answered || open->is_cancelled) co_return;
            if (may_repeat(*open, repeats)) continue;
            fail_lost(*open);
            co_return;
        }
    }

    /// Whether the next daemon is asked what the last one has not answered. One that dies under the same call again and
    /// again may do so because of it.
    static bool may_repeat(Open& open, int& repeats) {
        if (open.is_cancelled || !only_reads(open.message) || repeats == most_repeats) return false;
        ++repeats;
        open.is_sent = false;
        return true;
    }

    /// Completes when the request that a cancellation names has been sent, which it must not overtake.
    Task<> let_pass(std::string id) {
        const auto is_unsent = [&](const Open* each) {
            return each->message.kind == MessageKind::request && each->message.id == id && !each->is_sent;
        };
        while (std::any_of(open_.begin(), open_.end(), is_unsent)) co_await changed_.wait();
    }

    /// A message of a stream that belongs to `open`. True: it was the answer.
    bool pass_back(Open& open, std::string text) {
        if (open.is_cancelled && open.message.is_modern) return false;
        if (open.message.kind == MessageKind::request) {
            const ScannedMessage message = scan_message(text);
            if (message.method == mcp::done_method) return note_done(open, text);
            open.is_answered = message.kind == MessageKind::response && message.id == open.message.id;
            if (open.is_answered && open.is_initialize()) initialize_answer_ = text;
            if (open.message.is_modern && open.message.method == "subscriptions/listen") open.is_listening = true;
        }
        const bool is_batch = open.message.kind == MessageKind::batch;
        if (is_batch && scan_message(text).method == mcp::done_method) return false;
        output_.put(one_line(for_agent(open, std::move(text))));
        return open.is_answered;
    }

    static bool note_done(Open& open, const std::string& text) {
        const auto message = mcp::read_json(text);
        const auto* const params = message ? mcp::find_member(*message, "params") : nullptr;
        const std::string* const told = params != nullptr ? mcp::find_text(*params, "text") : nullptr;
        if (told != nullptr) open.done = *told;
        return false;
    }

    /// An answer that is no stream.
    void take_body(Open& open, Answer answer) {
        if (open.is_cancelled && open.message.is_modern) return;
        if (!open.wants_answer()) {
            // A batch that is refused whole is answered, whatever is in it.
            if (open.message.kind == MessageKind::batch && scan_message(answer.body).kind == MessageKind::response)
                return output_.put(one_line(std::move(answer.body)));
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
                return output_.put(mcp::json_text(*refusal));
            }
        }
        const bool is_answer = message.kind == MessageKind::response || message.kind == MessageKind::batch;
        if (!is_answer) {
            // A request that is cancelled in a session ends without a message.
            if (open.is_cancelled && answer.status < 300) return;
            // What is no message is one line of text.
            const std::string_view line = std::string_view(answer.body).substr(0, answer.body.find('\n'));
            return fail(open, line.empty() ? fmt::format("the daemon refused it with HTTP status {}", answer.status)
                                           : fmt::format("the daemon refused it: {}", base::shortened(line)));
        }
        if (open.is_initialize()) {
            initialize_answer_ = answer.body;
            session_.begin(open.text, initialize_answer_, answer.session);
        }
        output_.put(one_line(for_agent(open, std::move(answer.body))));
    }

    std::string for_agent(const Open& open, std::string text) const {
        const bool lists_tools = open.message.kind == MessageKind::request && open.message.method == "tools/list";
        return lists_tools && !directory_.empty() ? without_required_directory(std::move(text)) : text;
    }

    boost::asio::any_io_executor executor_;
    BridgeOptions options_;
    std::vector<std::string> environment_ = inherited_environment(::environ);
    std::string directory_ = own_directory();
    async::SystemClock clock_;
    DaemonLink link_;
    AgentOutput output_;
    std::list<Open*> open_;
    std::string initialize_answer_;
    int initializing_ = 0;
    async::Notifier changed_;
    AgentSession session_;
    boost::asio::signal_set signals_;
    int status_ = 0;
    bool is_ending_ = false;
    bool is_dropped_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    async::TaskGroup tasks_;
};

}  // namespace

Task<int> serve(boost::asio::any_io_executor executor, CommonOptions common, BridgeOptions options) {
    auto bridge = std::make_unique<Bridge>(std::move(executor), std::move(common), options);
    co_return co_await bridge->run();
}

}  // namespace persistproc::cli::bridge
