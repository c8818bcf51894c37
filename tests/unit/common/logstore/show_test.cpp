#include "common/logstore/show.hpp"

#include <fmt/format.h>

#include <random>
#include <regex>
#include <sstream>

#include "common/base/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/written_log.hpp"

namespace show_test {

using namespace persistproc;
using namespace persistproc::logstore;
using Lines = std::vector<std::string>;

namespace {

LinePage page_of(const Lines& lines) {
    LinePage page;
    for (const auto& text : lines) {
        Line line;
        line.text = text;
        line.position = page.next;
        line.ordinal = page.lines.size();
        page.next += text.size() + 1;
        page.lines.push_back(std::move(line));
    }
    return page;
}

ShowOptions options_of(std::uint64_t lines, std::size_t max_bytes = 16384) {
    ShowOptions options;
    options.lines = lines;
    options.max_bytes = max_bytes;
    return options;
}

std::string text_of(const Lines& lines, ShowOptions options = options_of(0)) {
    return show(page_of(lines), options).text;
}

Lines rounds(int count, const std::function<Lines(int)>& round) {
    Lines out;
    for (int i = 0; i < count; ++i)
        for (auto& line : round(i)) out.push_back(std::move(line));
    return out;
}

std::string stamp(int second) {
    return fmt::format("2026-11-29T19:{:02}:{:02}.{:03}Z", second / 60, second % 60, second * 7 % 1000);
}

Lines crash_loop() {
    return rounds(16, [](int i) -> Lines {
        return {stamp(i * 3) + " INFO starting api on port 3000",
                stamp(i * 3) + " INFO connecting to postgres at 10.0.0.5:5432",
                stamp(i * 3 + 1) + " ERROR connection refused",
                "Error: connect ECONNREFUSED 10.0.0.5:5432",
                "    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16)",
                "    at Protocol._enqueue (/srv/api/node_modules/mysql/lib/protocol/Protocol.js:144:48)",
                "    at Connection.connect (/srv/api/node_modules/mysql/lib/Connection.js:116:18)",
                "    at Object.<anonymous> (/srv/api/server.js:21:12) {",
                "  errno: -111,",
                "  code: 'ECONNREFUSED',",
                fmt::format("  requestId: '{:08x}-12ab-4cde-9f01-{:012x}'", i * 7919, i * 104729),
                fmt::format("[nodemon] app crashed, pid {} - waiting for file changes before starting...", 4700 + i)};
    });
}

Lines access_log() {
    return rounds(24, [](int i) -> Lines {
        const std::string head =
            fmt::format("127.0.0.{} - - [29/Nov/2026:19:{:02}:{:02} +0000] ", i % 9 + 1, i, i * 2 % 60);
        return {head + fmt::format("\"GET / HTTP/1.1\" 200 {}", 1200 + i),
                head + "\"GET /assets/app.js HTTP/1.1\" 304 0", head + "\"GET /assets/app.css HTTP/1.1\" 304 0",
                head + fmt::format("\"GET /api/items?page={} HTTP/1.1\" 200 {}", i, 3000 + i)};
    });
}

Lines test_runner() {
    Lines out = {"running 96 tests"};
    for (int i = 0; i < 95; ++i) out.push_back(fmt::format("test case_{} ... ok (0.{:02}s)", i, i));
    out.push_back("test case_95 ... FAILED");
    out.push_back("96 tests, 95 passed, 1 failed");
    return out;
}

std::size_t bytes_of(const Lines& lines) {
    std::size_t out = 0;
    for (const auto& line : lines) out += line.size() + 1;
    return out;
}

/// Lines of a text, those that its marks count among them.
std::uint64_t lines_told(const Shown& shown) {
    std::istringstream text(shown.text);
    std::uint64_t out = 0;
    const std::regex mark("^(\\d+) lines? as below, (?:once|(\\d+) times)\\]$");
    for (std::string line; std::getline(text, line);) {
        std::smatch parts;
        const bool is_ours = !shown.marker.empty() && line.starts_with(shown.marker);
        const std::string rest = is_ours ? line.substr(shown.marker.size()) : "";
        if (!is_ours)
            ++out;
        else if (std::regex_match(rest, parts, mark))
            out += std::stoull(parts[1]) * (parts[2].matched ? std::stoull(parts[2]) : 1);
    }
    return out;
}

std::size_t count_lines(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("what repeats is shown once, the newest of it, behind a mark that counts the others") {
    const auto round = [](int i) -> Lines {
        return {"starting the server", fmt::format("pid {}", i + 1), "Error: it is refused"};
    };
    CHECK(text_of(rounds(5, round)) ==
          "[3 lines as below, 4 times]\nstarting the server\npid 5\nError: it is refused\n");
    CHECK(text_of(rounds(2, round)) == "[3 lines as below, once]\nstarting the server\npid 2\nError: it is refused\n");
    const auto shown = show(page_of(rounds(5, round)), options_of(0));
    CHECK(shown.lines == 3);
    CHECK(shown.omitted_before == 0);
    CHECK(shown.marker == "[");
    ShowOptions raw = options_of(0);
    raw.clean = false;
    CHECK(count_lines(text_of(rounds(5, round), raw)) == 15);
}

TEST_CASE("logs as programs write them become a fifth of themselves, and keep what matters") {
    const struct {
        const char* name;
        Lines lines;
        const char* kept;
    } table[] = {{"crash loop", crash_loop(), "code: 'ECONNREFUSED'"},
                 {"access log", access_log(), "GET /assets/app.css"},
                 {"test runner", test_runner(), "test case_95 ... FAILED\n96 tests, 95 passed, 1 failed\n"}};
    for (const auto& [name, lines, kept] : table) {
        const auto shown = show(page_of(lines), options_of(0, 1u << 20));
        const double saved = 1 - static_cast<double>(shown.text.size()) / static_cast<double>(bytes_of(lines));
        INFO(name << ": " << saved << "\n" << shown.text);
        CHECK(saved > 0.79);
        CHECK(lines_told(shown) == lines.size());
        CHECK(shown.text.find(kept) != std::string::npos);
    }
    Lines failed = access_log();
    failed[42] = "127.0.0.1 - - [29/Nov/2026:19:10:20 +0000] \"GET /assets/app.css HTTP/1.1\" 500 0";
    CHECK(text_of(failed).find("\" 500 0\n") != std::string::npos);
}

TEST_CASE("a budget counts what is shown and ends between lines") {
    Lines words;
    for (int i = 0; i < 26; ++i) words.push_back(std::string(9, static_cast<char>('a' + i)));
    auto shown = show(page_of(words), options_of(3));
    CHECK(shown.text == "xxxxxxxxx\nyyyyyyyyy\nzzzzzzzzz\n");
    CHECK(shown.omitted_before == 23);
    CHECK_FALSE(shown.is_cut_by_bytes);
    CHECK(shown.next == 260);
    shown = show(page_of(words), options_of(0, 25));
    CHECK(shown.text == "yyyyyyyyy\nzzzzzzzzz\n");
    CHECK(shown.is_cut_by_bytes);
    ShowOptions oldest = options_of(2);
    oldest.keep_newest = false;
    shown = show(page_of(words), oldest);
    CHECK(shown.text == "aaaaaaaaa\nbbbbbbbbb\n");
    CHECK(shown.next == 20);
    CHECK(shown.omitted_after == 24);
    // Three lines of the newest round, and what came before it is no more than a mark.
    const auto loop = crash_loop();
    shown = show(page_of(loop), options_of(13));
    CHECK(lines_told(shown) == loop.size());
    CHECK(shown.lines == 12);
    CHECK(shown.folded == loop.size() - 12);
    CHECK(shown.omitted_before == 0);
    // The mark of what is folded counts, too; the line that it has no room before is shown.
    shown = show(page_of(loop), options_of(12));
    CHECK(shown.lines == 12);
    CHECK(shown.folded == 0);
    CHECK(count_lines(shown.text) == 12);
    CHECK(text_of(Lines(20, "GET / 200"), options_of(2)) == "[1 line as below, 19 times]\nGET / 200\n");
    CHECK(text_of(Lines(20, "GET / 200"), options_of(1)) == "GET / 200\n");
    shown = show(page_of(loop), options_of(3));
    CHECK(shown.lines == 3);
    CHECK(shown.omitted_before == loop.size() - 3);
}

TEST_CASE("the line that a mark has no room before is shown") {
    Lines lines = rounds(12, [](int i) -> Lines { return {fmt::format("a request, number {}", i + 1)}; });
    lines.push_back("DONE");
    CHECK(text_of(lines, options_of(2)) == "a request, number 12\nDONE\n");
    CHECK(text_of(lines, options_of(3)) == "[1 line as below, 11 times]\na request, number 12\nDONE\n");
    CHECK(text_of(lines, options_of(1)) == "DONE\n");
}

TEST_CASE("few lines hold what is said above them, too") {
    const Lines same(20, "GET / 200");
    for (const std::uint64_t lines : {1u, 2u, 3u}) {
        INFO(lines);
        ShowOptions options = options_of(lines);
        options.above = [](const Shown&) { return std::string("older ones until p1:5"); };
        CHECK(count_lines(text_of(same, options)) <= lines);
    }
    ShowOptions one = options_of(1);
    one.above = [](const Shown&) { return std::string("older ones until p1:5"); };
    CHECK(text_of(same, one) == "[older ones until p1:5] GET / 200\n");
    CHECK(text_of({}, one) == "[older ones until p1:5]\n");
}

TEST_CASE("a block that a mark points to is shown whole") {
    const auto round = [](int i) -> Lines { return {"hello, this is it", fmt::format("Error: bad thing {}", i + 1)}; };
    Lines lines = {"begin"};
    for (auto& each : rounds(6, round)) lines.push_back(std::move(each));
    lines.push_back("the end of it");
    const auto whole = "[2 lines as below, 5 times]\nhello, this is it\nError: bad thing 6\n";
    for (const std::uint64_t count : {2u, 3u, 4u}) {
        INFO(count);
        ShowOptions options = options_of(count);
        options.keep_newest = false;
        std::string text = text_of(lines, options);
        CHECK(text == (count < 4 ? "begin\n" : "begin\n" + std::string(whole)));
    }
    lines.erase(lines.begin());
    ShowOptions two = options_of(2);
    two.keep_newest = false;
    CHECK(text_of(lines, two) == "hello, this is it\nError: bad thing 1\n");
    two.lines = 3;
    CHECK(text_of(lines, two) == whole);
}

TEST_CASE("whoever goes on with the cursor is told of each line once") {
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    std::uint64_t written = 0;
    const auto write = [&](const Lines& lines) {
        for (const auto& line : lines) log.out(line + "\n");
        written += lines.size();
    };
    write(crash_loop());
    log.lose(Stream::out, 100);
    write(test_runner());
    write(access_log());
    log.lose(Stream::out, 200);
    write({"the end of it"});
    for (const std::uint64_t lines : {1u, 2u, 5u, 12u, 40u, 0u}) {
        for (const std::size_t max_bytes : {256u, 1000u, 16384u}) {
            for (const bool clean : {true, false}) {
                INFO(lines << " lines, " << max_bytes << " bytes, " << clean);
                std::uint64_t told = 0, lost = 0, from = 0;
                for (bool more = true; more;) {
                    LineQuery query;
                    query.from = from;
                    query.first = lines;
                    query.max_bytes = max_bytes;
                    query.losses = true;
                    const auto options = take_budget(query, clean);
                    const auto shown = show(read_lines(log.path(), query).value(), options);
                    REQUIRE(shown.next > from);
                    REQUIRE(shown.text.size() <= max_bytes);
                    REQUIRE((lines == 0 || shown.lines <= lines));
                    told += lines_told(shown);
                    lost += shown.lost_bytes;
                    from = shown.next;
                    more = shown.omitted_after > 0;
                }
                CHECK(told == written);
                CHECK(lost == 300);
                CHECK(from == log.position());
            }
        }
    }
}

TEST_CASE("a very long line of context is one line, with its size") {
    const std::string slow = "(a{1,500}){1,2}b|needle";
    for (const std::string& grep : {std::string("needle"), slow}) {
        tests::TemporaryDirectory directory;
        tests::WrittenLog log(directory.path() / "log");
        const auto part = LinePattern::compile(grep).value().longest_text();
        const std::string piece(part / 2, 'x');
        const auto size = 7 * piece.size();
        log.out("before\n");
        for (int i = 0; i < 7; ++i) log.out(piece, static_cast<std::uint8_t>(i > 0 ? line_continues : 0));
        log.out("\nneedle\n", line_continues);
        for (int i = 0; i < 7; ++i) log.out(piece, static_cast<std::uint8_t>(i > 0 ? line_continues : 0));
        log.out("\nnext\nafter\n", line_continues);
        const std::string cut = fmt::format("[cut: {} bytes]", size);
        for (const bool is_last : {true, false}) {
            LineQuery query;
            query.grep = grep;
            query.context = 2;
            if (is_last) query.last = 9;
            if (!is_last) query.from = 0, query.first = 9;
            const auto options = take_budget(query, true);
            const std::string text = show(read_lines(log.path(), query).value(), options).text;
            INFO(text);
            CHECK(text.starts_with("before\nxxx"));
            CHECK(text.find(cut) < text.find("needle"));
            CHECK(text.rfind(cut) > text.find("needle"));
            CHECK(text.ends_with("xxx\nnext\n"));
            CHECK(count_lines(text) == 5);
        }
    }
}

TEST_CASE("context keeps to the budget, and a match is not left out for it") {
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    const auto word = [](int i) {
        return std::string(1, static_cast<char>('a' + i % 26)) + std::string(1, static_cast<char>('a' + i / 26));
    };
    for (int i = 0; i < 600; ++i) log.out(word(i) + (i % 20 == 10 ? " needle\n" : " hay\n"));
    LineQuery query;
    query.grep = "needle";
    query.context = 7;
    query.last = 40;
    auto options = take_budget(query, true);
    auto shown = show(read_lines(log.path(), query).value(), options);
    CHECK(count_lines(shown.text) <= 40);
    CHECK(shown.text.find("[--]\n") != std::string::npos);
    CHECK(shown.omitted_before == 27);
    for (const std::uint64_t lines : {1u, 2u, 3u, 7u, 20u, 0u}) {
        for (const std::size_t max_bytes : {256u, 600u}) {
            std::size_t matches = 0;
            std::uint64_t from = 0;
            for (bool more = true; more;) {
                query = {};
                query.grep = "needle";
                query.context = 7;
                query.from = from;
                query.first = lines;
                query.max_bytes = max_bytes;
                options = take_budget(query, true);
                shown = show(read_lines(log.path(), query).value(), options);
                INFO(lines << ", " << max_bytes << ":\n" << shown.text);
                REQUIRE(shown.next > from);
                REQUIRE((lines == 0 || count_lines(shown.text) <= lines));
                REQUIRE(shown.text.size() <= max_bytes);
                std::size_t here = 0;
                for (auto at = shown.text.find("needle"); at != std::string::npos;
                     at = shown.text.find("needle", at + 1))
                    ++here;
                REQUIRE((here > 0 || shown.omitted_after == 0));
                matches += here;
                from = shown.next;
                more = shown.omitted_after > 0;
            }
            CHECK(matches == 30);
        }
    }
}

TEST_CASE("a long line is cut in its middle and says how long it was") {
    std::string line = "begin ";
    for (int i = 0; i < 400; ++i) line += "\xC3\xA4";
    line += " end";
    const std::string shown = text_of({line});
    CHECK(shown.starts_with("begin \xC3\xA4"));
    CHECK(shown.find("[cut: 810 bytes]") != std::string::npos);
    CHECK(shown.ends_with(" end\n"));
    CHECK(shown.size() <= longest_shown_line + 20);
    CHECK(base::is_utf8(shown));
    ShowOptions raw = options_of(0);
    raw.clean = false;
    CHECK(text_of({line}, raw) == line + "\n");
    raw.max_bytes = 256;
    CHECK(text_of({line}, raw).size() <= 256);
    // In the parts that a reader with little room has made of it.
    LinePage page = page_of({line.substr(0, 300), line.substr(300)});
    page.lines[0].complete = false;
    page.lines[1].position = 300;
    CHECK(show(std::move(page), options_of(0)).text == shown);
}

TEST_CASE("a line that no page has room for is one line, with its true length") {
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    log.out("first\n");
    constexpr int pieces = 80;
    std::string piece;
    while (piece.size() < 64u << 10) piece += "\xC3\xA4";
    for (int i = 0; i < pieces; ++i) {
        log.out(i == 40 ? "needle" + piece : piece);
        if (i % 30 == 0) log.begin_segment();
    }
    log.out("the end\n");
    const std::uint64_t size = pieces * piece.size() + 13, end_of_it = log.position();
    const std::string cut = fmt::format("[cut: {} bytes]", size);
    for (int i = 0; i < 3; ++i) log.out(std::string(1, static_cast<char>('a' + i)) + " line\n");
    const auto read = [&](LineQuery query) {
        const auto options = take_budget(query, true);
        return show(read_lines(log.path(), query).value(), options);
    };
    LineQuery query;
    query.last = 100;
    auto shown = read(query);
    CHECK(shown.text.starts_with("first\n\xC3\xA4"));
    CHECK(shown.text.find("\xC3\xA4" + cut + "\xC3\xA4") != std::string::npos);
    CHECK(shown.text.ends_with("the end\na line\nb line\nc line\n"));
    CHECK(count_lines(shown.text) == 5);
    CHECK(shown.lines == 5);
    CHECK(shown.omitted_before == 0);
    query.last = 2;
    CHECK(read(query).omitted_before == 3);
    query = {};
    query.from = 0;
    query.first = 10;
    shown = read(query);
    CHECK(shown.text.starts_with("first\n\xC3\xA4"));
    CHECK(shown.text.ends_with(cut + "\n"));
    CHECK(count_lines(shown.text) == 2);
    CHECK(shown.next == end_of_it);
    CHECK(shown.omitted_after > 0);
    query.from = shown.next;
    shown = read(query);
    CHECK(shown.text == "a line\nb line\nc line\n");
    CHECK(shown.omitted_after == 0);
    // One match, however it is searched in parts.
    query = {};
    query.last = 10;
    query.grep = "\xC3\xA4";
    shown = read(query);
    CHECK(shown.lines == 1);
    CHECK(shown.omitted_before == 0);
    CHECK(shown.text.find(cut) != std::string::npos);
    CHECK(shown.text.ends_with("the end\n"));
    query.grep = "needle";
    shown = read(query);
    CHECK(shown.lines == 1);
    CHECK(shown.text.find("needle") != std::string::npos);
    CHECK(shown.text.find(cut) != std::string::npos);
    query.count_only = true;
    query.last = 0;
    for (const char* grep : {"\xC3\xA4", "needle"}) {
        query.grep = grep;
        CHECK(read_lines(log.path(), query).value().matches == 1);
    }
    // The rest of it while it is written: where a page ends within it, the next one says how much there is.
    log.out(piece);
    query = {};
    query.from = log.position() - 10;
    query.first = 10;
    shown = read(query);
    CHECK(shown.text.starts_with(fmt::format("[cut: {} bytes]\xC3\xA4", piece.size())));
    CHECK(base::is_utf8(shown.text));
}

TEST_CASE("a line that is too long for its page keeps both ends and its neighbours") {
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    for (int i = 0; i < 50; ++i) log.out(fmt::format("{} before\n", std::string(1, static_cast<char>('a' + i % 26))));
    log.out("HEAD ");
    for (int i = 0; i < 20; ++i) log.out(std::string(10'000, 'w'));
    log.out(" TAIL\n");
    for (int i = 0; i < 50; ++i) log.out(fmt::format("{} behind\n", std::string(1, static_cast<char>('a' + i % 26))));
    const auto read = [&](bool clean, std::size_t max_bytes, bool is_newest) {
        LineQuery query;
        query.max_bytes = max_bytes;
        if (is_newest)
            query.last = 1000;
        else
            query.from = 0;
        const auto options = take_budget(query, clean);
        return show(read_lines(log.path(), query).value(), options);
    };
    for (const bool is_newest : {true, false}) {
        const auto shown = read(true, 16384, is_newest);
        INFO(shown.text);
        CHECK(shown.lines == 101);
        CHECK(shown.text.find("\nHEAD ww") != std::string::npos);
        CHECK(shown.text.find("w[cut: 200010 bytes]w") != std::string::npos);
        CHECK(shown.text.find("ww TAIL\n") != std::string::npos);
    }
    for (const std::size_t max_bytes : {1000u, 4000u, 16384u, 100000u}) {
        const auto shown = read(false, max_bytes, true);
        INFO(max_bytes << "\n" << shown.text);
        CHECK(shown.text.size() <= max_bytes);
        CHECK(shown.text.size() > max_bytes / 3);
        CHECK(shown.text.find("HEAD ww") != std::string::npos);
        CHECK(shown.text.find("w[cut: 200010 bytes]w") != std::string::npos);
        CHECK(shown.text.find("ww TAIL\na behind\n") != std::string::npos);
        CHECK(shown.lines + shown.omitted_before == 101);
    }
    // It is a page of its own, and the next one begins behind it.
    std::uint64_t told = 0, from = 0;
    for (bool more = true; more;) {
        LineQuery query;
        query.from = from;
        query.max_bytes = 1000;
        const auto options = take_budget(query, false);
        const auto shown = show(read_lines(log.path(), query).value(), options);
        REQUIRE(shown.next > from);
        CHECK(shown.text.size() <= 1000);
        told += shown.lines;
        from = shown.next;
        more = shown.omitted_after > 0;
    }
    CHECK(told == 101);
    CHECK(read(false, 1u << 20, true).text.find("[") == std::string::npos);
}

TEST_CASE("a cut leaves what the pattern matches") {
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    const auto read = [&](bool clean, std::size_t max_bytes) {
        LineQuery query;
        query.grep = "ready ON";
        query.ignore_case = true;
        query.last = 5;
        query.max_bytes = max_bytes;
        const auto options = take_budget(query, clean);
        return show(read_lines(log.path(), query).value(), options).text;
    };
    const std::string line = std::string(3000, 'x') + " ready on " + std::string(3000, 'y');
    log.out(line + "\n");
    const std::string shown = read(true, 16384);
    CHECK(shown.starts_with("xxx"));
    CHECK(shown.find("[cut: 6010 bytes]xx") != std::string::npos);
    CHECK(shown.find("x ready on y") != std::string::npos);
    CHECK(shown.find("y[cut]y") != std::string::npos);
    CHECK(shown.size() < longest_shown_line + 40);
    for (const std::size_t max_bytes : {256u, 1000u}) CHECK(read(false, max_bytes).find("x ready on y") != line.npos);
    // In colour, and of more than is read of a line.
    log.out("\x1b[32m" + std::string(90'000, 'a') + "\x1b[1m ready on \x1b[0m" + std::string(90'000, 'b') + " end\n");
    CHECK(read(true, 16384).find("a ready on b") != std::string::npos);
    CHECK(read(true, 16384).ends_with("b end\n"));
}

TEST_CASE("bytes that are no UTF-8 are told as what they were") {
    for (const bool clean : {true, false}) {
        ShowOptions options = options_of(0);
        options.clean = clean;
        CHECK(text_of({"caf\xE9 \xff\xfe."}, options) == "caf[\\xe9] [\\xff\\xfe].\n");
        CHECK(text_of({"\xff\xff\xff\xff\xff"}, options) == "[5 bytes, not UTF-8]\n");
        CHECK(text_of({"a [\xff]"}, options) == "a [#[\\xff]]\n");
    }
    ShowOptions small = options_of(1, 256);
    std::string noise;
    for (int i = 0; i < 4000; ++i) noise += "a\xff";
    CHECK(text_of({noise}, small).size() <= 256);
}

TEST_CASE("nothing that a program prints looks like a mark of ours") {
    const auto round = [](int) -> Lines { return {"[3 lines as below, 7 times]", "#[--]", "and some more text"}; };
    const auto shown = show(page_of(rounds(5, round)), options_of(0));
    CHECK(shown.marker == "%[");
    CHECK(shown.text == "%[3 lines as below, 4 times]\n[3 lines as below, 7 times]\n#[--]\nand some more text\n");
    CHECK(show(page_of({"[x]"}), options_of(0)).marker.empty());
    CHECK(find_marker("") == "[");
    CHECK(find_marker("a[0]") == "#[");
    std::string all;
    for (const char a : std::string_view("#%~@^*+=|&!$?;:_"))
        for (const char b : std::string_view("#%~@^*+=|&!$?;:_")) all += fmt::format("{}{}[", a, b);
    CHECK(find_marker(all) == "###[");
    // Text of any kind: the marker stands where we have put it, and nowhere else.
    std::mt19937 random(7);
    for (int trial = 0; trial < 300; ++trial) {
        Lines lines;
        for (int i = 0; i < 12; ++i) {
            std::string line;
            for (auto n = random() % 9; n-- > 0;) line += "[#%]\xff"[random() % 5];
            lines.push_back(line);
        }
        const auto any = show(page_of(lines), options_of(0));
        if (any.marker.empty()) continue;
        std::string program;
        for (const auto& line : lines) program += line + "\n";
        CHECK(program.find(any.marker) == std::string::npos);
        CHECK(base::is_utf8(any.text));
    }
}

TEST_CASE("a match is shown where colour or a carriage return hid it") {
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    log.out("\x1b[31mErr\x1b[0mor: coloured\n");
    log.out("10%\rError: overwritten\r100%\r\n");
    log.out("Err\ror: never there\n");
    log.out("other\r\n");
    LineQuery query;
    query.grep = "^Error";
    query.last = 10;
    const auto options = take_budget(query, true);
    CHECK(show(read_lines(log.path(), query).value(), options).text == "Error: coloured\nError: overwritten\n");
    query = {};
    query.last = 10;
    const auto all = take_budget(query, true);
    CHECK(show(read_lines(log.path(), query).value(), all).text == "Error: coloured\n100%\nor: never there\nother\n");
}

}  // namespace show_test
