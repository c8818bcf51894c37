#include "daemon/core/waiter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/async/offload.hpp"
#include "common/base/text.hpp"
#include "daemon/core/bounded_read.hpp"

namespace persistproc::core {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

namespace {

constexpr std::uint64_t context_lines = 3;
constexpr auto port_interval = std::chrono::milliseconds(50);
// One wait looks for so long, then others have their turn. Its pattern is compiled for each look.
constexpr ReadBounds one_look{.bytes = 64u << 20, .time = std::chrono::milliseconds(200)};
constexpr std::size_t pattern_memory = 1u << 20;

/// Waits are not worth the time of a daemon that is to go.
Error leaving() { return {ErrorCode::unavailable, "the daemon is leaving; ask again once there is another"}; }

bool has_ended(const std::optional<Located>& process, std::uint32_t run) {
    return !process || process->run != run || !process->is_live;
}

/// The run ended, and no other follows that could do what is waited for.
bool is_over(const std::optional<Located>& process) {
    return !process || (!process->is_live && process->state != ProcessState::backoff);
}

}  // namespace

Waiter::Waiter(async::Clock& clock, Supervisor& supervisor, Workers& workers, LogChanges& log_changes)
    : clock_(clock), supervisor_(supervisor), workers_(workers), log_changes_(log_changes) {}

Task<Result<logstore::LinePage>> Waiter::read(std::filesystem::path log, logstore::LineQuery query) {
    co_return co_await read_bounded(workers_.waiting, one_look, std::move(log), std::move(query));
}

Task<Result<logstore::LinePage>> Waiter::search(std::filesystem::path log, logstore::LineQuery query,
                                                async::Turns::Party party) {
    async::Place place(workers_.looks, party);
    const bool has_place = co_await place.wait();
    if (!has_place) co_return Error{ErrorCode::limit, "too many waits of yours look for a pattern; end some"};
    co_return co_await read(std::move(log), std::move(query));
}

struct Waiter::Question {
    async::Turns::Party party = nullptr;
    std::string pattern;
    std::optional<std::int64_t> port;  // nothing: any
    std::chrono::nanoseconds quiet_for = std::chrono::seconds(2);
    std::optional<std::uint64_t> from;  // pattern: only output from here on; nothing: of the current run
    std::optional<std::uint32_t> run;   // exit: the run meant; nothing: the current one
};

Result<Waiter::Question> Waiter::question_of(const ops::WaitRequest& request, ProcessId id) {
    const std::pair<bool, std::string_view> misplaced[] = {
        {request.pattern && request.until != WaitCondition::pattern, "pattern"},
        {request.port && request.until != WaitCondition::port, "port"},
        {request.quiet_seconds && request.until != WaitCondition::quiet, "quiet_seconds"},
        {request.cursor && request.until != WaitCondition::pattern, "cursor"}};
    for (const auto& [wrong, name] : misplaced)
        if (wrong)
            return Error{ErrorCode::invalid,
                         fmt::format("{}: has no meaning when until is {}", name, schema::enum_name(request.until))};
    if (request.until == WaitCondition::pattern && !request.pattern)
        return Error{ErrorCode::invalid, "pattern: required when until is pattern"};
    Question out;
    out.pattern = request.pattern.value_or("");
    out.port = request.port;
    if (request.quiet_seconds) out.quiet_for = seconds_of(*request.quiet_seconds);
    if (request.cursor) {
        const auto position = logstore::parse_cursor(to_string(id), *request.cursor);
        if (!position) return base::with_context(position.error(), "cursor");
        out.from = *position;
    }
    if (request.run) {
        out.run = domain::find_run_number(*request.run, id);
        if (!out.run)
            return Error{ErrorCode::invalid,
                         fmt::format("run: \"{}\" is no run of {}", base::excerpt(*request.run), to_string(id))};
    }
    return out;
}

Task<Result<WaitResult>> Waiter::wait(ops::WaitRequest request, async::Turns::Party party) {
    auto process = co_await supervisor_.locate(request.process);
    if (!process) co_return process.error();
    auto question = question_of(request, process->id);
    if (!question) co_return question.error();
    question->party = party;
    const MonoTime until = clock_.now() + seconds_of(request.timeout_seconds);
    Located located = std::move(*process);
    switch (request.until) {
        case WaitCondition::pattern:
            co_return co_await wait_for_pattern(std::move(*question), std::move(located), until);
        case WaitCondition::port: co_return co_await wait_for_port(std::move(*question), std::move(located), until);
        case WaitCondition::quiet: co_return co_await wait_for_quiet(std::move(*question), std::move(located), until);
        case WaitCondition::exit: break;
    }
    co_return co_await wait_for_exit(std::move(*question), std::move(located), until);
}

Task<Result<WaitResult>> Waiter::finish(WaitOutcome end, ProcessId id, std::uint32_t run) {
    auto now = supervisor_.find(id);
    if (!now) co_return Error{ErrorCode::not_found, to_string(id) + " was removed during the wait"};
    WaitResult result;
    result.end = end;
    result.run = run;
    // The process may run again already: what was waited for is the end of this run.
    if (end == WaitOutcome::ended && now->ended_run == run) result.outcome = now->last_outcome;
    result.process = std::move(*now);
    logstore::LineQuery newest;
    newest.last = 10;
    newest.max_bytes = 4096;
    newest.run = run;
    auto page = co_await read(result.process.log, std::move(newest));
    if (page) {
        result.lines = std::move(page->lines);
        result.next = page->next;
    }
    co_return result;
}

Task<Result<WaitResult>> Waiter::wait_for_pattern(Question question, Located process, MonoTime until) {
    const ProcessId id = process.id;
    std::uint32_t run = process.run;
    logstore::LineQuery query;
    query.from = question.from ? question.from : std::optional<std::uint64_t>(process.run_begin);
    // While the run is being made nobody knows yet where its output begins.
    if (!question.from) query.run = run;
    query.grep = question.pattern;
    query.grep_memory = pattern_memory;
    query.context = 0;
    query.max_bytes = 16384;
    const auto signal = log_changes_.follow(process.log);
    for (;;) {
        // Whether it has ended is asked before the log is read: what it printed last is then in the log.
        const auto before = supervisor_.find(id);
        const bool ended = is_over(before);
        // So is where the last whole line ends: the search then sees at least that much, and need not look at it again.
        // Asked afterwards, it could lie behind a line that was printed in between and never searched.
        logstore::LineQuery whole = query;
        whole.grep.reset();
        whole.include_partial = false;
        whole.last = 1;
        auto complete = co_await read(process.log, std::move(whole));
        std::uint64_t searched = *query.from;
        if (complete && !complete->lines.empty()) {
            const auto& last = complete->lines.back();
            searched = std::max(searched, last.position + last.text.size() + (last.complete ? 1 : 0));
        }
        logstore::LineQuery asked = query;
        auto page = co_await search(process.log, std::move(asked), question.party);
        if (!page && page.error().code == ErrorCode::invalid) co_return base::with_context(page.error(), "pattern");
        if (!page) co_return page.error();
        const auto match = std::find_if(page->lines.begin(), page->lines.end(),
                                        [](const auto& line) { return line.matched && !line.event; });
        if (match != page->lines.end()) {
            auto now = supervisor_.find(id);
            WaitResult result;
            result.end = WaitOutcome::matched;
            result.run = run;
            result.match = match->text;
            if (now) result.process = std::move(*now);
            result.next = match->position + match->text.size() + (match->complete ? 1 : 0);
            // The lines before it say where in its output the match stands.
            logstore::LineQuery around;
            around.from = query.from;
            around.last = 0;
            around.grep = question.pattern;
            around.grep_memory = pattern_memory;
            around.context = context_lines;
            around.max_bytes = 8192;
            auto shown = co_await search(process.log, std::move(around), question.party);
            if (shown) {
                for (auto& line : shown->lines) {
                    if (line.position > match->position) break;
                    result.lines.push_back(std::move(line));
                }
                if (result.lines.size() > context_lines + 1)
                    result.lines.erase(result.lines.begin(),
                                       result.lines.end() - static_cast<std::ptrdiff_t>(context_lines + 1));
            }
            if (result.lines.empty() || result.lines.back().position != match->position) result.lines = {*match};
            co_return result;
        }
        // A program that prints faster than its output is read must not hold the wait beyond its time.
        if (page->more && clock_.now() < until) {
            query.from = page->next;
            continue;
        }
        if (before && before->run != run) {
            // What comes from here on is of the run that followed, or of several.
            run = before->run;
            query.run.reset();
            query.from = searched;
            continue;
        }
        if (ended) co_return co_await finish(WaitOutcome::ended, id, run);
        if (supervisor_.has_left()) co_return leaving();
        // The unfinished last line may be completed into a match: it is looked at again.
        query.from = searched;
        const MonoTime now = clock_.now();
        if (now >= until) co_return co_await finish(WaitOutcome::timed_out, id, run);
        const std::uint64_t seen = before->changes;
        co_await (signal->grown() || supervisor_.changed(id, seen, until));
    }
}

Task<Result<WaitResult>> Waiter::wait_for_port(Question question, Located process, MonoTime until) {
    const ProcessId id = process.id;
    std::uint32_t run = process.run;
    for (;;) {
        const auto before = supervisor_.find(id);
        if (is_over(before)) co_return co_await finish(WaitOutcome::ended, id, run);
        if (supervisor_.has_left()) co_return leaving();
        run = before->run;
        const auto ports = co_await supervisor_.ports(id);
        for (const int port : ports) {
            if (question.port && port != *question.port) continue;
            auto result = co_await finish(WaitOutcome::port_open, id, run);
            if (result) result->port = port;
            co_return result;
        }
        const MonoTime now = clock_.now();
        if (now >= until) co_return co_await finish(WaitOutcome::timed_out, id, run);
        const MonoTime next = std::min(until, now + port_interval);
        co_await supervisor_.changed(id, before->changes, next);
    }
}

Task<Result<WaitResult>> Waiter::wait_for_quiet(Question question, Located process, MonoTime until) {
    const ProcessId id = process.id;
    std::uint32_t run = process.run;
    // Silence that began before the question counts. When the program printed last stands in its log: nobody need be
    // told of each line.
    MonoTime quiet_since = clock_.now();
    MonoTime looked = quiet_since - question.quiet_for;
    std::int64_t last_output_ns = 0;
    for (;;) {
        const auto before = supervisor_.find(id);
        const bool ended = is_over(before);
        auto look = [log = process.log] { return logstore::find_log_end(log); };
        const auto end = co_await async::offload(workers_.waiting, std::move(look));
        if (ended) co_return co_await finish(WaitOutcome::ended, id, run);
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
        if (!before->is_live || before->run != run) quiet_since = now;
        run = before->run;
        if (now - quiet_since >= question.quiet_for) co_return co_await finish(WaitOutcome::quiet, id, run);
        if (now >= until) co_return co_await finish(WaitOutcome::timed_out, id, run);
        const MonoTime next = std::min(until, quiet_since + question.quiet_for);
        co_await supervisor_.changed(id, before->changes, next);
    }
}

Task<Result<WaitResult>> Waiter::wait_for_exit(Question question, Located process, MonoTime until) {
    const ProcessId id = process.id;
    const std::uint32_t run = question.run.value_or(process.run);
    for (;;) {
        const auto before = supervisor_.find(id);
        if (has_ended(before, run)) co_return co_await finish(WaitOutcome::ended, id, run);
        if (supervisor_.has_left()) co_return leaving();
        if (clock_.now() >= until) co_return co_await finish(WaitOutcome::timed_out, id, run);
        co_await supervisor_.changed(id, before->changes, until);
    }
}

}  // namespace persistproc::core
