#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <optional>

#include "cli/format/ending.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/note.hpp"
#include "cli/reader_gone.hpp"
#include "cli/run_survey.hpp"
#include "cli/session/answer_limit.hpp"
#include "cli/session/last_words.hpp"
#include "cli/session/merged_logs.hpp"
#include "cli/session/paced_writer.hpp"
#include "cli/session/policy.hpp"
#include "cli/session/run_facts.hpp"
#include "cli/signals.hpp"
#include "common/async/notifier.hpp"
#include "common/async/task_group.hpp"
#include "common/base/text.hpp"
#include "common/logstore/log_watch.hpp"

namespace persistproc::cli::session {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

constexpr std::size_t portion_bytes = 256u << 10;
/// The daemon is asked this often at most, and for a small part of its time: a list of many processes is long.
constexpr auto list_interval = std::chrono::milliseconds(300);
constexpr int rests_per_answer = 20;
constexpr auto list_soon = std::chrono::milliseconds(10);
/// How often a log is looked at that the kernel does not watch for us, and whether there is a new one in its place.
constexpr std::chrono::nanoseconds look_interval = std::chrono::milliseconds(50),
                                   rewatch_interval = std::chrono::seconds(1);

/// One of the processes.
struct Followed {
    explicit Followed(ProcessView view) : known(std::move(view)), policy(OnExit::detach, run_of(known)) {}

    ProcessView known;  // as the daemon said last
    Policy policy;
    std::uint32_t newest_run = 0;   // that the policy has heard of
    std::uint32_t stopped_run = 0;  // of which the log says that it was asked to end
    std::uint32_t asked_run = 0;    // whose end the daemon was asked for
    std::optional<domain::Ending> asked_end;
    std::optional<unsigned> drain;  // to be answered when all that is there was shown
    int watch = -1;                 // of its log; -1: it is looked at instead
    bool is_over = false;           // until it is started again
    bool was_over = false;          // and of its newest run nothing was said yet
    bool is_gone = false;           // known no more
    bool is_removal_told = false;
};

/// Everything that happens while several processes are followed. All on the loop; the logs are read in portions.
class MergedFollowing {
public:
    MergedFollowing(Context context, std::unique_ptr<MergedLogs> logs, std::unique_ptr<DaemonClient> client,
                    Joining joining)
        : context_(std::move(context)),
          logs_(std::move(logs)),
          client_(std::move(client)),
          joining_(std::move(joining)),
          stdout_(context_.executor, STDOUT_FILENO),
          stderr_(context_.executor, STDERR_FILENO),
          wanted_(context_.executor),
          poll_wanted_(context_.executor),
          finished_(context_.executor),
          signals_(context_.executor),
          tasks_(context_.executor) {
        add_ending_signals(signals_);
        if (client_) client_->set_silence_teller(silence_teller());
        open_watches();
    }

    Task<int> run() {
        for (std::size_t i = 0; i < logs_->logs.size(); ++i) follow(i);
        for (std::size_t i = 0; i < logs_->logs.size(); ++i)
            for (const logstore::Line& each : std::exchange(logs_->logs[i].events, {})) hear_event(i, each);
        tasks_.spawn("signals", take_signals());
        tasks_.spawn("status", poll_list());
        tasks_.spawn("output", show_output());
        tasks_.spawn("reader", watch_reader());
        while (!has_finished_) co_await finished_.wait();
        co_await tasks_.close();
        co_return 0;
    }

private:
    void leave() {
        has_finished_ = true;
        finished_.notify_all();
    }

    /// What was shown up to a place is gone on with.
    void follow(std::size_t i) {
        MergedLogs::Log& log = logs_->logs[i];
        Followed one(log.view);
        // Of those that nobody named an end that was before is no news.
        const bool is_to_come = log.view.state == ProcessState::backoff || log.view.state == ProcessState::waiting;
        one.is_over = joining_.all && !domain::is_live(log.view) && !is_to_come;
        one.newest_run = run_of(log.view);
        processes_.push_back(std::move(one));
        log.lines->go_on();
        logs_->merge.wake(i);
        watch(i);
    }

    // ---- what becomes of the processes ----

    void happen(std::size_t i, const Event& event) {
        for (const Action& action : processes_[i].policy.on(event, clock_.now())) perform(i, action);
    }

    void perform(std::size_t i, const Action& action) {
        Followed& one = processes_[i];
        switch (action.act) {
            case Act::poll_now: want_poll(std::chrono::nanoseconds(0)); break;
            case Act::poll_soon: want_poll(list_soon); break;
            case Act::drain:
                one.drain = action.mark;
                logs_->merge.wake(i);
                wanted_.notify_all();
                break;
            case Act::say: say(fmt::format("{}: {}", format::name_text(one.known), action.text)); break;
            case Act::tell_end: tell_end(i, action); break;
            case Act::tell_restarted: {
                const std::string run = run_text(i, action.run);
                const std::string pid = action.pid > 0 ? fmt::format(", PID {}", action.pid) : "";
                const char* const what = std::exchange(one.was_over, false) ? "started again" : "restarted";
                tell(fmt::format("{} was {} as {}{}", format::name_text(one.known), what, run, pid),
                     format::restarted_event_json(logs_->text.owner(i), run, action.pid));
                break;
            }
            case Act::tell_removed: tell_removed(i); break;
            case Act::finish: end(i); break;
            case Act::stop:
            case Act::force_stop:
            case Act::tell_detached:
            case Act::tell_unshown: break;  // nobody asks for these here
        }
    }

    std::string run_text(std::size_t i, std::uint32_t run) const {
        return fmt::format("{}.{}", processes_[i].known.id, run);
    }

    void tell_removed(std::size_t i) {
        Followed& one = processes_[i];
        one.is_removal_told = true;
        tell(format::name_text(one.known) + " has been removed", format::forgotten_json(logs_->text.owner(i)));
    }

    void tell_end(std::size_t i, const Action& action) {
        ProcessView view = processes_[i].known;
        const std::string run = run_text(i, action.run);
        if (view.run != run || domain::is_live(view)) {
            view = ended_view(std::move(view), run, action.how);
            const bool is_asked = processes_[i].asked_run == action.run;
            complete_end(view, is_asked ? processes_[i].asked_end : std::nullopt, logs_->logs[i].directory);
        }
        tell(format::ending_text(view, base::wall_now()), format::ended_json(logs_->text.owner(i), view));
    }

    void end(std::size_t i) {
        Followed& one = processes_[i];
        one.is_over = true;
        one.drain.reset();
        one.newest_run = std::max(one.newest_run, run_of(one.known));
        one.policy = Policy(OnExit::detach, one.newest_run);
        wanted_.notify_all();
    }

    static void begin_again(Followed& one) {
        one.was_over = one.was_over || one.is_over;
        one.is_over = false;
    }

    bool are_all_over() const {
        return !joining_.all && std::all_of(processes_.begin(), processes_.end(),
                                            [](const Followed& each) { return each.is_over || each.is_gone; });
    }

    void hear_event(std::size_t i, const logstore::Line& line) {
        Followed& one = processes_[i];
        if (line.event == logstore::Event::stopping) hear_of_stop(i, line.run);
        const bool is_start = line.event == logstore::Event::started;
        if (!is_start && !is_run_end(*line.event)) return;
        if (line.run > one.newest_run) begin_again(one);
        one.newest_run = std::max(one.newest_run, line.run);
        if (one.is_over) return;
        if (is_start) return happen(i, RunStarted{line.run, line.value});
        happen(i, run_ended_of(*line.event, line.value, line.run, one.stopped_run == line.run));
    }

    void hear_of_stop(std::size_t i, std::uint32_t run) {
        Followed& one = processes_[i];
        one.stopped_run = run;
        if (run == run_of(one.known) && domain::is_live(one.known) && std::exchange(one.asked_run, run) != run)
            tasks_.spawn("end", hear_end(i, run));
    }
    Task<> hear_end(std::size_t i, std::uint32_t run) {
        const std::filesystem::path data = context_.common.data_directory;
        std::string process = processes_[i].known.id, name = run_text(i, run);
        auto end = co_await ask_for_end(context_.executor, data, std::move(process), std::move(name));
        if (processes_[i].asked_run == run) processes_[i].asked_end = std::move(end);
    }

    // ---- what is said ----

    void say(const std::string& text) {
        if (context_.console.quiet()) return;
        chunks_.push_back(format::Chunk{STDERR_FILENO, format::note_text(text, Console::note_width())});
        wanted_.notify_all();
    }

    /// Between the lines, where those are JSON.
    void tell(const std::string& text, std::string object) {
        if (!context_.console.json()) return say(text);
        chunks_.push_back(format::Chunk{STDOUT_FILENO, std::move(object)});
        wanted_.notify_all();
    }

    Task<> take_signals() {
        const int number = co_await signals_.async_wait(boost::asio::use_awaitable);
        // The prompt does not stand behind the terminal's "^C".
        if (number == SIGINT && ::isatty(STDERR_FILENO) == 1 && !context_.console.quiet())
            context_.console.break_line();
        leave();
    }

    /// Programs may print nothing for hours after their reader has gone.
    Task<> watch_reader() {
        const bool is_gone = co_await stdout_.wait_reader_gone();
        if (is_gone) leave();
    }

    // ---- the daemon ----

    void want_poll(std::chrono::nanoseconds in) {
        next_poll_ = std::min(next_poll_, clock_.now() + in);
        poll_wanted_.notify_all();
    }

    Task<> poll_list() {
        while (true) {
            const MonoTime began = clock_.now();
            next_poll_ = MonoTime::max();
            auto views = co_await ask();
            hear(views);
            const MonoTime now = clock_.now();
            const auto rest = std::max<std::chrono::nanoseconds>(list_interval, rests_per_answer * (now - began));
            next_poll_ = std::min(next_poll_, now + rest);
            while (clock_.now() < next_poll_) {
                const MonoTime until = next_poll_;
                co_await poll_wanted_.wait_until(until, clock_);
            }
        }
    }

    Task<Result<std::vector<ProcessView>>> ask_without_limit() {
        if (!client_) {
            const std::filesystem::path data = context_.common.data_directory;
            auto connected = co_await DaemonClient::connect(context_.executor, data, silence_teller());
            if (!connected) co_return connected.error();
            client_ = std::move(*connected);
        }
        co_return co_await client_->list_all();
    }

    Task<Result<std::vector<ProcessView>>> ask() { return within_limit(clock_, ask_without_limit()); }

    void hear(const Result<std::vector<ProcessView>>& views) {
        if (!views) {
            if (views.error().code != ErrorCode::unavailable && views.error().code != ErrorCode::corrupt) return;
            client_.reset();
            miss_daemon();
            for (std::size_t i = 0; i < processes_.size(); ++i)
                if (!processes_[i].is_over && !processes_[i].is_gone) happen(i, PollFailed{});
            return;
        }
        absent_since_.reset();
        if (std::exchange(is_absence_told_, false)) say("a daemon answers again");
        std::map<std::string_view, const ProcessView*> by_id;
        for (const ProcessView& each : *views) by_id.emplace(each.id, &each);
        for (std::size_t i = 0; i < processes_.size(); ++i) {
            const auto found = by_id.find(processes_[i].known.id);
            hear_view(i, found == by_id.end() ? nullptr : found->second);
            if (found != by_id.end()) by_id.erase(found);
        }
        // In the order in which they were listed.
        for (const ProcessView& each : *views)
            if (by_id.contains(each.id) && (joining_.all || is_successor(each))) join(each);
    }

    /// `view`: null: it is known no more.
    void hear_view(std::size_t i, const ProcessView* view) {
        Followed& one = processes_[i];
        if (one.is_gone) return;
        if (view == nullptr) {
            // Of one that has ended the policy says no more; of one that was named its removal is news still.
            const bool is_untold = one.is_over && !joining_.all;
            if (!one.is_over) happen(i, Forgotten{});
            if (!one.is_over) return;
            if (is_untold && !one.is_removal_told) tell_removed(i);
            one.is_gone = true;
            unwatch(i);
            logs_->merge.remove(i);
            return;
        }
        if (view->label != one.known.label) logs_->text.rename(i, view->label);
        one.known = *view;
        if (run_of(*view) > one.newest_run) begin_again(one);
        if (!one.is_over) happen(i, polled_of(*view));
    }

    /// Stands under a label that was named, whose process has been removed.
    bool is_successor(const ProcessView& view) const {
        return joining_.labels.contains(view.label) &&
               std::any_of(processes_.begin(), processes_.end(),
                           [&](const Followed& each) { return each.is_gone && each.known.label == view.label; });
    }

    /// One that nobody had to show, or that was no news any more, runs now, or did so a moment ago.
    void join(const ProcessView& view) {
        if (!domain::is_live(view) && (!view.started_at || *view.started_at < joining_.since)) return;
        const auto directory = find_log(view);
        if (!directory) return;
        logstore::LineQuery query;
        query.run = run_of(view);
        const auto span = logstore::locate(*directory, query);
        if (!span) return;
        const std::size_t i = logs_->add(view, *directory, span->begin);
        const std::string run = view.run.value_or("");
        tell(fmt::format("{} has started{}", format::name_text(view),
                         view.pid ? fmt::format(", PID {}", *view.pid) : ""),
             format::owner_event_json(logs_->text.owner(i),
                                      {.event = "joined", .run = run, .pid = view.pid.value_or(0), .text = {}}));
        follow(i);
        processes_[i].is_over = false;
        happen(i, polled_of(view));
    }

    /// One that is back soon is not missed.
    void miss_daemon() {
        const MonoTime now = clock_.now();
        if (!absent_since_) absent_since_ = now;
        if (now - *absent_since_ < silence_bound || std::exchange(is_absence_told_, true)) return;
        say(fmt::format("no daemon answers; what is printed is still shown; to start one: {}",
                        serve_command(context_.common.data_directory)));
    }
    SilenceTeller silence_teller() {
        return [this](const Error* silence) {
            if (silence == nullptr || std::exchange(is_absence_told_, true)) return;
            say(silence->message + "; what is printed is still shown");
        };
    }

    // ---- output ----

    void open_watches() {
        auto watches = logstore::LogWatches::open();
        if (!watches) return;
        const int duplicate = ::fcntl(watches->fd(), F_DUPFD_CLOEXEC, 3);
        if (duplicate < 0) return;
        readable_.emplace(context_.executor);
        boost::system::error_code failed;
        readable_->assign(duplicate, failed);
        if (failed) {
            ::close(duplicate);
            readable_.reset();
            return;
        }
        watches_ = std::move(*watches);
    }

    /// Asks the kernel to tell of the log's growth, or of that of the one that is in its place now.
    void watch(std::size_t i) {
        if (!watches_ || processes_[i].is_gone) return;
        const auto added = watches_->add(logs_->logs[i].directory);
        const int number = added ? *added : -1;
        if (number == processes_[i].watch) return;
        unwatch(i);
        processes_[i].watch = number;
        if (number >= 0) by_watch_[number] = i;
        logs_->merge.wake(i);
    }

    void unwatch(std::size_t i) {
        const int number = std::exchange(processes_[i].watch, -1);
        if (number < 0) return;
        by_watch_.erase(number);
        watches_->remove(number);
    }

    void wake_changed() {
        if (!watches_) return logs_->merge.wake_all();
        const auto changes = watches_->take();
        if (changes.overflowed) logs_->merge.wake_all();
        for (const int each : changes.changed)
            if (const auto found = by_watch_.find(each); found != by_watch_.end()) logs_->merge.wake(found->second);
        for (const int each : changes.gone)
            if (const auto found = by_watch_.find(each); found != by_watch_.end()) {
                processes_[found->second].watch = -1;
                by_watch_.erase(found);
            }
        const bool is_due = clock_.now() >= next_rewatch_;
        if (is_due) next_rewatch_ = clock_.now() + rewatch_interval;
        for (std::size_t i = 0; i < processes_.size(); ++i) {
            if (is_due) watch(i);
            if (processes_[i].watch < 0) logs_->merge.wake(i);
        }
    }

    bool looks_itself() const {
        return !watches_ || std::any_of(processes_.begin(), processes_.end(),
                                        [](const Followed& each) { return each.watch < 0 && !each.is_gone; });
    }

    Task<> show_output() {
        while (true) {
            const std::uint64_t seen = wanted_.count();
            wake_changed();
            bool more = true;
            while (more) {
                auto taken = take_portion();
                more = taken.more;
                for (const auto& each : taken.entries) {
                    logs_->text.take(each, chunks_);
                    if (each.entry.line.event) hear_event(each.source, each.entry.line);
                    if (each.failed) end(each.source);
                }
                co_await show_chunks();
                answer_drains();
                co_await show_chunks();
                if (more) co_await boost::asio::post(context_.executor, boost::asio::use_awaitable);
            }
            if (are_all_over()) leave();
            co_await wait_for_more(seen);
        }
    }

    logstore::Merge::Taken take_portion() {
        const HeldSignals held;
        return logs_->merge.take(portion_bytes);
    }

    void answer_drains() {
        for (std::size_t i = 0; i < processes_.size(); ++i)
            if (processes_[i].drain && logs_->merge.is_idle(i)) {
                const unsigned mark = *std::exchange(processes_[i].drain, std::nullopt);
                happen(i, PrintedAll{mark});
            }
    }

    Task<> wait_for_more(std::uint64_t seen) {
        const auto patience = looks_itself() ? look_interval : rewatch_interval;
        const MonoTime until = clock_.now() + patience;
        auto told = wanted_.wait_past(seen, until, clock_);
        if (!readable_) {
            co_await std::move(told);
            co_return;
        }
        auto grown = readable_->async_wait(boost::asio::posix::descriptor_base::wait_read, boost::asio::use_awaitable);
        co_await (std::move(told) || std::move(grown));
    }

    Task<> show_chunks() {
        const std::vector<format::Chunk> chunks = std::exchange(chunks_, {});
        for (std::size_t i = 0; i < chunks.size();) {
            const int fd = chunks[i].fd;
            std::string bytes;
            for (; i < chunks.size() && chunks[i].fd == fd; ++i) bytes += chunks[i].bytes;
            PacedWriter& writer = fd == STDERR_FILENO ? stderr_ : stdout_;
            const int error = co_await writer.write(std::move(bytes));
            if (error == 0) continue;
            if (!is_reader_gone(fd, error)) context_.console.output_failed(fd, error);
            if (fd == STDOUT_FILENO || !is_reader_gone(fd, error)) leave();
        }
    }

    Context context_;
    std::unique_ptr<MergedLogs> logs_;
    std::unique_ptr<DaemonClient> client_;
    const Joining joining_;
    async::SystemClock clock_;
    std::vector<Followed> processes_;  // by the numbers of `logs_`
    std::optional<logstore::LogWatches> watches_;
    std::map<int, std::size_t> by_watch_;
    std::optional<boost::asio::posix::stream_descriptor> readable_;  // a duplicate of the watches'
    PacedWriter stdout_, stderr_;
    std::vector<format::Chunk> chunks_;
    async::Notifier wanted_, poll_wanted_, finished_;
    boost::asio::signal_set signals_;
    MonoTime next_poll_{}, next_rewatch_{};
    bool has_finished_ = false;
    std::optional<MonoTime> absent_since_;  // the daemon
    bool is_absence_told_ = false;
    async::TaskGroup tasks_;
};

}  // namespace

Task<int> follow_merged(Context context, std::unique_ptr<MergedLogs> logs, std::unique_ptr<DaemonClient> client,
                        Joining joining) {
    auto following =
        std::make_unique<MergedFollowing>(std::move(context), std::move(logs), std::move(client), std::move(joining));
    co_return co_await following->run();
}

}  // namespace persistproc::cli::session
