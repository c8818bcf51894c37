#include "daemon/core/waiter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/async/offload.hpp"
#include "common/base/text.hpp"
#include "common/logstore/error_line.hpp"
#include "common/logstore/search.hpp"
#include "common/ops/error.hpp"
#include "daemon/core/bounded_read.hpp"
#include "daemon/core/printed_errors.hpp"

namespace persistproc::core {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

namespace {

constexpr std::uint64_t context_lines = 3;
constexpr std::size_t context_bytes = 160;  // of them together
// What was printed so long before a wait may be the reason for it.
constexpr auto recent_output = std::chrono::minutes(1);
// A traceback is printed to its last line, which says what is wrong.
constexpr auto rest_of_error = std::chrono::seconds(3);
constexpr auto rest_interval = std::chrono::milliseconds(100);
constexpr auto port_interval = std::chrono::milliseconds(50);
// One who listens to find out whether it may is gone by then.
constexpr auto ready_interval = std::chrono::milliseconds(100);
// Of all waits that look at intervals: a thousand looks a second, however many they are.
constexpr std::size_t few = 50;
constexpr auto interval_of_each = std::chrono::milliseconds(1);
// One wait looks for so long, then others have their turn; shorter while many do.
constexpr std::uint64_t looked_at_bytes = 64u << 20;
constexpr std::chrono::nanoseconds shortest_look = std::chrono::milliseconds(20);
constexpr std::chrono::nanoseconds longest_look = std::chrono::milliseconds(200);
constexpr std::chrono::nanoseconds whole_line = std::chrono::seconds(8);

/// Waits are not worth the time of a daemon that is to go.
Error leaving() { return {ErrorCode::unavailable, "the daemon is leaving; ask again once there is another"}; }

Error without_meaning(std::string_view name, WaitCondition until) {
    return {ErrorCode::invalid, fmt::format("{}: has no meaning when until is {}", name, schema::enum_name(until))};
}

Result<void> check_arguments(const ops::WaitSpec& spec) {
    struct Argument {
        WaitCondition of;
        bool is_given;
        std::string_view name, words;
    };
    const Argument arguments[] = {
        {WaitCondition::pattern, spec.pattern.has_value(), "pattern", "a pattern"},
        {WaitCondition::port, spec.port.has_value(), "port", "a port"},
        {WaitCondition::quiet, spec.quiet_seconds.has_value(), "quiet_seconds", "quiet_seconds"}};
    const auto own = std::find_if(std::begin(arguments), std::end(arguments),
                                  [&](const auto& each) { return each.of == spec.until; });
    for (const auto& each : arguments) {
        if (!each.is_given || each.of == spec.until) continue;
        if (own == std::end(arguments) || !own->is_given) return without_meaning(each.name, spec.until);
        // What the wait is for may have been inferred: nobody has said `until`.
        return Error{ErrorCode::invalid, fmt::format("give {} or {}, not both", own->words, each.words)};
    }
    if (spec.until == WaitCondition::pattern && !spec.pattern)
        return Error{ErrorCode::invalid, "pattern: required when until is pattern"};
    return {};
}

/// Leaves of the lines before the last one, which is the match, those that say where it stands: none that is empty or
/// that a logger wrote, of whom there is no end in a busy log.
void shorten_context(std::vector<logstore::Line>& lines) {
    std::size_t room = context_bytes;
    std::vector<logstore::Line> kept;
    kept.push_back(std::move(lines.back()));
    for (std::size_t at = lines.size() - 1; at-- > 0;) {
        const std::string text = base::clean_output(lines[at].text);
        if (text.empty() || logstore::kind_of(text) == logstore::LineKind::record) continue;
        if (text.size() > room) break;
        room -= text.size();
        kept.push_back(std::move(lines[at]));
    }
    std::reverse(kept.begin(), kept.end());
    lines = std::move(kept);
}

}  // namespace

Waiter::Waiter(async::Clock& clock, Supervisor& supervisor, Workers& workers, PatternWatches& patterns)
    : clock_(clock), supervisor_(supervisor), workers_(workers), patterns_(patterns) {}

Task<Result<logstore::LinePage>> Waiter::read(std::filesystem::path log, logstore::LineQuery query) {
    struct Counted {
        explicit Counted(std::shared_ptr<Polling> p) : all(std::move(p)) { ++all->reads; }
        ~Counted() { --all->reads; }
        std::shared_ptr<Polling> all;
    } const reading(polling_);
    const auto all = static_cast<std::int64_t>(polling_->reads);
    const auto time = std::clamp<std::chrono::nanoseconds>(whole_line / all, shortest_look, longest_look);
    ReadBounds bounds{.bytes = looked_at_bytes, .time = [time] { return time; }, .gives_way = false};
    co_return co_await read_bounded(workers_.waiting, bounds, std::move(log), std::move(query));
}

struct Waiter::Wait {
    Asker who;
    WaitCondition condition = WaitCondition::exit;
    ProcessId id;
    std::uint32_t run = 0;       // it may be one that has not begun yet
    std::uint32_t begun_in = 0;  // the one there was when it was asked
    bool was_over = false;       // which had ended, and no other was to come
    std::filesystem::path log;
    MonoTime until{};
    std::string pattern;
    logstore::StreamChoice stream = logstore::StreamChoice::combined;
    std::uint64_t from = 0;            // where the search begins
    bool is_of_run = false;            // pattern: only output of `run`
    std::optional<std::int64_t> port;  // nothing: any
    std::chrono::nanoseconds quiet_for = std::chrono::seconds(2);
    bool ends_with_errors = false;
    std::string working_directory;
};

/// What a wait must know of its process while it sleeps; a whole `Located` for each would be a hundred times as much.
struct Waiter::Look {
    bool is_known = false;
    bool is_live = false;
    bool is_over = true;  // the run ended, and no other follows that could do what is waited for
    bool has_checks = false;
    bool is_ready = false;  // as they say
    std::uint32_t run = 0;
    std::uint64_t changes = 0;
};

Task<Result<void>> Waiter::check(ops::WaitSpec spec, Asker who) {
    if (auto checked = check_arguments(spec); !checked) co_return checked;
    if (!spec.pattern) co_return Result<void>{};
    std::string said = "pattern";
    co_return co_await compile(std::move(*spec.pattern), watched_pattern_memory, std::move(said), who);
}

Task<Result<void>> Waiter::check(domain::Checks checks, Asker who) {
    for (const auto& check : checks) {
        const auto* log = std::get_if<domain::LogCheck>(&check.subject);
        const auto* http = std::get_if<domain::HttpCheck>(&check.subject);
        std::string pattern = log != nullptr ? log->pattern : http != nullptr ? http->body : std::string();
        if (pattern.empty()) continue;
        std::string said = domain::check_text(check);
        auto compiled = co_await compile(std::move(pattern), logstore::check_pattern_memory, std::move(said), who);
        if (!compiled) co_return compiled;
    }
    co_return Result<void>{};
}

/// In turn with the looks. `said`: what it is of.
Task<Result<void>> Waiter::compile(std::string pattern, std::size_t memory, std::string said, Asker who) {
    auto work = [pattern = std::move(pattern), memory, said = std::move(said)]() -> Result<void> {
        const auto compiled = logstore::LinePattern::compile(pattern, memory);
        if (!compiled) return base::with_context(compiled.error(), said);
        return {};
    };
    co_return co_await patterns_.take_turn(std::move(work), who);
}

Result<Waiter::WaitPtr> Waiter::wait_of(const ops::WaitRequest& request, const Located& process) {
    if (auto checked = check_arguments(request); !checked) return checked.error();
    if (request.until != WaitCondition::pattern && request.stream != logstore::StreamChoice::combined)
        return without_meaning("stream", request.until);
    if (request.until != WaitCondition::pattern && request.cursor) return without_meaning("cursor", request.until);
    auto out = std::make_unique<Wait>();
    out->condition = request.until;
    out->id = process.id;
    out->run = out->begun_in = process.run;
    out->was_over = !process.is_live && !process.runs_again;
    // Nothing that the run before has printed, or has open, is an answer.
    if (process.runs_again && !request.cursor) ++out->run;
    out->log = process.log;
    out->pattern = request.pattern.value_or("");
    out->stream = request.stream;
    out->port = request.port;
    if (request.quiet_seconds) out->quiet_for = seconds_of(*request.quiet_seconds);
    out->ends_with_errors = request.watch_errors && request.until != WaitCondition::exit;
    if (out->ends_with_errors) out->working_directory = process.working_directory;
    out->from = process.run_begin;
    // While the run is being made nobody knows yet where its output begins.
    out->is_of_run = !request.cursor;
    if (request.cursor) {
        const auto position = logstore::parse_cursor(to_string(process.id), *request.cursor);
        if (!position) return base::with_context(position.error(), "cursor");
        out->from = *position;
    }
    if (request.run) {
        const auto run = domain::find_run_number(*request.run, process.id);
        if (!run)
            return Error{ErrorCode::invalid, fmt::format("run: \"{}\" is no run of {}", base::excerpt(*request.run),
                                                         to_string(process.id))};
        // The next one may be waited for, where it is sure to come.
        if (*run > process.run + (process.runs_again ? 1u : 0u))
            return base::with_context(ops::no_such_run({process.id, *run}, process.run), "run");
        if (request.until == WaitCondition::exit) out->run = *run;
    }
    return out;
}

Task<Result<Waiter::WaitPtr>> Waiter::begin(ops::WaitRequest request, Asker who) {
    const auto process = co_await supervisor_.locate(request.process);
    if (!process) co_return process.error();
    if (process->not_touched) co_return *process->not_touched;
    auto wait = wait_of(request, *process);
    if (!wait) co_return wait.error();
    if (request.cursor) {
        auto look = [log = (*wait)->log] { return logstore::find_log_end(log); };
        const auto end = co_await async::offload(workers_.waiting, std::move(look));
        if (!end) co_return end.error();
        const auto given = logstore::check_cursor(to_string(process->id), (*wait)->from, end->position);
        if (!given) co_return base::with_context(given.error(), "cursor");
    }
    (*wait)->who = who;
    (*wait)->until = clock_.now() + seconds_of(request.timeout_seconds);
    co_return wait;
}

Task<Waited> Waiter::wait(ops::WaitRequest request, Asker who) {
    auto wait = co_await begin(std::move(request), who);
    if (!wait) co_return wait.error();
    const WaitCondition condition = (*wait)->condition;
    auto waits = condition == WaitCondition::pattern ? wait_for_pattern(std::move(*wait))
                 : condition == WaitCondition::port  ? wait_for_port(std::move(*wait))
                 : condition == WaitCondition::quiet ? wait_for_quiet(std::move(*wait))
                 : condition == WaitCondition::ready ? wait_for_ready(std::move(*wait))
                                                     : wait_for_exit(std::move(*wait));
    co_return co_await std::move(waits);
}

Waiter::Look Waiter::look_at(ProcessId id) const {
    const auto process = supervisor_.find(id);
    if (!process) return {};
    const bool is_to_come = process->state == ProcessState::backoff || process->state == ProcessState::waiting;
    const bool is_over = !process->is_live && !is_to_come;
    return {.is_known = true,
            .is_live = process->is_live,
            .is_over = is_over,
            .has_checks = process->has_checks,
            .is_ready = process->ready.value_or(false),
            .run = process->run,
            .changes = process->changes};
}

Task<Waited> Waiter::finish(WaitOutcome end, const Wait& wait) {
    auto now = supervisor_.find(wait.id);
    if (!now) co_return Error{ErrorCode::not_found, to_string(wait.id) + " was removed during the wait"};
    auto result = std::make_unique<WaitResult>();
    result->end = end;
    result->run = std::min(wait.run, now->run);  // the next one may not have come
    result->begun_in = wait.begun_in;
    result->was_over = wait.was_over;
    // The process may run again already: what was waited for is the end of this run.
    if (end == WaitOutcome::ended && now->ended_run == result->run) result->outcome = now->last_outcome;
    result->process = std::move(*now);
    logstore::LineQuery newest;
    newest.last = 10;
    newest.max_bytes = 32u << 10;  // the view cuts each line
    newest.run = result->run;
    auto page = co_await read(wait.log, std::move(newest));
    if (page) {
        result->lines = std::move(page->lines);
        result->next = page->next;
    }
    co_return result;
}

/// Where the output begins whose errors end a wait: at its cursor, else a little before it. What the program has
/// printed on after, for longer than a handled error takes, is history.
Task<std::uint64_t> Waiter::find_new_output(const Wait& wait) {
    if (!wait.is_of_run) co_return wait.from;
    logstore::LineQuery recent;
    recent.from = wait.from;
    const std::int64_t asked_ns = base::to_ns(clock_.wall());
    recent.since_ns = base::to_ns(clock_.wall() - recent_output);
    auto look = [log = wait.log, recent = std::move(recent), asked_ns]() mutable -> Result<logstore::LogSpan> {
        auto view = logstore::LogView::open(log);
        if (!view) return view.error();
        const auto end = view->find_log_end();
        if (!end) return end.error();
        // It may have printed since the question.
        const std::int64_t last_ns = std::min(end->last_output_ns, asked_ns);
        const std::int64_t history = last_ns - std::chrono::nanoseconds(ErrorWatch::handled_within).count();
        recent.since_ns = std::max(*recent.since_ns, history);
        return view->locate(recent);
    };
    const auto span = co_await async::offload(workers_.waiting, std::move(look));
    co_return span ? std::max(wait.from, span->begin) : wait.from;
}

/// Nothing: errors do not end the wait.
Task<std::unique_ptr<ErrorWatch>> Waiter::watch_errors(const Wait& wait) {
    if (!wait.ends_with_errors) co_return nullptr;
    PatternWatches::Wanted wanted;
    wanted.from = co_await find_new_output(wait);
    if (wait.is_of_run) wanted.run = wait.run;
    wanted.stream = wait.stream;
    wanted.who = wait.who;
    co_return std::make_unique<ErrorWatch>(patterns_, clock_, wait.log, std::move(wanted));
}

/// Until the process has changed, the time has come, or an error was printed or is due.
Task<> Waiter::sleep(const Wait& wait, ErrorWatch* errors, std::uint64_t changes, MonoTime until) {
    if (!errors || errors->is_done()) {
        const MonoTime next = errors ? std::min(until, errors->due()) : until;
        co_await supervisor_.changed(wait.id, changes, next);
        co_return;
    }
    co_await (errors->found() || supervisor_.changed(wait.id, changes, until));
}

/// The run ended first, with what it printed of why.
Task<Waited> Waiter::ended(const Wait& wait) {
    auto result = co_await finish(WaitOutcome::ended, wait);
    if (result && wait.ends_with_errors)
        (*result)->error = co_await read_last_error(workers_.waiting, wait.log, wait.working_directory, (*result)->run);
    co_return result;
}

Task<Waited> Waiter::failed(const Wait& wait, const ErrorWatch& errors) {
    logstore::Line head = *errors.head();
    auto now = supervisor_.find(wait.id);
    if (!now) co_return Error{ErrorCode::not_found, to_string(wait.id) + " was removed during the wait"};
    auto result = std::make_unique<WaitResult>();
    result->end = WaitOutcome::error;
    result->run = head.run;
    result->begun_in = wait.begun_in;
    result->process = std::move(*now);
    const MonoTime patience = std::min(wait.until, clock_.now() + rest_of_error);
    logstore::Line first = head;
    auto block = co_await read_error(workers_.waiting, wait.log, wait.working_directory, std::move(first), 0);
    while (block.is_unfinished && clock_.now() < patience && !supervisor_.has_left()) {
        const Look before = look_at(wait.id);
        // It is not going to be finished.
        const bool is_last = !before.is_live || before.run != head.run;
        const MonoTime next = std::min(patience, clock_.now() + rest_interval);
        if (!is_last) co_await supervisor_.changed(wait.id, before.changes, next);
        first = head;
        block = co_await read_error(workers_.waiting, wait.log, wait.working_directory, std::move(first), 0);
        if (is_last) break;
    }
    result->next = block.end;
    result->error = std::move(block);
    co_return result;
}

Task<Waited> Waiter::matched(const Wait& wait, logstore::Line match) {
    auto now = supervisor_.find(wait.id);
    auto result = std::make_unique<WaitResult>();
    result->end = WaitOutcome::matched;
    result->run = match.run != 0 ? match.run : wait.run;
    result->begun_in = wait.begun_in;
    result->match = match.text.substr(std::min(match.match_begin, match.text.size()), match.match_size);
    if (now) result->process = std::move(*now);
    if (!logstore::is_error_head(match.text)) supervisor_.note_ready(wait.id, match.run);
    result->next = match.end;
    // The lines before it say where in its output the match stands.
    logstore::LineQuery before;
    before.from = wait.from;
    before.to = match.end;
    before.stream = wait.stream;
    if (wait.is_of_run) before.run = match.run;
    before.grep = "";  // lines as searches see them
    before.last = context_lines + 1;
    before.max_bytes = 8192;
    auto shown = co_await read(wait.log, std::move(before));
    auto& lines = result->lines;
    if (shown) lines = std::move(shown->lines);
    while (!lines.empty() && lines.back().end != match.end) lines.pop_back();
    // It knows which of the states of a line that was redrawn has matched, and of a long one where.
    if (lines.empty() || lines.back().position != match.position) lines.resize(1);
    lines.back() = std::move(match);
    shorten_context(lines);
    co_return result;
}

Task<Waited> Waiter::wait_for_pattern(WaitPtr wait) {
    PatternWatches::Wanted wanted;
    wanted.pattern = wait->pattern;
    wanted.from = wait->from;
    if (wait->is_of_run) wanted.run = wait->run;
    wanted.stream = wait->stream;
    wanted.who = wait->who;
    wanted.outside_errors = wait->ends_with_errors;
    const auto watch = patterns_.watch(wait->log, std::move(wanted));
    const auto errors = co_await watch_errors(*wait);
    // Where its output ended once it was over: what it has left running may print for ever.
    std::optional<std::uint64_t> last;
    for (;;) {
        // Whether it has ended is asked before the log is read: what it printed last is then in the log.
        const Look before = look_at(wait->id);
        co_await watch->look(wait->until);
        if (errors && !watch->match()) co_await errors->look(wait->until);
        if (watch->failure()) co_return *watch->failure();
        if (watch->match()) co_return co_await matched(*wait, *watch->match());
        const bool is_over = before.is_over || supervisor_.has_left() || clock_.now() >= wait->until;
        if (is_over && watch->unfinished()) co_return co_await matched(*wait, *watch->unfinished());
        // A program that prints faster than its output is read must not hold the wait beyond its time.
        if (before.is_known && before.run > wait->run && clock_.now() < wait->until) {
            // What comes from here on is of the run that followed, or of several.
            wait->run = before.run;
            watch->take_any_run();
            if (errors) errors->take_any_run();
            continue;
        }
        bool is_behind = watch->is_behind();
        if (!before.is_over) last.reset();
        if (before.is_over && is_behind) {
            if (!last) {
                auto look = [log = wait->log] { return logstore::find_log_end(log); };
                const auto end = co_await async::offload(workers_.waiting, std::move(look));
                if (!end) co_return end.error();
                last = end->position;
            }
            is_behind = watch->looked_to() < *last;
        }
        if (before.is_over && !is_behind) co_return co_await ended(*wait);
        const bool has_failed = errors && errors->due() <= clock_.now() && !watch->unfinished();
        if (has_failed) co_return co_await failed(*wait, *errors);
        if (supervisor_.has_left()) co_return leaving();
        if (clock_.now() >= wait->until) {
            auto result = co_await finish(WaitOutcome::timed_out, *wait);
            if (!result) co_return result;
            // What was not looked at is to be looked at by the next wait.
            const std::uint64_t end = (*result)->next;
            (*result)->next = std::min(end, watch->looked_to());
            if (is_behind) (*result)->unsearched = end - (*result)->next;
            if (before.is_over && (*result)->unsearched == 0) co_return co_await ended(*wait);
            co_return result;
        }
        // Nothing more will wake it.
        if (before.is_over) continue;
        co_await (watch->found() || sleep(*wait, errors.get(), before.changes, wait->until));
    }
}

/// One wait that looks at intervals; stays within its coroutine, which may be destroyed after the waiter.
class Waiter::Poller {
public:
    explicit Poller(std::shared_ptr<Polling> all) : all_(std::move(all)) { ++all_->waits; }
    ~Poller() { --all_->waits; }
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

    void looks() noexcept { ++all_->looks; }
    /// Before that it does not look again.
    MonoTime next(MonoTime now) const {
        return all_->waits > few ? now + interval_of_each * static_cast<std::int64_t>(all_->waits) : now;
    }

private:
    std::shared_ptr<Polling> all_;
};

Task<Waited> Waiter::wait_for_port(WaitPtr wait) {
    Poller poller(polling_);
    const auto errors = co_await watch_errors(*wait);
    if (errors) co_await errors->look(wait->until);
    for (;;) {
        poller.looks();
        const Look before = look_at(wait->id);
        if (before.is_over) co_return co_await ended(*wait);
        if (supervisor_.has_left()) co_return leaving();
        if (errors && before.run > wait->run) errors->take_any_run();
        wait->run = std::max(wait->run, before.run);
        std::vector<int> ports;
        if (before.run == wait->run) ports = co_await supervisor_.ports(wait->id);
        const auto found =
            std::find_if(ports.begin(), ports.end(), [&](int each) { return !wait->port || each == *wait->port; });
        if (found != ports.end()) {
            supervisor_.note_ready(wait->id, wait->run);
            auto result = co_await finish(WaitOutcome::port_open, *wait);
            if (result) (*result)->port = *found;
            co_return result;
        }
        const MonoTime now = clock_.now();
        if (errors && errors->due() <= now) co_return co_await failed(*wait, *errors);
        if (now >= wait->until) {
            auto result = co_await finish(WaitOutcome::timed_out, *wait);
            const bool has_begun = before.is_live && before.run == wait->run;
            if (result && has_begun)
                (*result)->not_ready =
                    ports.empty() ? "it listens on nothing" : fmt::format("it listens on {}", fmt::join(ports, ", "));
            co_return result;
        }
        const MonoTime next = std::min(wait->until, std::max(now + port_interval, poller.next(now)));
        co_await supervisor_.changed(wait->id, before.changes, next);
    }
}

/// Where no check says: it listens, and goes on listening.
Task<Waited> Waiter::wait_for_ready(WaitPtr wait) {
    Poller poller(polling_);
    const auto errors = co_await watch_errors(*wait);
    if (errors) co_await errors->look(wait->until);
    std::vector<int> seen;
    std::uint32_t seen_of = 0;
    bool has_looked = false;  // often enough to tell: it listens on nothing, or did not at the look before
    MonoTime next_look = clock_.now();
    for (;;) {
        poller.looks();
        const Look before = look_at(wait->id);
        if (before.is_over) co_return co_await ended(*wait);
        if (supervisor_.has_left()) co_return leaving();
        if (errors && before.run > wait->run) errors->take_any_run();
        wait->run = std::max(wait->run, before.run);
        const bool has_begun = before.is_live && before.run == wait->run;
        bool is_ready = has_begun && before.is_ready;
        if (has_begun && !before.has_checks && clock_.now() >= next_look) {
            auto ports = co_await supervisor_.ports(wait->id);
            ports = application_ports(std::move(ports));
            const auto stays = [&](int each) { return std::find(seen.begin(), seen.end(), each) != seen.end(); };
            is_ready = seen_of == before.run && std::any_of(ports.begin(), ports.end(), stays);
            has_looked = ports.empty() || seen_of == before.run;
            seen = std::move(ports);
            seen_of = before.run;
            next_look = clock_.now() + ready_interval;
        }
        if (is_ready) {
            supervisor_.note_ready(wait->id, wait->run);
            co_await supervisor_.find_url(wait->id);
            co_return co_await finish(WaitOutcome::ready, *wait);
        }
        const MonoTime now = clock_.now();
        // One that it was ready after, was handled.
        const bool is_due = errors && errors->due() <= now;
        const bool may_be_ready = has_begun && !before.has_checks && !has_looked && now < wait->until;
        if (is_due && !may_be_ready) co_return co_await failed(*wait, *errors);
        if (now >= wait->until) {
            auto result = co_await finish(WaitOutcome::timed_out, *wait);
            if (!result) co_return result;
            const auto& process = (*result)->process;
            (*result)->not_ready = process.has_checks ? process.not_ready
                                   : seen.empty()     ? "it has no check, and listens on nothing"
                                                      : "it has no check";
            co_return result;
        }
        const MonoTime again = before.has_checks ? wait->until : std::max(next_look, poller.next(now));
        const MonoTime next = std::min(wait->until, again);
        ErrorWatch* const watched = is_due ? nullptr : errors.get();
        co_await sleep(*wait, watched, before.changes, next);
    }
}

Task<Waited> Waiter::wait_for_quiet(WaitPtr wait) {
    // Silence that began before the question counts. When the program printed last stands in its log: nobody need be
    // told of each line.
    MonoTime quiet_since = clock_.now();
    MonoTime looked = quiet_since - wait->quiet_for;
    std::int64_t last_output_ns = 0;
    Poller poller(polling_);
    const auto errors = co_await watch_errors(*wait);
    for (;;) {
        poller.looks();
        const Look before = look_at(wait->id);
        if (errors && !errors->is_done()) co_await errors->look(wait->until);
        auto look = [log = wait->log] { return logstore::find_log_end(log); };
        const auto end = co_await async::offload(workers_.waiting, std::move(look));
        if (before.is_over) co_return co_await ended(*wait);
        if (supervisor_.has_left()) co_return leaving();
        if (!end) co_return end.error();
        const MonoTime now = clock_.now();
        if (end->last_output_ns != last_output_ns) {
            // A clock that was set meanwhile must not make it older than the look before, nor later than now.
            last_output_ns = end->last_output_ns;
            const MonoTime printed = now - (clock_.wall() - base::from_ns(last_output_ns));
            quiet_since = std::clamp(printed, looked, now);
        }
        looked = now;
        // One that waits to run again is silent, but not done.
        if (!before.is_live || before.run != wait->run) quiet_since = now;
        if (errors && before.run > wait->run) errors->take_any_run();
        wait->run = std::max(wait->run, before.run);
        const MonoTime too_late = std::min(now, quiet_since + wait->quiet_for);
        if (errors && errors->due() <= too_late) co_return co_await failed(*wait, *errors);
        const bool is_quiet = now - quiet_since >= wait->quiet_for;
        // Silence is no proof that it was handled.
        if (is_quiet && errors && errors->head()) co_return co_await failed(*wait, *errors);
        if (is_quiet) co_return co_await finish(WaitOutcome::quiet, *wait);
        if (now >= wait->until) co_return co_await finish(WaitOutcome::timed_out, *wait);
        const MonoTime next = std::min(wait->until, std::max(quiet_since + wait->quiet_for, poller.next(now)));
        co_await sleep(*wait, errors.get(), before.changes, next);
    }
}

Task<Waited> Waiter::wait_for_exit(WaitPtr wait) {
    bool is_awaited = wait->run > wait->begun_in;  // it has not begun yet
    for (;;) {
        const Look before = look_at(wait->id);
        if (is_awaited && before.run >= wait->run) {
            is_awaited = false;
            wait->run = before.run;  // the numbers of runs that came to nothing are left out
        }
        const bool has_ended = is_awaited ? before.is_over : !before.is_live || before.run != wait->run;
        if (has_ended) co_return co_await finish(WaitOutcome::ended, *wait);
        if (supervisor_.has_left()) co_return leaving();
        if (clock_.now() >= wait->until) co_return co_await finish(WaitOutcome::timed_out, *wait);
        co_await supervisor_.changed(wait->id, before.changes, wait->until);
    }
}

}  // namespace persistproc::core
