#include "cli/session/attach.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>

#include "cli/daemon_start.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/json_text.hpp"
#include "cli/reader_gone.hpp"
#include "cli/session/answer_limit.hpp"
#include "cli/session/last_words.hpp"
#include "cli/session/log_tail.hpp"
#include "cli/session/paced_writer.hpp"
#include "cli/session/policy.hpp"
#include "cli/session/run_facts.hpp"
#include "cli/session/typed_input.hpp"
#include "cli/signals.hpp"
#include "cli/taken_port.hpp"
#include "common/async/mutex.hpp"
#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "common/base/text.hpp"
#include "common/logstore/reader.hpp"
#include "common/ops/stop_process.hpp"

namespace persistproc::cli::session {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

constexpr const char* no_input = "its input is empty: what is typed here is not passed on";
constexpr auto at_once = std::chrono::seconds(1);
constexpr auto poll_interval = std::chrono::milliseconds(250);
constexpr auto soon = std::chrono::milliseconds(10);
constexpr auto last_look_bound = std::chrono::seconds(5);

/// Whether stdout and stderr are the same terminal, pipe or file.
bool are_one_file() {
    struct stat out {
    }, err{};
    const bool both = ::fstat(STDOUT_FILENO, &out) == 0 && ::fstat(STDERR_FILENO, &err) == 0;
    return both && out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

/// Whether a run has looked for what somebody types, as far as that can be told: it ended well and at once, and said
/// nothing, or asked.
bool has_found_no_input(const ProcessView& view, const std::filesystem::path& log) {
    const auto id = domain::find_process_id(view.id);
    const bool ended_well = view.state == ProcessState::exited && view.exit_code == 0;
    if (::isatty(STDIN_FILENO) != 1 || !ended_well || !id || !view.run || !view.started_at || !view.ended_at)
        return false;
    if (*view.ended_at - *view.started_at >= at_once) return false;
    logstore::LineQuery query;
    query.run = domain::find_run_number(*view.run, *id);
    query.last = 1;
    const auto page = logstore::read_lines(log, query);
    if (!page || page->lines.empty()) return page.has_value();
    const std::string last = base::clean_output(page->lines.back().text);
    const std::size_t end = last.find_last_not_of(' ');
    return end != last.npos && (last[end] == '>' || last[end] == '$' || last[end] == '#');
}

/// Everything that happens while a process is followed. All on the loop but the thread inside `tail_`.
class Attachment {
public:
    Attachment(Context context, AttachPlan plan, std::unique_ptr<DaemonClient> client,
               std::unique_ptr<format::OutputView> view)
        : context_(std::move(context)),
          plan_(std::move(plan)),
          client_(std::move(client)),
          view_(std::move(view)),
          known_(plan_.process),
          policy_(plan_.on_exit, plan_.run),
          tail_(context_.executor, plan_.log_directory, plan_.from),
          stdout_(context_.executor, STDOUT_FILENO),
          stderr_(context_.executor, STDERR_FILENO),
          poll_wanted_(context_.executor),
          finished_(context_.executor),
          writing_(context_.executor),
          signals_(plan_.signals ? plan_.signals : listen_for_signals(context_.executor)),
          tasks_(context_.executor) {
        if (client_) client_->set_silence_teller(silence_teller());
    }

    Task<int> run() {
        tasks_.spawn("signals", take_signals());
        tasks_.spawn("status", poll_status());
        tasks_.spawn("output", show_output());
        tasks_.spawn("reader", watch_reader());
        if (plan_.tells_input) tasks_.spawn("input", tell_input());
        for (unsigned i = 0; i < plan_.interrupts; ++i) happen(Interrupted{});
        while (!has_finished_) co_await finished_.wait();
        co_await tasks_.close();
        if (failed_) co_await tell_last_port();
        co_return plan_.own_status || is_unreadable_ ? *status_ : 0;
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
            case Act::stop:
                is_stopping_ = true;
                tasks_.spawn("stop", stop(false));
                tasks_.spawn("slow stop", tell_slow_stop());
                break;
            case Act::force_stop:
                is_stopping_ = false;
                tasks_.spawn("forced stop", stop(true));
                break;
            case Act::say: say(action.text); break;
            case Act::tell_end: tell_end(action); break;
            case Act::tell_restarted: tell_restarted(action); break;
            case Act::tell_removed:
                tell(format::name_text(known_) + " has been removed", format::forgotten_json());
                break;
            case Act::tell_detached: tell_detached(); break;
            case Act::tell_unshown: tell_unshown(); break;
            case Act::finish: finish(action.status); break;
        }
    }

    void finish(int status) {
        status_ = status;
        if (has_object_)
            tasks_.spawn("last object", show_last());
        else
            leave();
    }
    void leave() {
        has_finished_ = true;
        finished_.notify_all();
    }
    /// What is told last belongs to the answer, too.
    Task<> show_last() {
        co_await show_chunks();
        leave();
    }

    void want_poll(std::chrono::nanoseconds in) {
        next_poll_ = std::min(next_poll_, clock_.now() + in);
        poll_wanted_.notify_all();
    }

    void say(const std::string& text) {
        // Nothing of ours stands behind the program's words, or the terminal's "^C".
        const bool breaks = !has_said_ && (is_behind_caret_ || view_->is_inside_line());
        is_behind_caret_ = false;
        has_said_ = true;
        const bool shows = ::isatty(STDERR_FILENO) == 1 || are_one_file();
        if (breaks && shows && !context_.console.quiet()) context_.console.break_line();
        context_.console.note(text);
    }

    /// Between the lines, where those are JSON.
    void tell(const std::string& text, std::string object) {
        if (!context_.console.json()) return say(text);
        has_object_ = true;
        chunks_.push_back(format::Chunk{STDOUT_FILENO, std::move(object)});
        tasks_.spawn("object", show_chunks());
    }

    std::string run_text(std::uint32_t run) const { return fmt::format("{}.{}", known_.id, run); }

    void tell_end(const Action& action) {
        ProcessView view = known_;
        const bool is_heard = known_.run == run_text(action.run) && !domain::is_live(known_);
        if (!is_heard) {
            // The log alone says how.
            view = ended_view(std::move(view), run_text(action.run), action.how);
            complete_end(view, asked_run_ == action.run ? asked_end_ : std::nullopt, plan_.log_directory);
        }
        if (was_stopped_here_) view.stopped_by.clear();
        failed_ = format::has_failed(view) ? std::optional(view) : std::nullopt;
        tell(format::ending_text(view, base::wall_now()), format::ended_json(view));
        if (!context_.console.json() && has_found_no_input(view, plan_.log_directory)) tell_no_input();
        // One that is tried again would go on to fail in the same way.
        if (failed_ && view.state == ProcessState::backoff && !std::exchange(is_looking_, true))
            tasks_.spawn("port", look_for_port());
    }

    void tell_restarted(const Action& action) {
        const std::string run = run_text(action.run);
        failed_.reset();
        tell(fmt::format("restarted as {}{}", run, action.pid > 0 ? fmt::format(", PID {}", action.pid) : ""),
             format::restarted_event_json(run, action.pid));
    }

    void tell_detached() {
        failed_.reset();
        if (!plan_.tell_detached) {
            // Nor does the prompt.
            const bool breaks = std::exchange(is_behind_caret_, false) && ::isatty(STDERR_FILENO) == 1;
            if (breaks && !context_.console.quiet()) context_.console.break_line();
            return;
        }
        const std::string target = format::target_text(known_);
        say(fmt::format("detached; {} goes on", format::name_text(known_)));
        say(fmt::format("back: persistproc output -f {}; stop: persistproc stop {}", target, target));
    }

    /// It may have ended by now.
    void tell_unshown() {
        if (!plan_.tell_detached) return;
        const std::string target = format::target_text(known_);
        say(fmt::format("{} is not stopped by that; back: persistproc output -f {}; stop: persistproc stop {}",
                        format::name_text(known_), target, target));
    }

    /// A program that found its port taken says so in words of its own, and not whose it is.
    Task<> tell_taken_port() {
        if (!failed_) co_return;
        const ProcessView view = *failed_;
        const std::string holder = co_await find_taken_port(view);
        if (!holder.empty() && std::exchange(told_holder_, holder) != holder) say(holder);
    }
    Task<> look_for_port() {
        co_await tell_taken_port();
        is_looking_ = false;
    }
    /// With nothing else left to do: on a machine with thousands of processes it takes some seconds.
    Task<> tell_last_port() {
        const MonoTime until = clock_.now() + last_look_bound;
        auto looking = tell_taken_port();
        auto waiting = tell_long_look();
        auto limit = clock_.sleep_until(until);
        auto left = signals_->async_wait(boost::asio::use_awaitable);
        co_await (std::move(looking) || std::move(waiting) || std::move(limit) || std::move(left));
    }
    Task<> tell_long_look() {
        const MonoTime until = clock_.now() + silence_bound;
        co_await clock_.sleep_until(until);
        say("asking the daemon why it failed; Ctrl+C leaves");
        co_await clock_.sleep_until(MonoTime::max());
    }
    /// On a connection of its own: the other may be given up meanwhile.
    Task<std::string> find_taken_port(ProcessView view) {
        const std::filesystem::path data = context_.common.data_directory;
        auto client = co_await DaemonClient::connect(context_.executor, data);
        if (!client) co_return std::string();
        co_return co_await explain_taken_port(**client, std::move(view));
    }

    Task<> tell_slow_stop() {
        const MonoTime until = clock_.now() + silence_bound;
        co_await clock_.sleep_until(until);
        if (!is_stopping_ || status_) co_return;
        say(fmt::format("stopping {}, up to {}; Ctrl+C again kills it", format::name_text(known_),
                        format::grace_text(known_)));
    }

    Task<> take_signals() {
        while (true) {
            const int number = co_await signals_->async_wait(boost::asio::use_awaitable);
            is_behind_caret_ = number == SIGINT;
            has_said_ = has_said_ && !is_behind_caret_;
            // Who asks again does not wait for what is still to be told.
            if (status_) {
                failed_.reset();
                leave();
            }
            happen(Interrupted{number});
        }
    }

    // ---- status ----

    Task<> poll_status() {
        while (true) {
            next_poll_ = clock_.now() + poll_interval;
            auto view = co_await ask();
            hear(view);
            while (clock_.now() < next_poll_) {
                const MonoTime until = next_poll_;
                co_await poll_wanted_.wait_until(until, clock_);
            }
        }
    }

    void hear(const Result<ProcessView>& view) {
        if (!view) {
            if (view.error().code == ErrorCode::not_found) return happen(Forgotten{});
            if (view.error().code == ErrorCode::unavailable || view.error().code == ErrorCode::corrupt) {
                client_.reset();
                miss_daemon();
                return happen(PollFailed{});
            }
            return;
        }
        absent_since_.reset();
        if (std::exchange(is_absence_told_, false)) say("a daemon answers again");
        known_ = *view;
        happen(polled_of(*view));
    }

    /// One that is back soon is not missed.
    void miss_daemon() {
        const MonoTime now = clock_.now();
        if (!absent_since_) absent_since_ = now;
        if (now - *absent_since_ < silence_bound || status_ || std::exchange(is_absence_told_, true)) return;
        say(fmt::format("no daemon answers; what {} prints is still shown; to start one: {}", format::name_text(known_),
                        serve_command(context_.common.data_directory)));
    }
    SilenceTeller silence_teller() {
        return [this](const Error* silence) {
            if (silence == nullptr || status_ || std::exchange(is_absence_told_, true)) return;
            say(fmt::format("{}; what {} prints is still shown", silence->message, format::name_text(known_)));
        };
    }

    Task<Result<ProcessView>> ask_without_limit() {
        if (!client_) {
            const std::filesystem::path data = context_.common.data_directory;
            auto connected = co_await DaemonClient::connect(context_.executor, data, silence_teller());
            if (!connected) co_return connected.error();
            client_ = std::move(*connected);
        }
        const std::string id = known_.id;
        co_return co_await client_->find(id);
    }

    Task<Result<ProcessView>> ask() { return within_limit(clock_, ask_without_limit()); }

    // ---- output ----

    Task<> show_output() {
        while (true) {
            TailBatch batch = co_await tail_.next();
            for (const auto& item : batch.items) {
                if (item.run < plan_.first_run_shown && item.bytes.empty() && item.evicted_bytes == 0) continue;
                // What the client has to say about a record comes before or after it, as it does in the log.
                if (item.event == logstore::Event::stopping) hear_of_stop(item.run);
                if (item.event == logstore::Event::started || is_run_end(item.event)) {
                    co_await show_chunks();
                    tell_of_event(item);
                }
                take(item);
                if (chunks_.size() >= 64) co_await show_chunks();
            }
            if (batch.drained) view_->finish(chunks_);
            co_await show_chunks();
            if (batch.failed) {
                context_.console.fail(*batch.failed);
                is_unreadable_ = true;
                status_ = 125;
                leave();
                co_return;
            }
            if (batch.drained) happen(PrintedAll{*batch.drained});
        }
    }

    void take(const logstore::Follower::Item& item) {
        const HeldSignals held;
        view_->take(item, chunks_);
    }

    void hear_of_stop(std::uint32_t run) {
        stopped_run_ = run;
        if (run == run_of(known_) && domain::is_live(known_) && std::exchange(asked_run_, run) != run)
            tasks_.spawn("end", hear_end(run));
    }
    Task<> hear_end(std::uint32_t run) {
        const std::filesystem::path data = context_.common.data_directory;
        std::string process = known_.id, name = run_text(run);
        auto end = co_await ask_for_end(context_.executor, data, std::move(process), std::move(name));
        if (asked_run_ == run) asked_end_ = std::move(end);
    }

    void tell_of_event(const logstore::Follower::Item& item) {
        if (item.event == logstore::Event::started) return happen(RunStarted{item.run, item.value});
        view_->finish(chunks_);
        happen(run_ended_of(item.event, item.value, item.run, stopped_run_ == item.run));
    }

    Task<> show_chunks() {
        auto guard = co_await writing_.lock();
        std::vector<format::Chunk> chunks = std::move(chunks_);
        chunks_.clear();
        for (std::size_t i = 0; i < chunks.size();) {
            const int fd = chunks[i].fd;
            std::string bytes = std::move(chunks[i].bytes);
            for (++i; i < chunks.size() && chunks[i].fd == fd; ++i) bytes += chunks[i].bytes;
            if (bytes.find('\n') != std::string::npos) is_behind_caret_ = false;
            has_said_ = false;
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
        has_object_ = !chunks_.empty() && has_object_;
    }

    /// A program that asks for something, and somebody who answers.
    Task<> tell_input() {
        const bool is_typed = co_await until_typed(context_.executor);
        if (is_typed) tell_no_input();
    }
    void tell_no_input() {
        if (std::exchange(plan_.tells_input, false)) say(no_input);
    }

    /// A program may print nothing for hours after its reader has gone.
    Task<> watch_reader() {
        const bool is_gone = co_await stdout_.wait_reader_gone();
        if (is_gone) happen(ReaderGone{});
    }

    // ---- stop ----

    Task<> stop(bool force) {
        StopAnswered answered;
        was_stopped_here_ = true;
        auto client = co_await connect_or_start(context_.executor, context_.common, true);
        if (!client) {
            answered.failed = client.error();
        } else {
            ops::StopRequest request;
            request.process = known_.id;
            request.force = force;
            auto view = co_await (*client)->stop(std::move(request));
            // A process that is not known any more has stopped as well.
            if (!view && view.error().code != ErrorCode::not_found) answered.failed = view.error();
            if (view) known_ = std::move(*view);
        }
        is_stopping_ = false;
        happen(answered);
    }

    Context context_;
    AttachPlan plan_;
    std::unique_ptr<DaemonClient> client_;
    std::unique_ptr<format::OutputView> view_;
    async::SystemClock clock_;
    ProcessView known_;  // as the daemon said last
    Policy policy_;
    LogTail tail_;
    PacedWriter stdout_, stderr_;
    async::Notifier poll_wanted_, finished_;
    async::Mutex writing_;
    std::shared_ptr<boost::asio::signal_set> signals_;
    MonoTime next_poll_{};
    std::vector<format::Chunk> chunks_;
    bool is_unreadable_ = false;  // the log
    std::optional<int> status_;
    std::optional<ProcessView> failed_;  // as it was told last
    std::string told_holder_;            // of the port that it wanted
    std::uint32_t stopped_run_ = 0;      // of which the log says that it was asked to end
    std::uint32_t asked_run_ = 0;        // whose end the daemon was asked for
    std::optional<domain::Ending> asked_end_;
    bool has_finished_ = false;
    bool has_object_ = false;  // told and not yet written
    bool is_stopping_ = false, was_stopped_here_ = false;
    bool is_behind_caret_ = false, is_looking_ = false;
    bool has_said_ = false;                 // and nothing came after that
    std::optional<MonoTime> absent_since_;  // the daemon
    bool is_absence_told_ = false;
    async::TaskGroup tasks_;
};

}  // namespace

Task<int> attach(Context context, AttachPlan plan, std::unique_ptr<DaemonClient> client,
                 std::unique_ptr<format::OutputView> view) {
    auto attachment =
        std::make_unique<Attachment>(std::move(context), std::move(plan), std::move(client), std::move(view));
    co_return co_await attachment->run();
}

format::OutputStyle style_for_terminal(const Console& console, const ProcessView& process, bool split, bool raw) {
    format::OutputStyle style;
    style.process_id = process.id;
    style.other_sequences = format::sequences_of(process);
    style.split = split;
    style.one_screen = !split || are_one_file();
    style.escape_out = !raw && ::isatty(STDOUT_FILENO) == 1;
    style.escape_err = !raw && ::isatty(STDERR_FILENO) == 1;
    style.plain_out = !raw && console.leaves_out_colours(STDOUT_FILENO);
    style.plain_err = !raw && console.leaves_out_colours(STDERR_FILENO);
    style.note_columns = Console::note_width();
    return style;
}

}  // namespace persistproc::cli::session
