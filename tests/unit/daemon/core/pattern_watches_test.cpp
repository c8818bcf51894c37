#include "daemon/core/pattern_watches.hpp"

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <set>

#include "common/logstore/search.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/written_log.hpp"

namespace pattern_watches_test {

using namespace persistproc;
using core::PatternWatches;
using namespace std::chrono_literals;

namespace {

/// Many who wait for patterns in one log.
struct Watched {
    Watched() { log.out("begin\n"); }
    ~Watched() {
        tasks.cancel();
        for (auto& [name, watch] : watches) watch.reset();
        run_until([&] { return tasks.size() == 0; });
        bool closed = false;
        async::TaskGroup closing(io.get_executor());
        closing.spawn("close", close(&closed));
        run_until([&] { return closed; });
        threads.join();
    }

    Task<> close(bool* closed) {
        co_await patterns.close();
        *closed = true;
    }
    Task<> wait(int name, MonoTime until) {
        const auto watch = watches.at(name);
        co_await watch->look(until);
        ++looked;
        at_end.insert(name);
        co_await watch->found();
        found += watch->match() ? watch->match()->text + " " : watch->failure()->message;
    }
    void begin(int name, std::string pattern, int party = 0, async::Turns::Group process = 0,
               MonoTime until = MonoTime::max()) {
        PatternWatches::Wanted wanted;
        wanted.pattern = std::move(pattern);
        wanted.who = {&parties[party], process, false};
        watches[name] = patterns.watch(log.path(), std::move(wanted));
        tasks.spawn("wait", wait(name, until));
    }
    /// A log that takes a slow pattern long.
    void print_much() {
        std::string text;
        for (int i = 0; i < 2000; ++i) text += std::string(200, 'a') + "\n";
        log.out(text);
    }
    void run_until(const std::function<bool()>& condition) {
        while (!condition()) {
            io.restart();
            io.run_one_for(1ms);
        }
    }
    /// Everything that needs no time has happened: nobody knows when inotify tells.
    void print(const char* text) {
        log.out(text);
        io.restart();
        io.run_for(5ms);
    }
    Task<> await_growth() {
        const auto follower = changes.follow(log.path());
        is_following = true;
        co_await follower->grown();
        has_grown = true;
    }
    /// `has_grown` says then that the kernel has told of what is printed from now on.
    void follow_growth() {
        tasks.spawn("growth", await_growth());
        run_until([&] { return is_following; });
    }
    Task<> compile(char name, int party) {
        core::Asker who{&parties[party], 0, false};
        auto work = []() -> Result<void> {
            const auto compiled = logstore::LinePattern::compile("x\\p{L}{1,10}y");
            if (!compiled) return compiled.error();
            return {};
        };
        const auto done = co_await patterns.take_turn(std::move(work), who);
        (done ? turns : refused) += name;
    }
    void advance() {
        clock.advance(PatternWatches::look_interval);
        io.restart();
        io.poll();
    }

    tests::TemporaryDirectory folder;
    tests::WrittenLog log{folder.path() / "procs" / "p1" / "log"};
    boost::asio::io_context io{1};
    tests::FakeClock clock{io.get_executor()};
    boost::asio::thread_pool threads{1};
    core::LogChanges changes{io.get_executor(), clock, threads};
    PatternWatches patterns{io.get_executor(), clock, threads, changes};
    std::map<int, std::shared_ptr<PatternWatches::Watch>> watches;
    char parties[64] = {};
    int looked = 0;
    std::set<int> at_end;  // those for whom all was looked at once
    bool is_following = false, has_grown = false;
    std::string turns, refused;  // in the order in which they came
    std::string found;
    async::TaskGroup tasks{io.get_executor()};
};

}  // namespace

TEST_CASE("all who wait for one log share its looks, and equal ones a search") {
    Watched w;
    for (int i = 0; i < 100; ++i) w.begin(i, i % 2 == 0 ? "never" : "ever " + std::to_string(i));
    w.run_until([&] { return w.looked == 100; });
    const auto looks = w.patterns.looks();
    const auto searches = w.patterns.searches();
    CHECK(looks <= 4);
    CHECK(searches >= 51);
    CHECK(searches <= 4 * 51);
    // At most one look for each time that the clock goes on, whenever the kernel tells of growth.
    for (int i = 0; i < 10; ++i) w.print("line\n");
    for (int i = 0; i < 3; ++i) {
        w.advance();
        w.print("line\n");
    }
    CHECK(w.patterns.looks() <= looks + 4);
    CHECK(w.patterns.searches() <= searches + 4 * 51);
    w.log.out("ever 7 comes\n");
    while (w.found.empty()) {
        w.advance();
        w.io.run_one_for(1ms);
    }
    CHECK(w.found == "ever 7 comes ");
}

TEST_CASE("a look has seen all when it is over, however many searches that takes") {
    Watched w;
    const std::string piece = std::string(1u << 20, 'x') + "\n";
    for (int i = 0; i < 66; ++i) w.log.out(piece);  // more than one search looks at
    w.log.out("needle\n");
    w.begin(1, "^needle");
    w.run_until([&] { return w.looked == 1; });
    CHECK(w.watches.at(1)->match().has_value());
}

TEST_CASE("a line that is completed later, and one of another run, are found") {
    Watched w;
    w.begin(1, "^whole$");
    w.run_until([&] { return w.looked == 1; });
    w.log.out("who");
    w.advance();
    w.print("le\n");
    for (int i = 0; i < 100 && w.found.empty(); ++i) {
        w.advance();
        w.io.restart();
        w.io.run_one_for(10ms);
    }
    CHECK(w.found == "whole ");
}

TEST_CASE("who waits for nothing that can be told is told why") {
    Watched w;
    w.begin(1, "(");
    w.run_until([&] { return !w.found.empty(); });
    CHECK(w.found.starts_with("pattern: "));
    w.begin(2, "^begin");
    w.run_until([&] { return w.found.ends_with("begin "); });
}

TEST_CASE("who looks for a slow pattern lets others look, too") {
    Watched w;
    w.print_much();
    w.log.out("done\n");
    const bool is_told = GENERATE(false, true);
    // Of one session, or of many that one process keeps.
    for (int i = 0; i < 20; ++i) w.begin(i, "(a?a?a?a?){200}b" + std::to_string(i), is_told ? i : 0, is_told ? 7 : 0);
    w.begin(20, "^done", 20, is_told ? 8 : 0);
    w.run_until([&] { return w.found == "done "; });
    CHECK(w.looked <= 2);
}

TEST_CASE("who asks for little has a turn in each look, however many sessions ask for much") {
    Watched w;
    w.print_much();
    for (int i = 0; i < 10; ++i) w.begin(i, "(a?a?a?a?){200}b" + std::to_string(i), i);
    w.begin(10, "^never", 10);
    w.begin(11, "^done", 10);
    // All have had a turn; whoever asks for little is at the end of the log, which takes a slow machine some looks.
    w.run_until([&] { return w.patterns.searches() >= 16 && w.at_end.count(10) > 0 && w.at_end.count(11) > 0; });
    w.follow_growth();
    w.log.out("done\n");
    w.run_until([&] { return w.has_grown; });
    const auto looks = w.patterns.looks();
    while (w.found.empty()) {
        w.advance();
        w.io.run_one_for(1ms);
    }
    // The one under way, one for those alone who have just come, its own, and those that a starved thread begins in
    // vain: in turn with ten others it would be seven or more.
    CHECK(w.patterns.looks() <= looks + 5);
}

TEST_CASE("whose time has come while others had their turn is told so") {
    Watched w;
    w.print_much();
    for (int i = 0; i < 20; ++i) w.begin(i, "(a?a?a?a?){200}b" + std::to_string(i), 0, 7);
    w.begin(20, "^begin", 1, 7, w.clock.now() + 1s);
    w.begin(21, "^begin", 0, 7, w.clock.now() + 1s);
    w.run_until([&] { return w.found == "begin "; });
    w.clock.advance(2s);
    w.run_until([&] { return w.looked == 2; });
    CHECK(w.found == "begin ");
    CHECK(w.patterns.searches() < 20);
}

TEST_CASE("to compile for somebody counts like a look, and of one session few wait for it") {
    Watched w;
    constexpr std::size_t most = PatternWatches::places + 16;
    for (std::size_t i = 0; i < most + 1; ++i) w.tasks.spawn("greedy", w.compile('g', 1));
    w.tasks.spawn("modest", w.compile('m', 2));
    w.run_until([&] { return w.turns.size() == most + 1; });
    CHECK(w.refused == "g");
    // Behind those that were under way when it came, and the one that had its turn when the first of these ended.
    CHECK(w.turns.find('m') <= PatternWatches::places + 1);
}

}  // namespace pattern_watches_test
