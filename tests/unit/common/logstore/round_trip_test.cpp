// Writer and reader against each other: what one appends, the other gives, also at the same time.
#include <fcntl.h>

#include <random>
#include <thread>

#include "common/base/unique_fd.hpp"
#include "common/logstore/reader.hpp"
#include "common/logstore/search.hpp"
#include "common/logstore/segment.hpp"
#include "common/logstore/writer.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/written_log.hpp"

namespace round_trip_test {

using namespace persistproc;
using namespace persistproc::logstore;

namespace {

/// An open writer in a directory of its own.
class Recording {
public:
    explicit Recording(const std::filesystem::path& directory, WriterOptions options)
        : directory_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
        if (writer_.open(directory_.get(), options) != 0) throw std::runtime_error("writer: cannot open");
    }
    ~Recording() { writer_.close(); }
    void append(Stream stream, const std::string& bytes, std::uint8_t flags) {
        writer_.append(stream, bytes.data(), bytes.size(), flags);
    }
    Writer& writer() { return writer_; }

private:
    base::UniqueFd directory_;
    Writer writer_;
};

std::string numbered(int i) {
    return fmt::format("line {} {}\n", i, std::string(static_cast<std::size_t>(i % 50), '.'));
}

}  // namespace

TEST_CASE("what a writer appends is what a reader gives, through segments") {
    tests::TemporaryDirectory directory;
    std::string out, err, all;
    {
        Recording recording(directory.path(), WriterOptions{.run = 1, .segment_bytes = 4096});
        recording.writer().append_event(Event::started, 4711);
        for (int i = 0; i < 1000; ++i) {
            const std::string line = numbered(i);
            const bool is_err = i % 7 == 3;
            recording.append(is_err ? Stream::err : Stream::out, line, line_complete);
            (is_err ? err : out) += line;
            all += line;
        }
        recording.writer().append_event(Event::exited, 7);
    }
    REQUIRE(list_segments(directory.path()).value().size() > 3);
    const auto joined = [&](StreamChoice choice) {
        LineQuery query;
        query.stream = choice;
        query.max_bytes = 1u << 20;
        std::string text;
        for (const auto& line : read_lines(directory.path(), query).value().lines) text += line.text + "\n";
        return text;
    };
    CHECK(joined(StreamChoice::combined) == all);
    CHECK(joined(StreamChoice::out) == out);
    CHECK(joined(StreamChoice::err) == err);
    LineQuery last;
    last.last = 10;
    last.stream = StreamChoice::err;
    const auto page = read_lines(directory.path(), last).value();
    CHECK(page.lines.size() == 10);
    CHECK(page.omitted_before == 133);
    last.stream = StreamChoice::combined;
    CHECK(read_lines(directory.path(), last).value().omitted_before == 990);
}

TEST_CASE("a follower beside a writer misses nothing and gives nothing twice") {
    tests::TemporaryDirectory directory;
    constexpr int lines = 20000;
    std::string written;
    for (int i = 0; i < lines; ++i) written += numbered(i);
    std::thread writing([&] {
        Recording recording(directory.path(), WriterOptions{.run = 1, .segment_bytes = 16384, .bound_bytes = 1u << 30});
        for (int i = 0; i < lines; ++i) recording.append(Stream::out, numbered(i), line_complete);
    });
    Follower follower(directory.path(), 0);
    std::string read;
    bool is_failed = false;
    while (read.size() < written.size() && !is_failed) {
        const auto items = follower.read_more(64u << 10);
        is_failed = items.has_error();
        if (is_failed) break;
        for (const auto& item : *items) {
            read += item.bytes;
            is_failed = is_failed || (item.flags & gap) != 0 || item.evicted_bytes != 0;
        }
    }
    writing.join();
    CHECK_FALSE(is_failed);
    CHECK(read == written);
}

TEST_CASE("a follower behind a view begins where it would have looked for itself, and lists no names in vain") {
    namespace fs = std::filesystem;
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    for (int i = 0; i < 48; ++i) {
        log.out(numbered(i));
        if (i % 4 == 3) log.begin_segment();
    }
    const auto rest_of = [](Follower& follower) {
        std::string text;
        std::uint64_t evicted = 0;
        for (auto items = follower.read_more(4096); !items->empty(); items = follower.read_more(4096))
            for (const auto& item : *items) {
                text += item.bytes;
                evicted += item.evicted_bytes;
            }
        return std::pair(std::move(text), evicted);
    };
    const auto compare = [&](LogView& view) {
        for (std::uint64_t from = 0; from <= log.position(); ++from) {
            Follower looks(log.path(), from);
            auto knows = Follower::behind(view, from);
            REQUIRE(knows);
            REQUIRE(rest_of(*knows) == rest_of(looks));
        }
    };
    auto view = LogView::open(log.path());
    REQUIRE(view);
    compare(*view);
    // The bound was there meanwhile.
    log.remove_segment(1);
    log.remove_segment(2);
    compare(*view);
    const auto settled = fs::file_time_type::clock::now() - std::chrono::hours(1);
    fs::last_write_time(log.path(), settled);
    view = LogView::open(log.path());
    auto follower = Follower::behind(*view, log.position());
    CHECK(rest_of(*follower).first.empty());
    // Only a change of the names is a reason to look for others than the next.
    log.begin_segment();
    log.begin_segment();
    log.out("later\n");
    log.remove_segment(14);
    fs::last_write_time(log.path(), settled);
    CHECK(rest_of(*follower).first.empty());
    fs::last_write_time(log.path(), settled + std::chrono::seconds(1));
    CHECK(rest_of(*follower).first == "later\n");
}

TEST_CASE("what the bound takes from under a follower is counted to the byte") {
    tests::TemporaryDirectory directory;
    constexpr int lines = 20000;
    std::uint64_t total = 0;
    for (int i = 0; i < lines; ++i) total += numbered(i).size();
    std::thread writing([&] {
        Recording recording(directory.path(), WriterOptions{.run = 1, .segment_bytes = 8192, .bound_bytes = 32768});
        for (int i = 0; i < lines; ++i) recording.append(Stream::out, numbered(i), line_complete);
    });
    Follower follower(directory.path(), 0);
    std::uint64_t seen = 0;
    bool is_failed = false;
    while (seen < total && !is_failed) {
        const auto items = follower.read_more(4096);
        is_failed = items.has_error();
        if (is_failed) break;
        for (const auto& item : *items) {
            CHECK(item.position == seen);
            seen += item.bytes.size() + item.evicted_bytes;
        }
        // Queries run into the same races.
        LineQuery query;
        query.last = 3;
        CHECK(read_lines(directory.path(), query).has_value());
    }
    writing.join();
    CHECK_FALSE(is_failed);
    CHECK(seen == total);
}

TEST_CASE("a search gives the same lines whether or not it steps over stretches without a match") {
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    std::mt19937 random(5);
    bool is_out_open = false;
    for (int i = 0; i < 3000; ++i) {
        if (i % 211 == 210) log.begin_segment();
        if (i % 1000 == 999) ++log.run;
        if (is_out_open && random() % 4 == 0) {
            log.separate(Stream::out);
            log.err(fmt::format("err {}\n", i));
            log.out("rest\n", line_continues);
            is_out_open = false;
            continue;
        }
        std::string piece;
        for (auto n = random() % 5; n-- > 0;)
            piece += fmt::format("{} {}\n", random() % 400, random() % 97 == 0 ? "rare" : "usual");
        if (random() % 50 == 0) piece += "\x1b[1mbold\x1b[0m\n";
        is_out_open = random() % 5 == 0;
        if (is_out_open) piece += "open";
        if (!piece.empty()) log.out(piece);
    }
    for (const auto choice : {StreamChoice::combined, StreamChoice::out, StreamChoice::err}) {
        LineQuery query;
        query.stream = choice;
        query.max_bytes = 8u << 20;
        // A search sees the lines of each stream whole.
        std::vector<Line> everything;
        for (const auto each : {StreamChoice::out, StreamChoice::err}) {
            query.stream = each;
            if (choice != StreamChoice::combined && choice != each) continue;
            for (auto& line : read_lines(log.path(), query).value().lines) everything.push_back(std::move(line));
        }
        std::sort(everything.begin(), everything.end(), [](const auto& a, const auto& b) { return a.end < b.end; });
        query.stream = choice;
        for (const char* expression : {"rare", "^37 ", "bold$", "nothing at all", "openrest", "^rest$", "err 1", "",
                                       "\\Arare|usual\\z", "(?i)RARE"}) {
            CAPTURE(expression);
            const auto pattern = LinePattern::compile(expression);
            std::vector<std::uint64_t> expected, found;
            for (const auto& line : everything)
                if (pattern->matches(line.text)) expected.push_back(line.position);
            query.grep = expression;
            for (const auto& line : read_lines(log.path(), query).value().lines) found.push_back(line.position);
            CHECK(found == expected);
            query.last = 5;
            const auto page = read_lines(log.path(), query).value();
            CHECK(page.lines.size() == std::min<std::size_t>(5, expected.size()));
            CHECK(page.omitted_before == expected.size() - page.lines.size());
            query.last = 0;
        }
    }
}

}  // namespace round_trip_test
