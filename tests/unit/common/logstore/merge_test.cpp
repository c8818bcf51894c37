#include "common/logstore/merge.hpp"

#include <fmt/format.h>

#include "common/logstore/line_follower.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/written_log.hpp"

namespace merge_test {

using namespace persistproc;
using namespace persistproc::logstore;
using tests::WrittenLog;
using Texts = std::vector<std::string>;

namespace {

LogEntry line_at(std::int64_t wall_ns, std::string text) {
    LogEntry out;
    out.line.wall_ns = wall_ns;
    out.line.text = std::move(text);
    return out;
}

/// Gives what a test has put into it, one entry a reading.
class Scripted final : public EntrySource {
public:
    struct Script {
        std::deque<LogEntry> entries;
        std::optional<Error> failure;  // when they are used up
        int readings = 0;
    };
    explicit Scripted(std::shared_ptr<Script> script) : script_(std::move(script)) {}
    Result<Reading> read_more(std::size_t) override {
        ++script_->readings;
        Reading out;
        if (script_->entries.empty() && script_->failure) return *script_->failure;
        out.more = !script_->entries.empty();
        if (!out.more) return out;
        out.entries.push_back(std::move(script_->entries.front()));
        script_->entries.pop_front();
        return out;
    }

private:
    std::shared_ptr<Script> script_;
};

struct Sources {
    Merge merge;
    std::vector<std::shared_ptr<Scripted::Script>> scripts;

    std::size_t add(std::deque<LogEntry> entries) {
        scripts.push_back(std::make_shared<Scripted::Script>());
        scripts.back()->entries = std::move(entries);
        return merge.add(std::make_unique<Scripted>(scripts.back()));
    }
};

Texts texts_of(const std::vector<MergedEntry>& entries) {
    Texts out;
    for (const MergedEntry& each : entries)
        out.push_back(each.failed              ? each.failed->message
                      : each.entry.line.is_gap ? fmt::format("({})", each.entry.line.value)
                                               : each.entry.line.text + (each.entry.line.complete ? "" : "…"));
    return out;
}

Texts all_of(Merge& merge, std::size_t max_bytes = SIZE_MAX) {
    std::vector<MergedEntry> all;
    while (true) {
        auto taken = merge.take(max_bytes);
        for (auto& each : taken.entries) all.push_back(std::move(each));
        if (!taken.more) return texts_of(all);
    }
}

std::unique_ptr<LineFollower> follower_of(const WrittenLog& log, LineQuery query = {}) {
    return std::make_unique<LineFollower>(log.path(), query.stream, LineFilter::make(query).value(), 0);
}

}  // namespace

TEST_CASE("a run that ended within a line is followed by no empty one") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.out("no newline");
    log.event(Event::exited, 0);
    log.run = 2;
    log.separate(Stream::none);
    log.err("next\n");
    Merge merge;
    merge.add(follower_of(log));
    Texts lines;
    for (const auto& each : merge.take(SIZE_MAX).entries)
        if (!each.entry.line.event) lines.push_back(each.entry.line.text);
    CHECK(lines == Texts{"no newline", "next"});
}

TEST_CASE("several logs are one in the order of time, and what has one time in that of the logs") {
    for (const std::size_t step : {std::size_t{1}, Merge::look_ahead_bytes, SIZE_MAX}) {
        Sources sources;
        sources.add({line_at(1, "a1"), line_at(4, "a4"), line_at(5, "a5")});
        sources.add({line_at(2, "b2"), line_at(4, "b4"), line_at(9, "b9")});
        sources.add({});
        sources.add({line_at(3, "d3"), line_at(4, "d4")});
        CHECK(all_of(sources.merge, step) == Texts{"a1", "b2", "d3", "a4", "b4", "d4", "a5", "b9"});
    }
}

TEST_CASE("a clock that was set back, or a time that is not known, changes no log's own order") {
    Sources sources;
    sources.add({line_at(10, "a10"), line_at(3, "a3"), line_at(0, "a?"), line_at(12, "a12")});
    sources.add({line_at(0, "b?"), line_at(5, "b5"), line_at(10, "b10"), line_at(11, "b11")});
    CHECK(all_of(sources.merge) == Texts{"b?", "b5", "a10", "a3", "a?", "b10", "b11", "a12"});
}

TEST_CASE("nobody waits for a log that is silent, and what it says later is not lost") {
    Sources sources;
    const std::size_t a = sources.add({line_at(1, "a1")});
    const std::size_t b = sources.add({});
    CHECK(all_of(sources.merge) == Texts{"a1"});
    CHECK((sources.merge.is_idle(a) && sources.merge.is_idle(b)));
    const int readings = sources.scripts[b]->readings;
    sources.scripts[a]->entries = {line_at(5, "a5")};
    sources.scripts[b]->entries = {line_at(4, "b4")};
    sources.merge.wake(a);
    CHECK_FALSE(sources.merge.is_idle(a));
    CHECK(all_of(sources.merge) == Texts{"a5"});
    CHECK(sources.scripts[b]->readings == readings);
    sources.merge.wake_all();
    CHECK(all_of(sources.merge) == Texts{"b4"});
}

TEST_CASE("of each log little is held, whoever is behind") {
    Sources sources;
    const std::size_t late = sources.add({line_at(1000, "late")});
    std::deque<LogEntry> many;
    for (int i = 0; i < 100; ++i) many.push_back(line_at(2000 + i, "x"));
    const std::size_t ahead = sources.add(std::move(many));
    auto taken = sources.merge.take(1);
    CHECK((taken.entries.empty() && taken.more));
    taken = sources.merge.take(2 * Merge::look_ahead_bytes);
    CHECK(texts_of(taken.entries) == Texts{"late", "x"});
    CHECK(sources.scripts[ahead]->entries.size() == 99);
    CHECK(sources.scripts[late]->entries.empty());
}

TEST_CASE("a log that cannot be read is said once, and the others go on") {
    Sources sources;
    const std::size_t a = sources.add({line_at(1, "a1"), line_at(3, "a3")});
    sources.add({line_at(2, "b2"), line_at(4, "b4")});
    sources.scripts[a]->failure = Error{ErrorCode::corrupt, "damaged"};
    CHECK(all_of(sources.merge) == Texts{"a1", "b2", "a3", "damaged", "b4"});
    sources.merge.wake_all();
    CHECK(all_of(sources.merge).empty());
    const std::size_t c = sources.add({line_at(5, "c5"), line_at(6, "c6")});
    sources.merge.remove(c);
    CHECK(all_of(sources.merge).empty());
}

TEST_CASE("the newest lines of all together, with what stands around them") {
    NewestEntries newest(2, 1u << 20);
    const auto take = [&](std::size_t source, const char* text, bool matched = true, bool is_after = false) {
        MergedEntry one;
        one.source = source;
        one.entry = line_at(1, text);
        one.entry.line.matched = matched;
        one.entry.is_after = is_after;
        newest.take(std::move(one));
    };
    const auto kept = [&] {
        Texts out;
        for (const auto& each : newest.release()) out.push_back(each.entry.line.text);
        return out;
    };
    take(0, "match 1");
    take(0, "after 1", false, true);
    take(1, "before 2", false);
    take(1, "match 2");
    take(0, "match 3");
    take(0, "after 3", false, true);
    CHECK(kept() == Texts{"before 2", "match 2", "match 3", "after 3"});
    CHECK(newest.unfit() == 0);
    NewestEntries narrow(10, 12);
    newest = narrow;
    for (const char* each : {"12345", "23456", "34567"}) take(0, each);
    CHECK(newest.unfit() == 1);
    CHECK(kept() == Texts{"23456", "34567"});
}

TEST_CASE("a log as lines: gaps end them, a run's last words come before its end, the last line waits for its rest") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.event(Event::started, 4711);
    log.out("one\ntwo");
    log.lose(Stream::out, 7);
    log.out("three\nlast words");
    log.event(Event::exited, 0);
    log.run = 2;
    log.begin_segment();
    log.out("begin");
    Merge merge;
    merge.add(follower_of(log));
    auto taken = merge.take(SIZE_MAX);
    REQUIRE(taken.entries.front().entry.line.event == Event::started);
    taken.entries.erase(taken.entries.begin());
    REQUIRE(taken.entries.back().entry.line.event == Event::exited);
    taken.entries.pop_back();
    CHECK(texts_of(taken.entries) == Texts{"one", "two…", "(7)", "three", "last words…"});
    log.out(" and end\n");
    merge.wake(0);
    CHECK(all_of(merge) == Texts{"begin and end"});
}

TEST_CASE("what was recorded up to a place comes first, and nothing is lost or doubled where it is gone on with") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.out("one\ntwo\nth");
    log.out("ree\nfour\n");
    for (std::uint64_t end = 0; end <= log.position(); ++end) {
        Merge merge;
        auto source = follower_of(log);
        LineFollower& lines = *source;
        lines.stop_at(end, false);
        merge.add(std::move(source));
        Texts seen = all_of(merge);
        const std::string_view before = std::string_view("one\ntwo\nthree\nfour\n").substr(0, end);
        CHECK(seen.size() == static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')));
        lines.go_on();
        merge.wake(0);
        for (auto& each : all_of(merge)) seen.push_back(std::move(each));
        CHECK(seen == Texts{"one", "two", "three", "four"});
    }
    Merge merge;
    auto source = follower_of(log);
    source->stop_at(6, true);
    merge.add(std::move(source));
    CHECK(all_of(merge) == Texts{"one", "tw…"});
}

TEST_CASE("lines around a match are those of its own log") {
    tests::TemporaryDirectory directory;
    WrittenLog a(directory.path() / "a"), b(directory.path() / "b");
    for (int i = 1; i <= 6; ++i) {
        a.wall_ns = b.wall_ns = i;
        a.out(fmt::format("a{}\n", i));
        b.out(fmt::format("b{}\n", i));
    }
    const auto found = [&](LineQuery query) {
        Merge merge;
        merge.add(follower_of(a, query));
        merge.add(follower_of(b, query));
        return all_of(merge);
    };
    LineQuery query;
    query.grep = "A3|b5";
    query.ignore_case = true;
    query.context = 1;
    CHECK(found(query) == Texts{"a2", "a3", "a4", "b4", "b5", "b6"});
    query.context_after = 0;
    CHECK(found(query) == Texts{"a2", "a3", "b4", "b5"});
    query.exclude = "^B";
    CHECK(found(query) == Texts{"a2", "a3"});
    query = {};
    query.exclude = "[1-5]";
    CHECK(found(query) == Texts{"a6", "b6"});
    query.stream = StreamChoice::err;
    CHECK(found(query).empty());
    // A line that waits for its match is moved behind no event.
    a.event(Event::exited, 0);
    a.run = 2;
    a.out("a match\n");
    query = {};
    query.grep = "match";
    query.context = 3;
    CHECK(found(query) == Texts{"", "a match"});
}

TEST_CASE("segments that follow one another lose and double nothing, whatever is looked at when") {
    tests::TemporaryDirectory directory;
    WrittenLog a(directory.path() / "a"), b(directory.path() / "b");
    Merge merge;
    merge.add(follower_of(a));
    merge.add(follower_of(b));
    Texts expected, seen;
    for (int i = 0; i < 200; ++i) {
        WrittenLog& log = i % 3 == 0 ? a : b;
        log.wall_ns = i + 1;
        log.out(fmt::format("{:0900}\n", i));
        expected.push_back(fmt::format("{:0900}", i));
        if (i % 4 == 3) log.begin_segment();
        if (i % 7 != 0) continue;
        merge.wake_all();
        for (auto& each : all_of(merge, i % 2 == 0 ? SIZE_MAX : 1)) seen.push_back(std::move(each));
    }
    merge.wake_all();
    for (auto& each : all_of(merge)) seen.push_back(std::move(each));
    CHECK(seen == expected);
}

}  // namespace merge_test
