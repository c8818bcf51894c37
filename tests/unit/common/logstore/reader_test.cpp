#include "common/logstore/reader.hpp"

#include <poll.h>

#include <fstream>
#include <random>

#include "common/base/checksum.hpp"
#include "common/logstore/log_watch.hpp"
#include "common/logstore/search.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/written_log.hpp"

namespace reader_test {

using namespace persistproc;
using namespace persistproc::logstore;
using tests::WrittenLog;

namespace {

std::vector<std::string> texts(const LinePage& page) {
    std::vector<std::string> out;
    for (const auto& line : page.lines) out.push_back(line.text + (line.complete ? "" : "…"));
    return out;
}

using Texts = std::vector<std::string>;

LinePage lines_of(const std::filesystem::path& log, const LineQuery& query) {
    auto page = read_lines(log, query);
    if (!page) throw std::runtime_error(page.error().message);
    return std::move(*page);
}

/// Every byte a follower gives, for one stream or all.
std::string followed(const std::filesystem::path& log, std::optional<std::uint64_t> from,
                     StreamChoice choice = StreamChoice::combined, std::size_t step = 1u << 20) {
    Follower follower(log, from);
    std::string bytes;
    while (true) {
        auto items = follower.read_more(step);
        if (!items) throw std::runtime_error(items.error().message);
        if (items->empty()) return bytes;
        for (const auto& item : *items) {
            const bool mine =
                choice == StreamChoice::combined ||
                ((item.flags & separator) == 0 && (choice == StreamChoice::err) == (item.stream == Stream::err));
            if (mine) bytes += item.bytes;
        }
    }
}

/// A line of out in two pieces, with one of err between them.
void write_interrupted(WrittenLog& log) {
    log.out("first\n");
    log.out("begin ");
    log.separate(Stream::out);
    log.err("oops\n");
    log.out("end\n", line_continues);
    log.err("last\n");
}

}  // namespace

TEST_CASE("the combined view never mixes streams within a line; a stream's own view joins its lines") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    write_interrupted(log);
    LineQuery query;
    CHECK(texts(lines_of(log.path(), query)) == Texts{"first", "begin ", "oops", "end", "last"});
    query.stream = StreamChoice::out;
    CHECK(texts(lines_of(log.path(), query)) == Texts{"first", "begin end"});
    query.stream = StreamChoice::err;
    CHECK(texts(lines_of(log.path(), query)) == Texts{"oops", "last"});
    CHECK(followed(log.path(), 0, StreamChoice::out) == "first\nbegin end\n");
    CHECK(followed(log.path(), 0, StreamChoice::err, 1) == "oops\nlast\n");
    CHECK(followed(log.path(), 0) == "first\nbegin \noops\nend\nlast\n");
}

TEST_CASE("lines carry stream, run, time and position") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.wall_ns = 5;
    log.out("one ");
    log.wall_ns = 6;
    log.out("two\nthr", line_continues);
    log.run = 2;
    log.err("x\n");
    const auto page = lines_of(log.path(), LineQuery{});
    REQUIRE(page.lines.size() == 3);
    CHECK(page.lines[0].text == "one two");
    CHECK(page.lines[0].wall_ns == 5);
    CHECK(page.lines[1].position == 8);
    CHECK_FALSE(page.lines[1].complete);
    CHECK(page.lines[1].run == 1);
    CHECK(page.lines[2].stream == Stream::err);
    CHECK(page.lines[2].run == 2);
    CHECK(page.next == log.position());
}

TEST_CASE("the last lines, with what was left out before them") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    for (int i = 0; i < 100; ++i) {
        if (i % 30 == 29) log.begin_segment();
        log.out(fmt::format("line {}\n", i));
    }
    LineQuery query;
    query.last = 3;
    auto page = lines_of(log.path(), query);
    CHECK(texts(page) == Texts{"line 97", "line 98", "line 99"});
    CHECK(page.omitted_before == 97);
    CHECK(page.evicted_bytes == 0);
    query.last = 100;
    CHECK(lines_of(log.path(), query).lines.size() == 100);
    query.last = 1000;
    query.max_bytes = 24;
    page = lines_of(log.path(), query);
    CHECK(texts(page) == Texts{"line 97", "line 98", "line 99"});
    CHECK(page.omitted_before == 97);

    query.max_bytes = 1u << 20;
    query.last = 2;
    log.out("open");
    CHECK(texts(lines_of(log.path(), query)) == Texts{"line 99", "open…"});
    query.include_partial = false;
    page = lines_of(log.path(), query);
    CHECK(texts(page) == Texts{"line 98", "line 99"});
    CHECK(page.next == log.position() - 4);
    log.event(Event::exited, 0);
    page = lines_of(log.path(), query);
    CHECK(texts(page) == Texts{"line 99", "open…"});
    CHECK(page.next == log.position());
}

TEST_CASE("the last lines of one stream are found behind many of the other") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    for (int i = 0; i < 5; ++i) log.err(fmt::format("err {}\n", i));
    for (int i = 0; i < 2000; ++i) log.out(fmt::format("out {}\n", i));
    LineQuery query;
    query.stream = StreamChoice::err;
    query.last = 2;
    const auto page = lines_of(log.path(), query);
    CHECK(texts(page) == Texts{"err 3", "err 4"});
    CHECK(page.omitted_before == 3);
}

TEST_CASE("pages go on where the one before ended, whatever fits") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    std::string everything;
    for (int i = 0; i < 300; ++i) {
        const std::string line = std::string(static_cast<std::size_t>(i % 41), 'x') + "\n";
        log.out(line);
        everything += line;
        if (i % 77 == 0) log.begin_segment();
    }
    log.out("end without newline");
    everything += "end without newline";
    for (const std::size_t max_bytes : {1u, 10u, 64u, 1000u, 100000u}) {
        CAPTURE(max_bytes);
        LineQuery query;
        query.max_bytes = max_bytes;
        std::string read;
        std::uint64_t from = 0;
        for (int pages = 0; pages < 100000; ++pages) {
            query.from = from;
            const auto page = lines_of(log.path(), query);
            for (const auto& line : page.lines) read += line.text + (line.complete ? "\n" : "");
            CHECK((page.more == (page.omitted_after > 0)));
            from = page.next;
            if (!page.more) break;
        }
        CHECK(read == everything);
        CHECK(from == everything.size());
    }
    LineQuery query;
    query.first = 2;
    query.from = 0;
    const auto page = lines_of(log.path(), query);
    CHECK(page.lines.size() == 2);
    CHECK(page.more);
    query.from = page.next;
    CHECK(lines_of(log.path(), query).lines[0].text == "xx");
}

TEST_CASE("times and runs narrow what is read") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    for (int i = 0; i < 200; ++i) {
        log.wall_ns = 1000 + i;
        log.run = static_cast<std::uint32_t>(1 + i / 50);
        if (i % 60 == 59) log.begin_segment();
        log.out(fmt::format("{}\n", i));
    }
    LineQuery query;
    query.since_ns = 1190;
    CHECK(texts(lines_of(log.path(), query)).front() == "190");
    query.until_ns = 1192;
    CHECK(texts(lines_of(log.path(), query)) == Texts{"190", "191", "192"});
    query.since_ns = 5000;
    query.until_ns = std::nullopt;
    CHECK(lines_of(log.path(), query).lines.empty());
    query.since_ns = 0;
    CHECK(lines_of(log.path(), query).lines.size() == 200);

    query = LineQuery{};
    query.run = 3;
    auto page = lines_of(log.path(), query);
    CHECK(page.lines.size() == 50);
    CHECK(page.lines.front().text == "100");
    query.last = 1;
    CHECK(texts(lines_of(log.path(), query)) == Texts{"149"});
    query.run = 9;
    CHECK(lines_of(log.path(), query).lines.empty());
}

TEST_CASE("what the bound removed is reported, not guessed") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.out("old\n");
    log.begin_segment();
    log.out("new\n");
    Follower early(log.path(), 0);
    REQUIRE(early.read_more(1).value().size() == 1);
    log.begin_segment();
    log.out("newest\n");
    log.remove_segment(1);
    log.remove_segment(2);

    auto page = lines_of(log.path(), LineQuery{});
    CHECK(texts(page) == Texts{"newest"});
    CHECK(page.evicted_bytes == 8);
    LineQuery query;
    query.from = 6;
    CHECK(lines_of(log.path(), query).evicted_bytes == 2);
    query.from = 8;
    CHECK(lines_of(log.path(), query).evicted_bytes == 0);
    query = LineQuery{};
    query.last = 1;
    CHECK(lines_of(log.path(), query).evicted_bytes == 0);
    CHECK(find_log_end(log.path()).value().oldest == 8);

    // The early follower still holds segment 1, then finds that 2 is gone.
    const auto items = early.read_more(100).value();
    REQUIRE(items.size() == 2);
    CHECK(items[0].evicted_bytes == 4);
    CHECK(items[1].bytes == "newest\n");
    const auto late = Follower(log.path(), 0).read_more(100).value();
    REQUIRE(late.size() == 2);
    CHECK(late[0].evicted_bytes == 8);
    CHECK(Follower(log.path()).read_more(100).value().size() == 1);
}

TEST_CASE("gaps and damaged records are counted as lost") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.out("half a li");
    log.lose(Stream::out, 7);
    log.out("whole\n");
    auto page = lines_of(log.path(), LineQuery{});
    CHECK(texts(page) == Texts{"half a li…", "whole"});
    CHECK(page.lost_bytes == 7);

    // The first record's checksum: its nine bytes are no longer vouched for, the rest is.
    std::fstream index(log.index_file(1), std::ios::in | std::ios::out | std::ios::binary);
    index.seekp(sizeof(SegmentHeader) + 20);
    index.put('\x55');
    index.close();
    page = lines_of(log.path(), LineQuery{});
    CHECK(texts(page) == Texts{"whole"});
    CHECK(page.lost_bytes == 16);
    const auto items = Follower(log.path(), 0).read_more(100).value();
    REQUIRE(items.size() == 3);
    CHECK(items[0].value == 9);
    CHECK(items[1].value == 7);
    CHECK(items[2].bytes == "whole\n");
}

TEST_CASE("grep matches lines without their colours, with context") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    for (int i = 0; i < 1000; ++i) log.out(fmt::format("line {}\n", i));
    log.out("\x1b[31merr\x1b[0mor here\n");
    log.err("tail\n");
    LineQuery query;
    query.grep = "^error";
    CHECK(texts(lines_of(log.path(), query)) == Texts{"\x1b[31merr\x1b[0mor here"});
    query.grep = "line 50$";
    query.context = 1;
    auto page = lines_of(log.path(), query);
    CHECK(texts(page) == Texts{"line 49", "line 50", "line 51"});
    CHECK_FALSE(page.lines[0].matched);
    CHECK(page.lines[1].matched);
    query.context = 0;
    query.grep = "9$";
    query.last = 2;
    page = lines_of(log.path(), query);
    CHECK(texts(page) == Texts{"line 989", "line 999"});
    CHECK(page.omitted_before == 98);
    query.grep = "\\A1|nothing\\z|(?i)TAIL";
    query.last = 0;
    CHECK(texts(lines_of(log.path(), query)) == Texts{"tail"});
    query.grep = "line \\d+\\s+line";
    CHECK(lines_of(log.path(), query).lines.empty());

    query.grep = "a(b";
    const auto refused = read_lines(log.path(), query);
    REQUIRE(refused.has_error());
    CHECK(refused.error().code == ErrorCode::invalid);
    CHECK(refused.error().message.find('\n') == std::string::npos);
    CHECK(refused.error().message.find("(?m)") == std::string::npos);
    CHECK(LinePattern::compile(std::string(1025, 'a')).has_error());
}

TEST_CASE("events appear in order when they are asked for") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.event(Event::started, 4711);
    log.out("hello\nbye");
    log.event(Event::exited, 7);
    LineQuery query;
    CHECK(texts(lines_of(log.path(), query)) == Texts{"hello", "bye…"});
    query.events = true;
    const auto page = lines_of(log.path(), query);
    REQUIRE(page.lines.size() == 4);
    CHECK(page.lines[0].event == Event::started);
    CHECK(page.lines[2].text == "bye");
    CHECK(page.lines[3].event == Event::exited);
    CHECK(page.lines[3].value == 7);
}

TEST_CASE("the place of the last lines is the byte where they begin") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    std::string everything;
    std::mt19937 random(7);
    for (int i = 0; i < 400; ++i) {
        std::string piece;
        for (unsigned n = random() % 4; n-- > 0;)
            piece += std::string(random() % 9, static_cast<char>('a' + i % 26)) + "\n";
        if (random() % 3 == 0) piece += "partial";
        if (piece.empty()) continue;
        log.out(piece);
        everything += piece;
        if (i % 90 == 89) log.begin_segment();
    }
    for (std::uint64_t n : {1u, 2u, 3u, 10u, 100u, 300u, 100000u}) {
        CAPTURE(n);
        LineQuery query;
        query.last = n;
        const auto span = locate(log.path(), query).value();
        std::uint64_t wanted = n + (everything.ends_with('\n') ? 1 : 0);
        std::size_t at = everything.size();
        while (at > 0 && (everything[at - 1] != '\n' || --wanted > 0)) --at;
        CHECK(span.begin == at);
        CHECK(span.end == everything.size());
        query.max_bytes = 1u << 20;
        const auto page = lines_of(log.path(), query);
        CHECK(page.lines.front().position == at);
        CHECK(page.omitted_before == static_cast<std::uint64_t>(std::count(
                                         everything.begin(), everything.begin() + static_cast<long>(at), '\n')));
    }
    for (const std::uint64_t from : {0u, 1u, 100u, 777u})
        CHECK(followed(log.path(), from, StreamChoice::combined, 13) == everything.substr(from));
}

TEST_CASE("cut anywhere, a log reads as a beginning of itself") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.out("one\n");
    log.begin_segment();
    log.event(Event::started, 1);
    write_interrupted(log);
    log.out("no newline");
    const std::string whole = followed(log.path(), 0);
    REQUIRE(whole.size() == log.position());
    const auto copy = directory.path() / "copy";
    for (const bool cut_index : {true, false}) {
        const auto cut_file = cut_index ? log.index_file(2) : log.data_file(2);
        const auto size = std::filesystem::file_size(cut_file);
        std::size_t shortest_so_far = whole.size();
        for (auto n = size; n-- > 0;) {
            CAPTURE(cut_index, n);
            std::filesystem::remove_all(copy);
            std::filesystem::copy(log.path(), copy);
            std::filesystem::resize_file(copy / cut_file.filename(), n);
            const std::string bytes = followed(copy, 0);
            CHECK(whole.starts_with(bytes));
            CHECK(bytes.size() <= shortest_so_far);
            CHECK(bytes.size() >= 4);
            shortest_so_far = bytes.size();
            const auto end = find_log_end(copy);
            REQUIRE(end.has_value());
            CHECK(end->position == bytes.size());
            LineQuery query;
            std::string read;
            for (const auto& line : lines_of(copy, query).lines) read += line.text + (line.complete ? "\n" : "");
            CHECK(read == bytes);
            query.last = 2;
            const auto page = lines_of(copy, query);
            CHECK(page.lines.size() <= 2);
            CHECK(locate(copy, query).has_value());
        }
    }
}

TEST_CASE("what is no log of ours is refused; an empty one is empty") {
    tests::TemporaryDirectory directory;
    CHECK(lines_of(directory.path() / "missing", LineQuery{}).lines.empty());
    CHECK(find_log_end(directory.path() / "missing").value().position == 0);
    CHECK(Follower(directory.path() / "missing").read_more(1).value().empty());
    {
        WrittenLog log(directory.path() / "foreign");
        std::fstream(log.index_file(1), std::ios::in | std::ios::out | std::ios::binary) << "something";
        log.out("twelve bytes");
        const Error refused = read_lines(log.path(), LineQuery{}).error();
        CHECK(refused.code == ErrorCode::corrupt);
        CHECK(refused.message.ends_with("; 12 bytes of output cannot be shown: read " + log.data_file(1).native()));
    }
    WrittenLog log(directory.path() / "newer");
    SegmentHeader header;
    header.major = index_major + 1;
    std::fstream(log.index_file(1), std::ios::in | std::ios::out | std::ios::binary)
        .write(reinterpret_cast<char*>(&header), sizeof header);
    CHECK(find_log_end(log.path()).error().code == ErrorCode::unsupported);
}

TEST_CASE("a follower goes with a growing log through segments, nothing twice") {
    tests::TemporaryDirectory directory;
    const auto path = directory.path() / "log";
    Follower follower(path);
    CHECK(follower.read_more(10).value().empty());
    WrittenLog log(path);
    auto watch = LogWatch::open(path);
    REQUIRE(watch.has_value());
    const auto is_readable = [&] {
        pollfd one{watch->fd(), POLLIN, 0};
        return ::poll(&one, 1, 0) == 1;
    };
    CHECK_FALSE(is_readable());
    std::string written, read;
    for (int i = 0; i < 50; ++i) {
        const std::string line = fmt::format("{} {}\n", i, std::string(static_cast<std::size_t>(i), '.'));
        log.out(line);
        written += line;
        CHECK(is_readable());
        watch->drain();
        if (i % 7 == 6) log.begin_segment();
        for (const auto& item : follower.read_more(1u << 20).value()) read += item.bytes;
        CHECK(read == written);
        CHECK(follower.position() == written.size());
    }
    CHECK(find_log_end(path).value().last_sequence == 50);
}

TEST_CASE("a long line is given in parts that fit") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.out(std::string(1000, 'a'));
    log.out(std::string(1000, 'b') + "\n", line_continues);
    LineQuery query;
    query.max_bytes = 300;
    std::string read;
    for (query.from = 0;;) {
        const auto page = lines_of(log.path(), query);
        for (const auto& line : page.lines) {
            CHECK(line.text.size() <= 300);
            read += line.text;
        }
        query.from = page.next;
        if (!page.more) break;
    }
    CHECK(read == std::string(1000, 'a') + std::string(1000, 'b'));
    query.from = std::nullopt;
    query.last = 1;
    CHECK(lines_of(log.path(), query).lines.back().text.ends_with("b"));
}

TEST_CASE("cursors name their process") {
    CHECK(format_cursor("p3", 0) == "p3:0");
    CHECK(parse_cursor("p3", format_cursor("p3", 123456789)).value() == 123456789);
    CHECK(parse_cursor("p3", format_cursor("p3", UINT64_MAX)).value() == UINT64_MAX);
    CHECK(check_cursor("p3", std::nullopt, 0));
    CHECK(check_cursor("p3", 40, 40));
    REQUIRE(check_cursor("p3", 41, 40).has_error());
    CHECK(check_cursor("p3", 41, 40).error().message ==
          "\"p3:15\" stands behind the end of its output, p3:14; use the next cursor of an answer about p3, unchanged");
    for (const char* bad : {"", "p3", "p3:", "p3:-1", "p3:zz!", "p3:zzzzzzzzzzzzzzzzz", "p4:1"}) {
        CAPTURE(bad);
        REQUIRE(parse_cursor("p3", bad).has_error());
        CHECK(parse_cursor("p3", bad).error().code == ErrorCode::invalid);
    }
}

TEST_CASE("a budget ends a search where the next one goes on, and no line is missed or seen twice") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    for (int i = 0; i < 40; ++i) {
        const auto number = std::to_string(i);
        log.out("out " + number + (i % 4 == 0 ? " hit\n" : "\n"));
        if (i % 3 == 0) log.err("err " + number + " hit\nerr more\nand " + number + " more\n");
        if (i % 10 == 5) {
            log.out("begin ");
            log.out("end hit " + number + "\n", line_continues);
        }
    }
    log.out("open hit");
    for (const auto stream : {StreamChoice::combined, StreamChoice::out, StreamChoice::err}) {
        for (const bool has_pattern : {true, false}) {
            LineQuery query;
            query.stream = stream;
            query.first = 1000;
            if (has_pattern) query.grep = "hit";
            const auto whole = texts(lines_of(log.path(), query));
            for (const std::uint64_t bytes : {1u, 7u, 20u, 100u, 1000000u}) {
                INFO(static_cast<int>(stream) << " " << has_pattern << " " << bytes);
                Texts found;
                LineQuery asked = query;
                asked.from = 0;
                for (;;) {
                    const auto page = read_lines(log.path(), asked, {.bytes = bytes, .until = {}, .stop = {}}).value();
                    for (const auto& text : texts(page)) found.push_back(text);
                    if (!page.more) break;
                    REQUIRE(page.is_spent);
                    REQUIRE(page.next > *asked.from);
                    CHECK(page.unread_bytes == log.position() - page.next);
                    asked.from = page.next;
                }
                CHECK(found == whole);
            }
        }
    }
}

TEST_CASE("a search whose time is over, or that nobody waits for, ends at once") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    for (int i = 0; i < 20; ++i) log.out(std::string(50'000, 'a') + "\n");
    LineQuery query;
    query.grep = "b";
    const auto late = read_lines(log.path(), query, {.bytes = 1u << 30, .until = MonoTime(), .stop = {}}).value();
    CHECK(late.is_spent);
    CHECK(late.next > 0);
    CHECK(late.unread_bytes > 0);
    std::stop_source gone;
    gone.request_stop();
    const auto unheard =
        read_lines(log.path(), query, {.bytes = 1u << 30, .until = {}, .stop = gone.get_token()}).value();
    CHECK(unheard.is_spent);
    CHECK(unheard.lines.empty());
    CHECK(unheard.next == 0);
}

namespace {

/// A budget for so many looks at the clock.
ReadBudget looks(int count) {
    ReadBudget out;
    out.is_over = [left = count]() mutable { return left-- <= 0; };
    return out;
}

}  // namespace

TEST_CASE("a slow pattern looks at little before it sees that its time is over") {
    constexpr std::size_t little = 32u << 10;
    for (const std::size_t line : {99u, 30'000u, 1u << 20}) {
        tests::TemporaryDirectory directory;
        WrittenLog log(directory.path() / "log");
        for (std::size_t bytes = 0; bytes < (2u << 20); bytes += line + 1) log.out(std::string(line, 'a') + "\n");
        INFO(line);
        LineQuery query;
        query.grep = "(a{1,500}){1,2}b";
        query.from = 0;
        query.first = 1;
        // Several looks may be at one piece.
        const auto page = read_lines(log.path(), query, looks(2)).value();
        CHECK(page.is_spent);
        CHECK(page.next > 0);
        CHECK(page.next <= little);
        CHECK(page.unread_bytes == log.position() - page.next);
    }
}

TEST_CASE("a slow pattern is looked for from the end, too") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    for (int i = 0; i < 300; ++i) log.out(std::string(999, 'a') + "\n");
    const std::uint64_t needle = log.position();
    log.out("needle\n");
    LineQuery query;
    query.grep = "(a{1,500}){1,2}b|needle";
    query.last = 10;
    const auto page = read_lines(log.path(), query, looks(40)).value();
    CHECK(texts(page) == Texts{"needle"});
    REQUIRE(page.earlier);
    CHECK(*page.earlier < needle);
    CHECK(page.unsearched_bytes == *page.earlier);
    // Without time for the newest of it, what stands before that can still be asked for.
    const auto hasty = read_lines(log.path(), query, looks(1)).value();
    CHECK(hasty.is_spent);
    REQUIRE(hasty.earlier);
    CHECK(*hasty.earlier < hasty.next);
    CHECK(hasty.next < needle);
}

TEST_CASE("a pattern that is too large is refused as that") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.out("a\n");
    LineQuery query;
    query.grep = "\\p{L}{1,200}\\p{N}{1,50}$";  // the first of them counts once
    CHECK(read_lines(log.path(), query).has_value());
    query.grep = "x\\p{L}{1,200}\\p{N}{1,50}$";
    CHECK(read_lines(log.path(), query).error().message.find("too large when compiled") != std::string::npos);
}

TEST_CASE("a record with a right checksum that names bytes beyond all is passed over") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.out("a\n");
    for (const std::uint64_t offset : {std::uint64_t{0}, ~std::uint64_t{0} - 10, ~std::uint64_t{0} - 0xFFFFFFF0u + 1}) {
        IndexRecord forged;
        forged.sequence = 2;
        forged.stream = Stream::out;
        forged.offset = offset;
        forged.length = 0xFFFFFFF0u;
        forged.crc = base::crc32c(&forged, offsetof(IndexRecord, crc));
        std::ofstream(log.index_file(1), std::ios::app | std::ios::binary)
            .write(reinterpret_cast<const char*>(&forged), sizeof forged);
    }
    CHECK(texts(lines_of(log.path(), LineQuery{})) == Texts{"a"});
}

TEST_CASE("a search excludes, ignores case and counts") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    for (int i = 0; i < 300; ++i) log.out(i % 3 == 0 ? "Error: disk\n" : i % 3 == 1 ? "error: net\n" : "fine\n");
    log.out("ERROR: last\n");
    LineQuery query;
    query.grep = "error";
    query.ignore_case = true;
    query.exclude = "DISK";
    query.last = 2;
    auto page = lines_of(log.path(), query);
    CHECK(texts(page) == Texts{"error: net", "ERROR: last"});
    CHECK(page.matches == 101);
    CHECK(page.omitted_before == 99);
    query.ignore_case = false;
    CHECK(texts(lines_of(log.path(), query)) == Texts{"error: net", "error: net"});
    query.grep.reset();
    query.exclude = "^.rror|fine";
    page = lines_of(log.path(), query);
    CHECK(texts(page) == Texts{"ERROR: last"});
    CHECK(page.matches == 1);
    query.exclude = "(";
    CHECK(read_lines(log.path(), query).error().code == ErrorCode::invalid);

    query = {};
    query.count_only = true;
    for (const std::uint64_t last : {0u, 2u}) {
        query.last = last;
        page = lines_of(log.path(), query);
        CHECK(page.lines.empty());
        CHECK(page.matches == 301);
        CHECK(page.next == log.position());
    }
    // In as many looks as it takes.
    query.grep = "error";
    query.last = 0;
    std::uint64_t matches = 0;
    for (bool more = true; more;) {
        page = read_lines(log.path(), query, {.bytes = 100, .until = {}, .stop = {}}).value();
        matches += page.matches;
        query.from = page.next;
        more = page.more;
    }
    CHECK(matches == 100);
}

namespace {

/// What pages of a search give in all, each of at most `first` matches and of what the budget allows.
Texts searched(const std::filesystem::path& log, LineQuery query, std::uint64_t first, std::uint64_t bytes) {
    Texts all;
    query.first = first;
    for (bool more = true; more;) {
        const auto page = read_lines(log, query, {.bytes = bytes, .until = {}, .stop = {}}).value();
        for (const auto& text : texts(page)) all.push_back(text);
        more = page.more;
        query.from = page.next;
    }
    return all;
}

}  // namespace

TEST_CASE("a search sees whole what the other stream interrupted, on whatever page") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    write_interrupted(log);
    LineQuery query;
    query.grep = "^begin end$";
    const auto page = lines_of(log.path(), query);
    REQUIRE(texts(page) == Texts{"begin end"});
    CHECK(page.lines[0].position == 6);
    CHECK(page.lines[0].end == 22);
    query.grep = "";
    for (const std::uint64_t first : {0u, 1u, 2u})
        for (const std::uint64_t bytes : {1u, 7u, 100u})
            CHECK(searched(log.path(), query, first, bytes) == Texts{"first", "oops", "begin end", "last"});
    query.exclude = "end";
    CHECK(texts(lines_of(log.path(), query)) == Texts{"first", "oops", "last"});
    query.exclude.reset();
    query.context = 1;
    query.grep = "oops";
    CHECK(texts(lines_of(log.path(), query)) == Texts{"first", "oops", "begin end"});

    // What is unfinished is given as it is, once, and whole when it goes on behind the other stream.
    query = {};
    query.grep = "";
    log.out("or");
    log.separate(Stream::out);
    log.err("wo");
    query.from = log.position();
    CHECK(lines_of(log.path(), query).lines.empty());  // both were given as far as they went
    log.separate(Stream::err);
    log.out("e\n", line_continues);
    log.err("rd\n", line_continues);
    CHECK(texts(lines_of(log.path(), query)) == Texts{"ore", "rd"});
}

TEST_CASE("pages of a search give an interrupted line once, wherever one ends and the next begins") {
    const bool is_err = GENERATE(false, true);
    const Stream one = is_err ? Stream::err : Stream::out, other = is_err ? Stream::out : Stream::err;
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.append(one, "AAA match begin ");
    log.separate(one);
    log.append(other, "BBB match err ");
    log.separate(other);
    log.append(one, "more ", line_continues);
    log.separate(one);
    log.append(other, "ends\n", line_continues);
    log.append(one, "rest match end\n", line_continues);
    log.append(one, "CCC match\n");
    const Texts all{"BBB match err ends", "AAA match begin more rest match end", "CCC match"};
    LineQuery query;
    query.grep = GENERATE("match", "^[ABC]{3} match(.* (end|ends))?$");
    for (const std::uint64_t pages_of : {1u, 2u}) {
        LineQuery back = query;
        back.last = pages_of;
        Texts found;
        for (bool has_more = true; has_more;) {
            const auto page = lines_of(log.path(), back);
            const auto given = texts(page);
            found.insert(found.begin(), given.begin(), given.end());
            has_more = page.earlier.has_value();
            back.to = page.earlier;
        }
        CHECK(found == all);
    }
    for (const Line& line : lines_of(log.path(), query).lines) {
        LineQuery before = query, behind = query;
        before.to = behind.from = line.resumed;
        Texts found = texts(lines_of(log.path(), before));
        for (const auto& text : texts(lines_of(log.path(), behind))) found.push_back(text);
        CHECK(found == all);
        before.count_only = behind.count_only = true;
        CHECK(lines_of(log.path(), before).matches + lines_of(log.path(), behind).matches == 3);
    }
}

TEST_CASE("a search gives what is printed before a position as it is there where nothing goes on behind it") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.out("begin ");
    const std::uint64_t within = log.position();
    log.separate(Stream::out);
    log.err("oops\n");
    const std::uint64_t end = log.position();
    log.run = 2;
    log.out("next\n");
    LineQuery query;
    query.grep = "";
    query.to = end;
    CHECK(texts(lines_of(log.path(), query)) == Texts{"oops", "begin …"});
    // What goes on there was given as far as it went.
    query.to = within;
    CHECK(texts(lines_of(log.path(), query)) == Texts{"begin …"});
}

TEST_CASE("what stands in the newest segment is found without a look at those far from it") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    for (int i = 0; i < 8; ++i) {
        log.out("line\n");
        log.begin_segment();
    }
    log.out("line\n");
    LineQuery query;
    query.from = log.position();
    log.out("last\n");
    for (const std::uint32_t unreadable : {3u, 4u, 5u, 6u}) {
        std::filesystem::remove(log.index_file(unreadable));
        std::filesystem::create_directory(log.index_file(unreadable));
    }
    CHECK(texts(lines_of(log.path(), query)) == Texts{"last"});
}

namespace {

/// Megabytes in which little matches: records that end within lines, some of the other stream.
std::vector<std::string> write_large(WrittenLog& log, std::mt19937& random) {
    std::vector<std::string> lines;
    std::string pending;
    for (std::size_t bytes = 0; bytes < (2u << 20); bytes += lines.back().size() + 1) {
        const bool is_hit = random() % 3000 == 0;
        lines.push_back(
            fmt::format("{} {}{}", lines.size(), is_hit ? "needle " : "", std::string(random() % 200, 'x')));
        pending += lines.back() + "\n";
        if (pending.size() < 20'000) continue;
        const std::size_t cut = random() % 2 == 0 ? pending.size() : pending.size() - random() % 100;
        log.out(pending.substr(0, cut));
        pending.erase(0, cut);
        if (pending.empty() && random() % 4 == 0) {
            lines.push_back(fmt::format("{} err", lines.size()));
            log.err(lines.back() + "\n");
        }
    }
    log.out(pending);
    return lines;
}

std::vector<std::string> around_needles(const std::vector<std::string>& lines, std::size_t before, std::size_t after) {
    std::vector<bool> is_kept(lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (lines[i].find("needle") == std::string::npos) continue;
        for (std::size_t at = i - std::min(i, before); at <= std::min(i + after, lines.size() - 1); ++at)
            is_kept[at] = true;
    }
    std::vector<std::string> out;
    for (std::size_t i = 0; i < lines.size(); ++i)
        if (is_kept[i]) out.push_back(lines[i]);
    return out;
}

}  // namespace

TEST_CASE("a search with context steps over what does not match as one without, and gives the same lines") {
    tests::TemporaryDirectory directory;
    std::mt19937 random(7);
    for (int round = 0; round < 4; ++round) {
        WrittenLog log(directory.path() / fmt::format("log{}", round));
        const auto lines = write_large(log, random);
        LineQuery query;
        query.grep = "needle";
        query.max_bytes = 8u << 20;
        const auto looks = [&] {
            std::size_t count = 0;
            ReadBudget budget;
            budget.is_over = [&count] { return ++count == 0; };
            const auto page = read_lines(log.path(), query, budget);
            REQUIRE(page);
            return std::pair(count, texts(*page));
        };
        const auto without = looks();
        CHECK(without.second == around_needles(lines, 0, 0));
        for (const std::uint32_t context : {1u, 3u, 40u}) {
            query.context = context;
            query.context_after = std::nullopt;
            const auto with = looks();
            CHECK(with.second == around_needles(lines, context, context));
            CHECK(with.first <= 3 * without.first + lines.size() / 100);
            query.context_after = 0;
            CHECK(looks().second == around_needles(lines, context, 0));
            query.context = 0;
            query.context_after = context;
            CHECK(looks().second == around_needles(lines, 0, context));
        }
        // Lines that were stepped over stand between those of two groups.
        query.context = query.context_after.emplace(1);
        const auto page = lines_of(log.path(), query);
        for (std::size_t i = 1; i < page.lines.size(); ++i) {
            const auto number = [&](std::size_t of) { return std::stoi(page.lines[of].text); };
            CHECK((page.lines[i].ordinal == page.lines[i - 1].ordinal + 1) == (number(i) == number(i - 1) + 1));
        }
    }
}

TEST_CASE("a line of context is given whole however long it is, or what is missing of it is told") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    constexpr std::size_t size = 3'500'000, record = 250'000;
    log.out("first\n");
    log.out(std::string(record, 'x'));
    for (std::size_t i = 1; i < size / record; ++i) log.out(std::string(record, 'x'), line_continues);
    log.out("\n", line_continues);
    log.out("match\n");
    LineQuery query;
    query.grep = "match";
    query.context = 1;
    query.last = 100;
    const auto shown = [&](std::size_t most) {
        query.max_bytes = most;
        std::uint64_t bytes = 0;
        const auto page = lines_of(log.path(), query);
        for (const auto& line : page.lines) bytes += line.matched ? 0 : line.text.size();
        CHECK(page.lines.back().text == "match");
        return std::pair(bytes, page.lines.front().missing_before);
    };
    CHECK(shown(64u << 20) == std::pair<std::uint64_t, std::uint64_t>(size, 0));
    const auto [given, missing] = shown(1u << 20);
    CHECK(given > 0);
    CHECK(given + missing == size);
    // It counts as one.
    query.context = 2;
    query.max_bytes = 64u << 20;
    CHECK(texts(lines_of(log.path(), query)).front() == "first");
}

TEST_CASE("a line is found whole across every border") {
    const std::string line = "needle in a haystack";
    for (std::size_t cut = 1; cut < line.size(); ++cut) {
        for (const int border : {0, 1, 2, 3}) {
            tests::TemporaryDirectory directory;
            WrittenLog log(directory.path() / "log");
            log.err("before\n");
            log.out(std::string("x\n") + line.substr(0, cut));
            if (border == 1) log.separate(Stream::out);
            if (border == 1) log.err("between\n");
            if (border >= 2) log.begin_segment();
            if (border == 3) log.separate(Stream::out);
            if (border == 3) log.err("half ");
            if (border == 3) log.separate(Stream::err);
            log.out(line.substr(cut) + "\nnext\n", line_continues);
            LineQuery query;
            query.grep = "^needle.*stack$";
            INFO(cut << " " << border);
            CHECK(texts(lines_of(log.path(), query)) == Texts{line});
            query.last = 1;
            CHECK(texts(lines_of(log.path(), query)) == Texts{line});
            query.last = 0;
            CHECK(searched(log.path(), query, 1, 1) == Texts{line});
        }
    }
}

TEST_CASE("a part of a very long line that stands around its match is given once") {
    for (const std::string before : {"quiet\n", "needle\n"}) {
        for (const bool is_interrupted : {false, true}) {
            tests::TemporaryDirectory directory;
            WrittenLog log(directory.path() / "log");
            const auto part = LinePattern::compile("needle").value().longest_text();
            log.out(before);
            log.out(std::string(part - 3, 'a') + "nee");
            if (is_interrupted) log.separate(Stream::out);
            if (is_interrupted) log.err("between\n");
            log.out("dle\n", line_continues);
            LineQuery query;
            query.grep = "needle";
            query.context = 2;
            query.max_bytes = 64u << 20;
            std::ptrdiff_t given = 0;
            for (const auto& line : lines_of(log.path(), query).lines)
                given += std::count(line.text.begin(), line.text.end(), 'a');
            INFO(before << is_interrupted);
            CHECK(given == static_cast<std::ptrdiff_t>(part) - 3);
        }
    }
}

TEST_CASE("a match may lie across the parts in which a very long line is looked at") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    const auto part = LinePattern::compile("needle").value().longest_text();
    log.out(std::string(part - 3, 'a') + "needle" + std::string(part, 'b') + "\n");
    LineQuery query;
    query.grep = "needle";
    query.max_bytes = 100;
    CHECK(lines_of(log.path(), query).matches == 1);
    query.grep = "b{3}a|ab";
    CHECK(lines_of(log.path(), query).matches == 0);
}

TEST_CASE("a border within a very long line is neither its begin nor its end, on whatever page") {
    const auto has = [](const std::string& pattern, std::uint64_t bytes) {
        LineQuery query;
        query.grep = pattern + "|[ab]{400}Z";  // slow, so that parts are short
        query.max_bytes = 100;
        const auto part = LinePattern::compile(*query.grep).value().longest_text();
        INFO(pattern << " " << bytes);
        REQUIRE(part < 64u << 10);
        tests::TemporaryDirectory directory;
        WrittenLog log(directory.path() / "log");
        // Words begin and end where the parts do.
        log.out("before\nfirst " + std::string(part - 12, 'a') + "needle" + "needle" + std::string(part - 12, 'b') +
                "needle" + std::string(part, 'c') + " last\nbehind\n");
        return !searched(log.path(), query, 1, bytes).empty();
    };
    for (const std::uint64_t bytes : {UINT64_MAX, std::uint64_t{1}}) {
        CHECK_FALSE(has("^needle", bytes));
        CHECK_FALSE(has("needle$", bytes));
        CHECK_FALSE(has("\\bneedle", bytes));
        CHECK_FALSE(has("needle\\b", bytes));
        CHECK_FALSE(has("^c+ last", bytes));
        CHECK(has("^first", bytes));
        CHECK(has("last$", bytes));
        CHECK(has("needleneedleb", bytes));
    }
}

TEST_CASE("of a line that is not given whole the match is, wherever it stands") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    const auto part = LinePattern::compile("needle").value().longest_text();
    for (const std::size_t before : {std::size_t{5000}, part - 3, part + 5000}) {
        for (const std::string colour : {"", "\x1b[1m"}) {
            const auto from = log.position();
            log.out(colour + std::string(before, 'a') + "needle" + std::string(5000, 'b') + "\n");
            LineQuery query;
            query.from = from;
            query.grep = "needle";
            query.max_bytes = 100;
            for (const std::size_t longest : {std::size_t{0}, std::size_t{90}}) {
                INFO(before << " " << colour.size() << " " << longest);
                query.longest_line = longest;
                const auto page = lines_of(log.path(), query);
                REQUIRE(page.lines.size() == 1);
                const Line& line = page.lines[0];
                CHECK(line.text.find("needle") != std::string::npos);
                CHECK(line.text.size() <= 100);
                if (longest > 0) continue;
                CHECK(line.missing_before + line.text.size() + line.missing_after == colour.size() + before + 6 + 5000);
                CHECK(line.position == from + line.missing_before);
            }
        }
    }
}

TEST_CASE("one line takes no more of a search than it may") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    LineQuery query;
    query.grep = "needle|[ab]{400}Z";
    const auto part = LinePattern::compile(*query.grep).value().longest_text();
    log.out(std::string(3 * part, 'c') + "needle\nneedle\n");
    ReadBudget budget;
    CHECK(read_lines(log.path(), query, budget).value().matches == 2);
    budget.of_line = std::chrono::nanoseconds(1);
    const auto page = read_lines(log.path(), query, budget).value();
    CHECK(texts(page) == Texts{"needle"});
    CHECK(page.passed_bytes == 2 * part + 6);
}

TEST_CASE("the last matches are found from the end, and those before them behind a position") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    Texts all;
    std::string piece;
    for (int i = 0; i < 100000; ++i) {
        const bool is_match = i == 17 || i % 9000 == 0;
        piece += fmt::format("{} {}\n", is_match ? "match" : "filler that takes some room", i);
        if (is_match) all.push_back(fmt::format("match {}", i));
        if (piece.size() < 10000) continue;
        log.out(piece);
        piece.clear();
        if (i % 1000 == 0) log.begin_segment();
    }
    log.out(piece);
    LineQuery query;
    query.grep = "^match";
    query.last = 2;
    Texts found;
    std::size_t pages = 0;
    for (bool more = true; more; ++pages) {
        const auto page = read_lines(log.path(), query, {.bytes = 64u << 20, .until = {}, .stop = {}}).value();
        const Texts part = texts(page);
        found.insert(found.begin(), part.begin(), part.end());
        more = page.earlier.has_value();
        query.to = page.earlier;
    }
    CHECK(found == all);
    CHECK(pages == (all.size() + 1) / 2);

    // No more is looked at than is needed, or allowed.
    query.to.reset();
    auto page = read_lines(log.path(), query, {.bytes = 1u << 20, .until = {}, .stop = {}}).value();
    CHECK(texts(page) == Texts{"match 90000", "match 99000"});
    CHECK_FALSE(page.is_spent);
    query.last = 50;
    page = read_lines(log.path(), query, {.bytes = 1u << 20, .until = {}, .stop = {}}).value();
    CHECK(page.lines.size() < all.size());
    REQUIRE(page.earlier);
    CHECK(*page.earlier > 0);
    CHECK(texts(page).back() == "match 99000");
    // All of it was looked at: there is nothing before.
    page = lines_of(log.path(), query);
    CHECK(texts(page) == all);
    CHECK_FALSE(page.earlier);
}

TEST_CASE("a position ends what is asked for, within a record or between two") {
    tests::TemporaryDirectory directory;
    WrittenLog log(directory.path() / "log");
    log.out("a1\na2\na3\n");
    log.err("b1\nb2\n");
    log.begin_segment();
    log.out("c1\nc2");
    const Texts whole{"a1", "a2", "a3", "b1", "b2", "c1"};
    for (std::uint64_t count = 0; count <= whole.size(); ++count) {
        LineQuery query;
        query.to = 3 * count;
        for (const bool has_pattern : {false, true}) {
            if (has_pattern) query.grep = "";
            query.last = 0;
            const auto end = static_cast<std::ptrdiff_t>(count);
            CHECK(texts(lines_of(log.path(), query)) == Texts(whole.begin(), whole.begin() + end));
            CHECK(lines_of(log.path(), query).next == 3 * count);
            query.last = 2;
            const auto begin = std::max<std::ptrdiff_t>(0, end - 2);
            CHECK(texts(lines_of(log.path(), query)) == Texts(whole.begin() + begin, whole.begin() + end));
            if (has_pattern) continue;
            const auto span = locate(log.path(), query).value();
            CHECK(span.begin == 3 * static_cast<std::uint64_t>(begin));
            CHECK(span.end == 3 * count);
        }
    }
    LineQuery query;
    query.to = 4;
    CHECK(texts(lines_of(log.path(), query)) == Texts{"a1", "a…"});
}

TEST_CASE("a search from the end that is stopped says how much it has not looked at") {
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    const std::string hay(1023, 'h');
    for (int i = 0; i < 1024; ++i) log.out(hay + "\n");
    LineQuery query;
    query.grep = "needle";
    query.last = 5;
    auto page = read_lines(log.path(), query, {.bytes = 256u << 10}).value();
    CHECK(page.lines.empty());
    REQUIRE(page.earlier);
    CHECK(*page.earlier > 0);
    CHECK(page.unsearched_bytes == *page.earlier);
    page = read_lines(log.path(), query).value();
    CHECK(page.unsearched_bytes == 0);
    CHECK_FALSE(page.earlier);
    query.grep = "h";
    page = read_lines(log.path(), query, {.bytes = 256u << 10}).value();
    CHECK(page.lines.size() == 5);
    CHECK(page.unsearched_bytes == 0);
}

TEST_CASE("what stands in a log without an index is counted") {
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    log.out("one\n");
    log.out("two\n");
    log.out("three\n");
    LineQuery query;
    query.last = 10;
    query.losses = true;
    CHECK(read_lines(log.path(), query).value().unindexed_bytes == 0);
    std::filesystem::resize_file(log.index_file(1), sizeof(SegmentHeader) + sizeof(IndexRecord));
    auto page = read_lines(log.path(), query).value();
    CHECK(page.lines.size() == 1);
    CHECK(page.unindexed_bytes == 10);
    std::filesystem::remove(log.index_file(1));
    page = read_lines(log.path(), query).value();
    CHECK(page.lines.empty());
    CHECK(page.unindexed_bytes == 14);
    CHECK(LogView::open(log.path()).value().unindexed_bytes() == 14);
}

TEST_CASE("what is written while a log is read is not taken for what has lost its index") {
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    log.out("one\n");
    auto view = LogView::open(log.path());
    REQUIRE(view);
    log.out("two\n");
    CHECK(view->unindexed_bytes() == 0);
    log.begin_segment();
    log.out("three\n");
    CHECK(view->unindexed_bytes() == 0);
    auto again = LogView::open(log.path());
    REQUIRE(again);
    log.begin_segment();
    CHECK(again->unindexed_bytes() == 0);
}

}  // namespace reader_test
