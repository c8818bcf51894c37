#include "daemon/core/pattern_watches.hpp"

#include <time.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <list>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "common/async/notifier.hpp"
#include "common/async/offload.hpp"
#include "common/base/thread_priority.hpp"
#include "common/logstore/error_block.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::core {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

namespace {

// One look at a log for all who wait for it; then other logs have their turn. A search that is not at the end by then
// goes on in the next.
constexpr std::chrono::nanoseconds longest_look = std::chrono::milliseconds(200);
constexpr std::chrono::nanoseconds shortest_search = std::chrono::milliseconds(20);
constexpr std::uint64_t looked_at_closely = 256;                       // lines that match, of which few may be accepted
constexpr std::uint64_t bytes_before = 16u << 10, lines_before = 200;  // of a match, in which an error may begin
constexpr std::uint64_t bytes_below = 4096;  // of a line, that may show an error to begin there, or it to be of one
constexpr std::uint64_t searched_bytes = 64u << 20;
// A line that matches before it is finished, or before it is known whether it is of an error, is taken as it is after
// that: a prompt never is.
constexpr auto unfinished_line = std::chrono::milliseconds(50);
// A log that only grows is looked at for a fifth of the time at most.
constexpr int rest = 4;  // times as long as the look took
constexpr std::chrono::nanoseconds longest_rest = std::chrono::milliseconds(400);
// A wait that has no time is given this for its one look where others are looked for first.
constexpr auto first_look = std::chrono::seconds(1);
constexpr std::size_t crowd = 8;          // who wait
constexpr std::size_t most_in_turn = 16;  // of one agent's session, for what is no look

struct Question {
    std::shared_ptr<const std::string> pattern;
    std::uint64_t from = 0;
    std::optional<std::uint32_t> run;
    logstore::StreamChoice stream = logstore::StreamChoice::combined;
    bool looks_for_errors = false;
    bool outside_errors = false;
    bool was_asked = false;

    bool is_selective() const { return looks_for_errors || outside_errors; }
};

struct Finding {
    bool was_asked = false;  // false: the time was up before
    bool is_at_end = false;
    std::uint64_t from = 0;            // where the next search goes on
    std::uint64_t looked_to = 0;       // position
    std::chrono::nanoseconds took{0};  // of the processor
    std::optional<logstore::Line> match;
    bool is_match_open = false;  // what is printed next may show that it is none
    std::optional<Error> failure;
};

struct Findings {
    std::vector<Finding> of;  // each question
    std::uint64_t searches = 0;
};

/// What decides about a line: as many from `from` on, of its run and stream.
logstore::LineQuery deciding_lines(const logstore::Line& line, std::uint64_t from) {
    logstore::LineQuery below;
    below.from = from;
    below.run = line.run;
    below.stream = line.stream == logstore::Stream::err ? logstore::StreamChoice::err : logstore::StreamChoice::out;
    below.first = logstore::lines_that_decide;
    below.max_bytes = bytes_below;
    return below;
}

/// Whether an error begins with a line, of which that depends on what follows.
logstore::BeginsError begins_error(logstore::LogView& log, const logstore::Line& line) {
    using logstore::BeginsError;
    if (!logstore::may_be_error_head(line.text)) return BeginsError::no;
    const auto page = log.read(deciding_lines(line, line.position));
    if (!page || page->lines.empty() || page->lines.front().position != line.position) return BeginsError::no;
    // What is printed on beside it is no reason to look at it again and again.
    const bool is_end = !page->more && page->log_end - line.position < bytes_below;
    return logstore::begins_error(page->lines, is_end);
}

/// Whether a line is told of an error, by what stands above and below it.
logstore::OfError is_of_error(logstore::LogView& log, const logstore::Line& line) {
    using logstore::OfError;
    if (logstore::is_error_head(line.text)) return OfError::yes;
    logstore::LineQuery above;
    above.from = line.position - std::min(line.position, bytes_before);
    above.to = line.end;
    above.run = line.run;
    above.grep = "";  // lines as searches see them
    above.last = lines_before;
    above.max_bytes = 2 * bytes_before;
    auto page = log.read(above);
    if (!page) return OfError::no;
    auto& lines = page->lines;
    if (lines.empty() || lines.back().position != line.position) return OfError::no;
    auto behind = log.read(deciding_lines(line, line.end));
    if (!behind) return OfError::no;
    const bool is_end = !behind->more && behind->lines.size() < logstore::lines_that_decide;
    for (auto& each : behind->lines) lines.push_back(std::move(each));
    return logstore::is_of_error(lines, line.position, is_end);
}

enum class Accepted { no, yes, for_now, not_yet };

Accepted accept(logstore::LogView& log, const Question& question, const logstore::Line& line) {
    if (!line.matched || line.event) return Accepted::no;
    if (question.looks_for_errors && !logstore::is_error_head(line.text)) {
        const auto begins = begins_error(log, line);
        return begins == logstore::BeginsError::yes         ? Accepted::yes
               : begins == logstore::BeginsError::not_known ? Accepted::not_yet
                                                            : Accepted::no;
    }
    if (!question.outside_errors) return Accepted::yes;
    const auto of_error = is_of_error(log, line);
    return of_error == logstore::OfError::yes  ? Accepted::no
           : of_error == logstore::OfError::no ? Accepted::yes
                                               : Accepted::for_now;
}

Finding search(logstore::LogView& log, const Question& question, const logstore::ReadBudget& budget) {
    Finding out;
    out.was_asked = true;
    out.from = out.looked_to = question.from;
    logstore::LineQuery query;
    query.from = question.from;
    query.run = question.run;
    query.stream = question.stream;
    query.grep = *question.pattern;
    query.grep_memory = watched_pattern_memory;
    query.first = question.is_selective() ? looked_at_closely : 1;
    std::optional<std::uint64_t> undecided;
    auto page = log.read(query, budget);
    for (;;) {
        if (!page) {
            const bool is_pattern = page.error().code == ErrorCode::invalid;
            out.failure = is_pattern ? base::with_context(page.error(), "pattern") : page.error();
            return out;
        }
        const auto match = std::find_if(page->lines.begin(), page->lines.end(), [&](const auto& line) {
            const Accepted accepted = accept(log, question, line);
            if (accepted == Accepted::not_yet && !undecided) undecided = line.resumed;
            out.is_match_open = line.is_open || accepted == Accepted::for_now;
            return accepted == Accepted::yes || accepted == Accepted::for_now;
        });
        if (match != page->lines.end()) {
            // It may be gone on with into one that does not match, or of which this is only the beginning.
            out.is_at_end = out.is_match_open;
            if (out.is_match_open) out.from = match->resumed;
            out.match = std::move(*match);
            return out;
        }
        const bool is_full = question.is_selective() && page->more && !page->is_spent && page->next > *query.from;
        if (!is_full || (budget.until && std::chrono::steady_clock::now() >= *budget.until)) break;
        query.from = page->next;
        page = log.read(query, budget);
    }
    out.is_at_end = !page->more;
    out.looked_to = page->next;
    // The unfinished last line may be completed into a match: it is looked at again.
    out.from = out.is_at_end ? page->unfinished.value_or(page->next) : page->next;
    if (undecided) out.from = std::min(out.from, *undecided);
    return out;
}

/// Each question's, with the rank of who asks it.
using Askers = std::vector<std::pair<Asker, LookRank>>;

Findings look_for_all(const std::filesystem::path& path, const std::vector<Question>& questions, const Askers& askers,
                      std::stop_token stop) {
    using std::chrono::steady_clock;
    // Whoever searches takes what others leave: the io thread, samples and programs go first.
    base::give_way();
    Findings out;
    out.of.resize(questions.size());
    const auto fail_all = [&](const Error& why) {
        for (auto& each : out.of) {
            each.was_asked = true;
            each.failure = why;
        }
        return std::move(out);
    };
    // <data>/procs/<id>/log
    if (auto there = rundir::check_present(path.parent_path().parent_path().parent_path()); !there)
        return fail_all(there.error());
    auto log = logstore::LogView::open(path);
    if (!log) return fail_all(log.error());
    const auto end = steady_clock::now() + longest_look;
    const auto share = longest_look / static_cast<std::int64_t>(std::max<std::size_t>(1, questions.size()));
    using Asked =
        std::tuple<std::string_view, bool, bool, std::uint64_t, std::optional<std::uint32_t>, logstore::StreamChoice>;
    std::map<Asked, std::size_t> asked;
    LookOrder order;
    std::vector<std::size_t> ordered;
    for (std::size_t i = 0; i < questions.size(); ++i) {
        const Question& question = questions[i];
        if (question.was_asked && question.from == log->end()) {
            out.of[i].was_asked = out.of[i].is_at_end = true;
            out.of[i].from = out.of[i].looked_to = question.from;
            continue;
        }
        order.add(askers[i].first, askers[i].second);
        ordered.push_back(i);
    }
    while (const auto turn = order.next()) {
        const std::size_t i = ordered[*turn];
        const Question& question = questions[i];
        const auto [same, is_new] =
            asked.try_emplace({*question.pattern, question.looks_for_errors, question.outside_errors, question.from,
                               question.run, question.stream},
                              i);
        if (!is_new) {
            out.of[i] = out.of[same->second];
            out.of[i].took = std::chrono::nanoseconds(0);
            continue;
        }
        const auto now = steady_clock::now();
        if (out.searches > 0 && (now >= end || stop.stop_requested())) break;
        const auto before = base::thread_time();
        logstore::ReadBudget budget;
        budget.bytes = searched_bytes;
        budget.until = now + std::max<std::chrono::nanoseconds>(share, shortest_search);
        budget.stop = stop;
        out.of[i] = search(*log, question, budget);
        out.of[i].took = base::thread_time() - before;
        order.take(out.of[i].took);
        ++out.searches;
    }
    return out;
}

}  // namespace

struct PatternWatches::Waiting {
    Waiting(asio::any_io_executor executor, async::Clock& c, Wanted wanted)
        : clock(c),
          question{std::make_shared<const std::string>(std::move(wanted.pattern)), wanted.from, wanted.run,
                   wanted.stream, wanted.looks_for_errors},
          who(wanted.who),
          looked_to(wanted.from),
          told(std::move(executor)) {
        question.outside_errors = wanted.outside_errors && !logstore::names_error(*question.pattern);
    }

    bool has_found() const { return match || failure; }

    async::Clock& clock;
    Question question;
    Asker who;
    std::shared_ptr<Entry> entry;
    bool is_behind = true;       // there is, or may be, more in the log
    bool is_looked_for = false;  // by a look that has not ended: `is_behind` says what it will not see
    std::size_t lookers = 0;     // those who wait for a look
    bool is_overdue = false;     // their time has come
    bool was_passed = false;     // over, by the last look that was waited for
    std::uint64_t looked = 0;    // number of the last look that included it
    std::uint64_t passed = 0;    // how often others had their turn before it
    std::uint64_t looked_to = 0;
    std::optional<logstore::Line> match;
    std::optional<logstore::Line> unfinished;  // a match that may still be gone on with
    MonoTime unfinished_until{};
    std::optional<Error> failure;
    async::Notifier told;

    /// What a look has found, at `now`.
    void take(Finding found, MonoTime now) {
        const bool is_open = found.match && found.is_match_open;
        const bool is_same = is_open && unfinished && unfinished->position == found.match->position;
        if (is_open && !is_same) unfinished_until = now + unfinished_line;
        unfinished.reset();
        (is_open && now < unfinished_until ? unfinished : match) = std::move(found.match);
        failure = std::move(found.failure);
        is_behind = is_behind || (!has_found() && !found.is_at_end);
    }
};

/// One log that somebody waits for.
struct PatternWatches::Entry {
    Entry(asio::any_io_executor executor, std::filesystem::path p)
        : path(std::move(p)), wanted(executor), given(executor) {}

    std::filesystem::path path;
    std::list<std::shared_ptr<Waiting>> waiting;
    std::unique_ptr<LogChanges::Follower> signal;
    async::Notifier wanted;    // somebody came, went, or waits for a look
    std::uint64_t begun = 0;   // looks
    bool is_for_some = false;  // the last look
    bool has_place = false;    // for a look
    async::Notifier given;     // a place
    MonoTime next_look = MonoTime::min();

    /// Of no log: for what is done in turn with the looks.
    bool is_turn() const noexcept { return path.empty(); }
    bool is_behind() const {
        return std::any_of(waiting.begin(), waiting.end(), [](const auto& each) { return each->is_behind; });
    }
    /// When one takes a line as it is.
    MonoTime due() const {
        MonoTime out = MonoTime::max();
        for (const auto& each : waiting)
            if (each->unfinished) out = std::min(out, each->unfinished_until);
        return out;
    }
    bool is_awaited() const {
        return std::any_of(waiting.begin(), waiting.end(),
                           [](const auto& each) { return each->is_behind && each->lookers > 0; });
    }

    bool is_wanted(const Waiting& each, bool only_awaited) const {
        return each.is_behind && !each.has_found() && (each.lookers > 0 || !only_awaited);
    }
    /// Those to look for, whom the last look did not reach first.
    std::vector<std::shared_ptr<Waiting>> to_look_for(bool only_awaited) const {
        std::vector<std::shared_ptr<Waiting>> out;
        for (const auto& each : waiting)
            if (is_wanted(*each, only_awaited)) out.push_back(each);
        std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a->looked < b->looked; });
        return out;
    }
    /// Time to ask for those, too, of whom it is not known that they are behind.
    bool is_due(MonoTime now) const { return now >= next_look; }
    /// Of the first of those that a look would be for.
    LookRank rank(const LookShares& shares, MonoTime now, bool only_awaited) const {
        LookRank out{true, behind_all, {}};
        for (const auto& each : waiting) {
            const bool may_be_behind = !only_awaited && is_due(now) && !each->has_found();
            if (may_be_behind || is_wanted(*each, only_awaited)) out = std::min(out, shares.rank(each->who));
        }
        return out;
    }
    /// Every other look is for those alone who have just come: it is short. But it keeps nobody waiting whose turn it
    /// is before theirs.
    bool is_next_for_some(const LookShares& shares, MonoTime now) const {
        return is_awaited() && !is_for_some && !(rank(shares, now, false) < rank(shares, now, true));
    }
    /// Another log is looked at first.
    void pass() {
        for (const auto& each : waiting) {
            if (!is_wanted(*each, true)) continue;
            ++each->passed;
            if (each->is_overdue) each->told.notify_all();
        }
    }
};

struct PatternWatches::State {
    State(asio::any_io_executor e, async::Clock& c, asio::thread_pool& p, LogChanges& l)
        : executor(std::move(e)), clock(c), threads(p), changes(l) {}

    asio::any_io_executor executor;
    async::Clock& clock;
    asio::thread_pool& threads;
    LogChanges& changes;
    std::map<std::string, std::shared_ptr<Entry>> by_path;
    std::uint64_t looks = 0, searches = 0;
    LookShares shares;
    std::size_t running = 0;                    // looks
    std::list<std::shared_ptr<Entry>> in_line;  // for a place

    class Place;
    void give_places();
    std::size_t turns_of(async::Turns::Party party) const;
    static Task<Result<void>> take_turn(std::shared_ptr<State> self, std::function<Result<void>()> work, Asker who);
    static Task<> serve(std::shared_ptr<State> self, std::shared_ptr<Entry> entry);
    Task<> until_needed(std::shared_ptr<Entry> entry);
    Task<> look(std::shared_ptr<Entry> entry);
    void forget(const std::shared_ptr<Entry>& entry);
};

/// For one look; given back with this object.
class PatternWatches::State::Place {
public:
    Place(State& state, std::shared_ptr<Entry> entry) : state_(state), entry_(std::move(entry)) {
        state_.in_line.push_back(entry_);
        state_.give_places();
    }
    ~Place() {
        if (std::exchange(entry_->has_place, false))
            --state_.running;
        else
            state_.in_line.remove(entry_);
        state_.give_places();
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    Task<> wait() {
        while (!entry_->has_place) co_await entry_->given.wait();
    }

private:
    State& state_;
    std::shared_ptr<Entry> entry_;
};

void PatternWatches::State::give_places() {
    while (running < places && !in_line.empty()) {
        auto first = in_line.begin();
        const MonoTime now = clock.now();
        LookRank least = (*first)->rank(shares, now, false);
        for (auto each = std::next(first); each != in_line.end(); ++each)
            if (const LookRank rank = (*each)->rank(shares, now, false); rank < least)
                std::tie(first, least) = std::tie(each, rank);
        const auto entry = *first;
        in_line.erase(first);
        ++running;
        shares.begin(least);
        entry->has_place = true;
        entry->given.notify_all();
        for (const auto& each : in_line) each->pass();
    }
    const auto is_wanted = [](const auto& each) {
        const auto& waiting = each.second->waiting;
        return std::any_of(waiting.begin(), waiting.end(),
                           [&](const auto& one) { return each.second->is_wanted(*one, false); });
    };
    if (running == 0 && std::none_of(by_path.begin(), by_path.end(), is_wanted)) shares.clear();
}

/// Those that wait.
std::size_t PatternWatches::State::turns_of(async::Turns::Party party) const {
    const auto is_one = [party](const auto& each) {
        return each->is_turn() && each->waiting.front()->who.party == party;
    };
    return static_cast<std::size_t>(std::count_if(in_line.begin(), in_line.end(), is_one));
}

Task<Result<void>> PatternWatches::State::take_turn(std::shared_ptr<State> self, std::function<Result<void>()> work,
                                                    Asker who) {
    if (!who.is_person && self->turns_of(who.party) >= most_in_turn)
        co_return Error{ErrorCode::limit, "too many patterns wait to be compiled; try again later"};
    // As a log that nobody else waits for, and that has only this to be looked at.
    Wanted wanted;
    wanted.who = who;
    const auto entry = std::make_shared<Entry>(self->executor, std::filesystem::path());
    entry->waiting.push_back(std::make_shared<Waiting>(self->executor, self->clock, std::move(wanted)));
    Place place(*self, entry);
    co_await place.wait();
    auto timed = [work = std::move(work)] {
        base::give_way();
        const auto before = base::thread_time();
        auto result = work();
        return std::pair(std::move(result), base::thread_time() - before);
    };
    auto done = co_await async::offload(self->threads, std::move(timed));
    self->shares.take(who, done.second);
    co_return std::move(done.first);
}

/// For as long as somebody waits.
Task<> PatternWatches::State::serve(std::shared_ptr<State> self, std::shared_ptr<Entry> entry) {
    try {
        while (!entry->waiting.empty()) {
            co_await self->until_needed(entry);
            if (entry->is_behind()) co_await self->look(entry);
        }
    } catch (...) {
        self->forget(entry);
        throw;
    }
    self->forget(entry);
}

/// Nobody is left who could look for those who still wait.
void PatternWatches::State::forget(const std::shared_ptr<Entry>& entry) {
    if (const auto own = by_path.find(entry->path.native()); own != by_path.end() && own->second == entry)
        by_path.erase(own);
    entry->signal.reset();
    for (const auto& each : std::exchange(entry->waiting, {})) {
        if (!each->has_found())
            each->failure = Error{ErrorCode::unavailable, "the daemon is leaving; ask again once there is another"};
        each->told.notify_all();
    }
}

/// Completes when it is time for a look, or nobody waits any more.
Task<> PatternWatches::State::until_needed(std::shared_ptr<Entry> entry) {
    while (!entry->waiting.empty()) {
        const auto seen = entry->wanted.count();
        if (!entry->is_behind()) {
            const auto due = entry->due();
            co_await (entry->signal->grown() || entry->wanted.wait_past(seen, due, clock));
            // Both may have come, and growth is told once: to look in vain costs little.
            for (const auto& each : entry->waiting) each->is_behind = true;
            continue;
        }
        if (entry->is_awaited() || entry->is_due(clock.now())) co_return;
        co_await entry->wanted.wait_past(seen, entry->next_look, clock);
    }
}

Task<> PatternWatches::State::look(std::shared_ptr<Entry> entry) {
    Place place(*this, entry);
    co_await place.wait();
    entry->is_for_some = entry->is_next_for_some(shares, clock.now());
    // While some are behind nobody hears of growth: the others are asked about it as often as if it were told.
    const bool is_for_all = !entry->is_for_some && entry->is_due(clock.now());
    if (is_for_all)
        for (const auto& each : entry->waiting) each->is_behind = true;
    const auto asking = entry->to_look_for(entry->is_for_some);
    if (asking.empty()) {
        for (const auto& each : entry->waiting) each->is_behind = each->is_behind && !each->has_found();
        co_return;
    }
    std::vector<Question> questions;
    Askers askers;
    for (const auto& each : asking) {
        questions.push_back(each->question);
        askers.emplace_back(each->who, shares.rank(each->who));
        each->is_behind = false;
        each->is_looked_for = true;
    }
    const std::uint64_t number = ++entry->begun;
    ++looks;
    const MonoTime begin = clock.now();
    auto work = [path = entry->path, questions = std::move(questions), askers = std::move(askers)](
                    std::stop_token stop) { return look_for_all(path, questions, askers, std::move(stop)); };
    auto findings = co_await async::offload_stoppable(threads, std::move(work));
    searches += findings.searches;
    const auto took = clock.now() - begin;
    const auto pause = std::min<std::chrono::nanoseconds>(rest * took, longest_rest);
    if (is_for_all) entry->next_look = begin + std::max<std::chrono::nanoseconds>(took + pause, look_interval);
    const MonoTime now = clock.now();
    for (std::size_t i = 0; i < asking.size(); ++i) {
        Waiting& one = *asking[i];
        one.is_looked_for = false;
        Finding& found = findings.of[i];
        if (!found.was_asked) {
            one.is_behind = true;
            ++one.passed;
            if (one.is_overdue) one.told.notify_all();
            continue;
        }
        shares.take(one.who, found.took);
        one.looked = number;
        one.looked_to = found.looked_to;
        one.question.was_asked = true;
        one.question.from = found.from;
        one.take(std::move(found), now);
        if (one.has_found() || one.lookers > 0) one.told.notify_all();
    }
}

PatternWatches::PatternWatches(asio::any_io_executor executor, async::Clock& clock, asio::thread_pool& threads,
                               LogChanges& changes)
    : state_(std::make_shared<State>(executor, clock, threads, changes)), tasks_(executor) {}

PatternWatches::~PatternWatches() = default;

std::unique_ptr<PatternWatches::Watch> PatternWatches::watch(const std::filesystem::path& log, Wanted wanted) {
    auto waiting = std::make_shared<Waiting>(state_->executor, state_->clock, std::move(wanted));
    auto& entry = state_->by_path[log.native()];
    const bool is_new = entry == nullptr;
    if (is_new) {
        entry = std::make_shared<Entry>(state_->executor, log);
        entry->signal = state_->changes.follow(log);
    }
    waiting->entry = entry;
    entry->waiting.push_back(waiting);
    entry->wanted.notify_all();
    if (is_new) tasks_.spawn("looks for patterns", State::serve(state_, entry));
    return std::make_unique<Watch>(std::move(waiting));
}

bool PatternWatches::is_crowded() const noexcept {
    std::size_t waiting = 0;
    for (const auto& [path, entry] : state_->by_path) waiting += entry->waiting.size();
    for (const auto& entry : state_->in_line) waiting += entry->is_turn() ? 1 : 0;
    return waiting >= crowd;
}

Task<Result<void>> PatternWatches::take_turn(std::function<Result<void>()> work, Asker who) {
    return State::take_turn(state_, std::move(work), who);
}

std::uint64_t PatternWatches::looks() const noexcept { return state_->looks; }
std::uint64_t PatternWatches::searches() const noexcept { return state_->searches; }

Task<> PatternWatches::close() { return tasks_.close(); }

PatternWatches::Watch::~Watch() {
    waiting_->entry->waiting.remove(waiting_);
    waiting_->entry->wanted.notify_all();
}

Task<> PatternWatches::Watch::look(MonoTime until) {
    const auto waiting = waiting_;
    const std::uint64_t before = waiting->entry->begun, passed_before = waiting->passed;
    struct Looker {
        explicit Looker(Waiting& w) : one(w) { ++one.lookers; }
        ~Looker() {
            if (--one.lookers == 0) one.is_overdue = false;
        }
        Waiting& one;
    } const looker(*waiting);
    const MonoTime patience = waiting->looked > 0 ? until : std::max(until, waiting->clock.now() + first_look);
    waiting->was_passed = false;
    waiting->is_behind = true;
    waiting->entry->wanted.notify_all();
    for (;;) {
        if (waiting->has_found()) co_return;
        const bool is_asked = waiting->looked > before;
        // The next look may have begun before the end of the one before is heard of here.
        const bool has_seen_all = !waiting->is_behind && !waiting->is_looked_for;
        const MonoTime now = waiting->clock.now();
        if (is_asked && (has_seen_all || now >= until)) co_return;
        waiting->is_overdue = now >= patience;
        if (waiting->is_overdue && waiting->passed > passed_before) {
            waiting->was_passed = true;
            co_return;
        }
        if (now < patience)
            co_await waiting->told.wait_until(now < until ? until : patience, waiting->clock);
        else
            co_await waiting->told.wait();
    }
}

Task<> PatternWatches::Watch::found() {
    const auto waiting = waiting_;
    while (!waiting->has_found()) co_await waiting->told.wait();
}

const std::optional<logstore::Line>& PatternWatches::Watch::match() const noexcept { return waiting_->match; }
const std::optional<logstore::Line>& PatternWatches::Watch::unfinished() const noexcept { return waiting_->unfinished; }
const std::optional<Error>& PatternWatches::Watch::failure() const noexcept { return waiting_->failure; }
bool PatternWatches::Watch::was_passed() const noexcept { return waiting_->was_passed; }
bool PatternWatches::Watch::is_behind() const noexcept { return waiting_->is_behind || waiting_->is_looked_for; }
std::uint64_t PatternWatches::Watch::looked_to() const noexcept { return waiting_->looked_to; }
void PatternWatches::Watch::take_any_run() { waiting_->question.run.reset(); }

}  // namespace persistproc::core
