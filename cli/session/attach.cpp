#include "cli/session/attach.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>

#include "cli/daemon_start.hpp"
#include "cli/reader_gone.hpp"
#include "cli/session/log_tail.hpp"
#include "cli/session/paced_writer.hpp"
#include "cli/session/policy.hpp"
#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "common/ops/stop_process.hpp"

namespace persistproc::cli::session {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

constexpr auto poll_interval = std::chrono::milliseconds(250);
constexpr auto soon = std::chrono::milliseconds(10);
/// A daemon that takes longer is treated as one that does not answer.
constexpr auto answer_timeout = std::chrono::seconds(5);

/// Everything that happens while a process is followed. All on the loop but the thread inside `tail_`.
class Attachment {
public:
    Attachment(Context context, AttachPlan plan, std::unique_ptr<DaemonClient> client,
               std::unique_ptr<format::OutputView> view)
        : context_(std::move(context)),
          plan_(std::move(plan)),
          client_(std::move(client)),
          view_(std::move(view)),
          policy_(plan_.on_exit, plan_.process_id, plan_.run),
          tail_(context_.executor, plan_.log_directory, plan_.from),
          stdout_(context_.executor, STDOUT_FILENO),
          stderr_(context_.executor, STDERR_FILENO),
          poll_wanted_(context_.executor),
          finished_(context_.executor),
          signals_(context_.executor, SIGINT, SIGTERM, SIGHUP),
          tasks_(context_.executor) {}

    Task<int> run() {
        tasks_.spawn("signals", take_signals());
        tasks_.spawn("status", poll_status());
        tasks_.spawn("output", show_output());
        tasks_.spawn("reader", watch_reader());
        for (unsigned i = 0; i < plan_.interrupts; ++i) happen(Interrupted{});
        while (!status_) co_await finished_.wait();
        co_await tasks_.close();
        co_return plan_.own_status || *status_ == 125 ? *status_ : 0;
    }

private:
    void happen(const Event& event) {
        for (const Action& action : policy_.on(event, clock_.now())) perform(action);
    }

    void perform(const Action& action) {
        switch (action.act) {
            case Act::poll_now: want_poll(std::chrono::nanoseconds(0)); break;
            case Act::poll_soon: want_poll(soon); break;
            case Act::drain: tail_.request_drain(action.mark); break;
            case Act::stop: tasks_.spawn("stop", stop(false)); break;
            case Act::force_stop: tasks_.spawn("forced stop", stop(true)); break;
            case Act::say: say(action.text); break;
            case Act::say_detached: say_detached(); break;
            case Act::finish:
                status_ = action.status;
                finished_.notify_all();
                break;
        }
    }

    void want_poll(std::chrono::nanoseconds in) {
        next_poll_ = std::min(next_poll_, clock_.now() + in);
        poll_wanted_.notify_all();
    }

    void say(const std::string& text) {
        if (view_->is_inside_line() && ::isatty(STDERR_FILENO) == 1 && !context_.console.quiet())
            context_.console.break_line();
        context_.console.note(text);
    }

    void say_detached() {
        if (!plan_.say_detached) return;
        const std::string& id = plan_.process_id;
        say(fmt::format("detached; {} ({}) goes on. Back: persistproc output -f {}; stop: persistproc stop {}", id,
                        plan_.label, id, id));
    }

    Task<> take_signals() {
        while (true) {
            const int number = co_await signals_.async_wait(boost::asio::use_awaitable);
            (void)number;
            happen(Interrupted{});
        }
    }

    // ---- status ----

    Task<> poll_status() {
        while (true) {
            next_poll_ = clock_.now() + poll_interval;
            auto view = co_await ask();
            tell(view);
            while (clock_.now() < next_poll_) {
                const MonoTime until = next_poll_;
                co_await poll_wanted_.wait_until(until, clock_);
            }
        }
    }

    void tell(const Result<ProcessView>& view) {
        if (!view) {
            if (view.error().code == ErrorCode::not_found) return happen(Forgotten{});
            if (view.error().code == ErrorCode::unavailable || view.error().code == ErrorCode::corrupt) {
                client_.reset();
                return happen(PollFailed{});
            }
            return;
        }
        Polled polled;
        // A state that only a newer daemon knows says at least whether the run has ended.
        polled.state = view->state.known().value_or(view->ended_at ? ProcessState::exited : ProcessState::running);
        polled.exit_code = view->exit_code;
        if (view->signal) polled.signal = domain::find_signal(*view->signal);
        const auto id = domain::find_process_id(view->id);
        if (view->run && id) polled.run = domain::find_run_number(*view->run, *id).value_or(0);
        polled.detail = domain::causes_text(view->causes);
        happen(polled);
    }

    Task<Result<ProcessView>> ask_without_limit() {
        if (!client_) {
            const std::filesystem::path data = context_.common.data_directory;
            auto connected = co_await DaemonClient::connect(context_.executor, data);
            if (!connected) co_return connected.error();
            client_ = std::move(*connected);
        }
        const std::string id = plan_.process_id;
        co_return co_await client_->find(id);
    }

    Task<Result<ProcessView>> ask() {
        const MonoTime until = clock_.now() + answer_timeout;
        auto answer = ask_without_limit();
        auto limit = clock_.sleep_until(until);
        auto first = co_await (std::move(answer) || std::move(limit));
        if (first.index() == 0) co_return std::move(std::get<0>(first));
        Error late;
        late.code = ErrorCode::unavailable;
        late.message = "the daemon does not answer";
        co_return late;
    }

    // ---- output ----

    Task<> show_output() {
        while (true) {
            TailBatch batch = co_await tail_.next();
            for (const auto& item : batch.items) {
                if (item.run < plan_.first_run_shown && item.bytes.empty() && item.evicted_bytes == 0) continue;
                // What the client has to say about a record comes before or after it, as it does in the log.
                const bool is_end = item.event == logstore::Event::exited || item.event == logstore::Event::killed ||
                                    item.event == logstore::Event::exec_failed;
                if (item.event == logstore::Event::started || is_end) {
                    co_await show_chunks();
                    tell_of_event(item);
                }
                view_->take(item, chunks_);
                if (chunks_.size() >= 64) co_await show_chunks();
            }
            if (batch.drained) view_->finish(chunks_);
            co_await show_chunks();
            if (batch.failed) {
                context_.console.fail(*batch.failed);
                status_ = 125;
                finished_.notify_all();
                co_return;
            }
            if (batch.drained) happen(PrintedAll{*batch.drained});
        }
    }

    void tell_of_event(const logstore::Follower::Item& item) {
        if (item.event == logstore::Event::started) return happen(RunStarted{item.run, item.value});
        RunEnded ended;
        ended.run = item.run;
        const auto value = static_cast<int>(item.value);
        if (item.event == logstore::Event::exited) ended.how.exit_code = value;
        if (item.event == logstore::Event::killed) ended.how.signal = value;
        if (item.event == logstore::Event::exec_failed) ended.how.exec_error = value;
        view_->finish(chunks_);
        happen(ended);
    }

    Task<> show_chunks() {
        std::vector<format::Chunk> chunks = std::move(chunks_);
        chunks_.clear();
        for (std::size_t i = 0; i < chunks.size();) {
            const int fd = chunks[i].fd;
            std::string bytes = std::move(chunks[i].bytes);
            for (++i; i < chunks.size() && chunks[i].fd == fd; ++i) bytes += chunks[i].bytes;
            PacedWriter& writer = fd == STDERR_FILENO ? stderr_ : stdout_;
            const int error = co_await writer.write(std::move(bytes));
            if (error == 0) continue;
            if (!is_reader_gone(fd, error)) {
                context_.console.output_failed(fd, error);
                happen(WriteFailed{});
            } else if (fd == STDOUT_FILENO) {
                happen(ReaderGone{});
            }
        }
    }

    /// A program may print nothing for hours after its reader has gone.
    Task<> watch_reader() {
        const bool is_gone = co_await stdout_.wait_reader_gone();
        if (is_gone) happen(ReaderGone{});
    }

    // ---- stop ----

    Task<> stop(bool force) {
        StopAnswered answered;
        auto client = co_await connect_or_start(context_.executor, context_.common, true);
        if (!client) {
            answered.failed = client.error();
        } else {
            ops::StopRequest request;
            request.process = plan_.process_id;
            request.force = force;
            auto view = co_await (*client)->stop(std::move(request));
            // A process that is not known any more has stopped as well.
            if (!view && view.error().code != ErrorCode::not_found) answered.failed = view.error();
        }
        happen(answered);
    }

    Context context_;
    AttachPlan plan_;
    std::unique_ptr<DaemonClient> client_;
    std::unique_ptr<format::OutputView> view_;
    async::SystemClock clock_;
    Policy policy_;
    LogTail tail_;
    PacedWriter stdout_, stderr_;
    async::Notifier poll_wanted_, finished_;
    boost::asio::signal_set signals_;
    MonoTime next_poll_{};
    std::vector<format::Chunk> chunks_;
    std::optional<int> status_;
    async::TaskGroup tasks_;
};

}  // namespace

Task<int> attach(Context context, AttachPlan plan, std::unique_ptr<DaemonClient> client,
                 std::unique_ptr<format::OutputView> view) {
    auto attachment =
        std::make_unique<Attachment>(std::move(context), std::move(plan), std::move(client), std::move(view));
    co_return co_await attachment->run();
}

format::OutputStyle style_for_terminal(const std::string& process_id, bool split, bool raw) {
    format::OutputStyle style;
    style.process_id = process_id;
    style.split = split;
    struct stat out {
    }, err{};
    const bool both = ::fstat(STDOUT_FILENO, &out) == 0 && ::fstat(STDERR_FILENO, &err) == 0;
    style.one_screen = !split || (both && out.st_dev == err.st_dev && out.st_ino == err.st_ino);
    style.escape_out = !raw && ::isatty(STDOUT_FILENO) == 1;
    style.escape_err = !raw && ::isatty(STDERR_FILENO) == 1;
    return style;
}

}  // namespace persistproc::cli::session
