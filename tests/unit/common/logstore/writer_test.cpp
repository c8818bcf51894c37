#include "common/logstore/writer.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "common/base/checksum.hpp"
#include "common/base/unique_fd.hpp"
#include "common/logstore/segment_files.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace persistproc;
using namespace persistproc::logstore;

namespace {

namespace fs = std::filesystem;

std::string bytes_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// What is in one log directory, checked for everything that must hold of any log.
struct Content {
    std::string bytes;
    std::vector<IndexRecord> records;
    std::uint64_t oldest_position = 0;
};

Content load(const fs::path& directory) {
    Content content;
    std::set<fs::path> indexes;
    for (const auto& entry : fs::directory_iterator(directory))
        if (entry.path().extension() == ".idx") indexes.insert(entry.path());
    std::uint64_t position = 0, sequence = 0, lines = 0;
    bool first = true;
    for (const auto& path : indexes) {
        const std::string index = bytes_of(path);
        fs::path data_path = path;
        const std::string data = bytes_of(data_path.replace_extension(".log"));
        SegmentHeader header;
        REQUIRE(index.size() >= sizeof header);
        std::memcpy(&header, index.data(), sizeof header);
        REQUIRE(header.crc == base::crc32c(&header, sizeof header - 4));
        if (first) {
            content.oldest_position = position = header.first_position;
            sequence = header.first_sequence;
            lines = header.first_line;
        }
        first = false;
        REQUIRE(header.first_position == position);
        REQUIRE(header.first_sequence == sequence);
        REQUIRE(header.first_line == lines);
        REQUIRE((index.size() - sizeof header) % sizeof(IndexRecord) == 0);
        std::uint64_t offset = 0;
        for (std::size_t at = sizeof header; at < index.size(); at += sizeof(IndexRecord)) {
            IndexRecord record;
            std::memcpy(&record, index.data() + at, sizeof record);
            REQUIRE(record.crc == base::crc32c(&record, sizeof record - 4));
            REQUIRE(record.sequence == sequence++);
            REQUIRE(record.offset == offset);
            REQUIRE(offset + record.length <= data.size());
            const auto piece = data.substr(offset, record.length);
            REQUIRE(record.lines == static_cast<std::uint32_t>(std::count(piece.begin(), piece.end(), '\n')));
            offset += record.length;
            position += record.length;
            lines += record.lines;
            content.records.push_back(record);
        }
        REQUIRE(offset == data.size());
        content.bytes += data;
    }
    return content;
}

class Log {
public:
    explicit Log(const fs::path& path, WriterOptions options = {})
        : directory_(::open(path.c_str(), O_RDONLY | O_DIRECTORY)) {
        result = writer.open(directory_.get(), options);
    }
    ~Log() { writer.close(); }
    void line(const std::string& text, Stream stream = Stream::out) {
        const std::string bytes = text + "\n";
        writer.append(stream, bytes.data(), bytes.size(), line_complete);
    }
    Writer writer;
    int result = 0;

private:
    base::UniqueFd directory_;
};

WriterOptions small(std::uint64_t segment, std::uint64_t bound, std::uint32_t run = 1) { return {run, segment, bound}; }

/// A directory with a short log of three pieces and an event.
void write_sample(const fs::path& path) {
    Log log(path, small(1 << 20, 4 << 20, 3));
    REQUIRE(log.result == 0);
    log.line("one");
    log.writer.append_event(Event::signalled, 15);
    log.line("second", Stream::err);
    log.writer.append(Stream::out, "part", 4, 0);
}

void copy_log(const fs::path& from, const fs::path& to) {
    fs::remove_all(to);
    fs::create_directory(to);
    for (const auto& entry : fs::directory_iterator(from)) fs::copy_file(entry.path(), to / entry.path().filename());
}

}  // namespace

TEST_CASE("pieces stand where they were appended, across reopening") {
    tests::TemporaryDirectory directory;
    write_sample(directory.path());
    {
        Log log(directory.path(), small(1 << 20, 4 << 20, 4));
        REQUIRE(log.result == 0);
        CHECK(log.writer.position() == 4 + 7 + 4);
        CHECK(log.writer.inside_line());
        log.line("after");
        CHECK_FALSE(log.writer.inside_line());
        CHECK(log.writer.dirty());
        CHECK(log.writer.sync() == 0);
        CHECK_FALSE(log.writer.dirty());
    }
    const Content content = load(directory.path());
    CHECK(content.bytes == "one\nsecond\npartafter\n");
    REQUIRE(content.records.size() == 5);
    CHECK(content.records[0].sequence == 1);
    CHECK(content.records[1].event == Event::signalled);
    CHECK(content.records[1].value == 15);
    CHECK(content.records[2].stream == Stream::err);
    CHECK(content.records[3].run == 3);
    CHECK(content.records[4].run == 4);
    CHECK(content.records[4].wall_ns > 0);
}

TEST_CASE("segments rotate at their size and the oldest go at the bound") {
    tests::TemporaryDirectory directory;
    std::string all;
    {
        Log log(directory.path(), small(10'000, 100'000));
        for (int i = 0; i < 4000; ++i) {
            const std::string text = "line " + std::to_string(i) + std::string(90, '.');
            log.line(text);
            all += text + "\n";
            if (i % 100 == 50) CHECK(log.writer.begin_sync() == 0);
        }
        CHECK(log.writer.position() == all.size());
        CHECK(log.writer.sync() == 0);
    }
    const Content content = load(directory.path());
    CHECK(content.bytes.size() >= 40'000);
    CHECK(all.substr(content.oldest_position) == content.bytes);
    std::uint64_t kept = 0;
    for (const auto& entry : fs::directory_iterator(directory.path())) {
        CHECK(entry.file_size() <= (entry.path().extension() == ".idx" ? 4200u : 10'000u));
        kept += entry.file_size();
    }
    CHECK(kept <= 100'000);
    CHECK(kept >= 80'000);
}

TEST_CASE("the index of small pieces counts in the bound") {
    tests::TemporaryDirectory directory;
    std::string all;
    {
        Log log(directory.path(), small(64u << 10, 512u << 10));
        for (int i = 0; i < 40'000; ++i) {
            const char byte = static_cast<char>('a' + i % 26);
            log.writer.append(Stream::out, &byte, 1, 0);
            all += byte;
        }
        CHECK(log.writer.sync() == 0);
    }
    // One that is opened counts what was there before.
    Log again(directory.path(), small(64u << 10, 512u << 10));
    REQUIRE(again.result == 0);
    for (int i = 0; i < 1000; ++i) again.line("x");
    const Content content = load(directory.path());
    for (int i = 0; i < 1000; ++i) all += "x\n";
    CHECK(all.substr(content.oldest_position) == content.bytes);
    std::uint64_t kept = 0;
    for (const auto& entry : fs::directory_iterator(directory.path())) kept += entry.file_size();
    CHECK(kept <= 512u << 10);
    CHECK(kept >= 300u << 10);
}

TEST_CASE("a log that was cleared goes on where it was") {
    tests::TemporaryDirectory directory;
    std::uint64_t cleared = 0;
    {
        Log log(directory.path(), small(1000, 4000));
        for (int i = 0; i < 200; ++i) log.line("line " + std::to_string(i));
        cleared = log.writer.position();
        CHECK(log.writer.clear() == 0);
        CHECK(log.writer.position() == cleared);
        CHECK(load(directory.path()).bytes.empty());
        CHECK(log.writer.clear() == 0);
        log.line("after");
        CHECK(log.writer.sync() == 0);
    }
    Log again(directory.path(), small(1000, 4000));
    REQUIRE(again.result == 0);
    const Content content = load(directory.path());
    CHECK(content.bytes == "after\n");
    CHECK(content.oldest_position == cleared);
    CHECK(again.writer.position() == cleared + 6);
}

TEST_CASE("a log whose segments are large is synced in the background") {
    tests::TemporaryDirectory directory;
    const std::string block(100'000, '\n');
    Log log(directory.path(), small(1 << 20, 64 << 20));
    for (int i = 0; i < 300; ++i) log.writer.append(Stream::out, block.data(), block.size(), line_complete);
    CHECK(log.writer.begin_sync() == 0);
    CHECK_FALSE(log.writer.dirty());
    log.line("end");
    CHECK(log.writer.sync() == 0);
    log.writer.rest();
    CHECK(load(directory.path()).bytes.size() == 300 * block.size() + 4);
}

TEST_CASE("no new segment is begun while too many wait for the device, and nobody waits with them") {
    tests::TemporaryDirectory directory;
    const std::string block(1000, '\n');
    Log log(directory.path(), small(1000, 1 << 20));
    const auto newest = [&] {
        const int fd = ::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        logstore::SegmentExtent found;
        REQUIRE(logstore::find_segments(fd, found) == 0);
        ::close(fd);
        return found.newest;
    };
    const auto append = [&](int blocks) {
        for (int i = 0; i < blocks; ++i) log.writer.append(Stream::out, block.data(), block.size(), line_complete);
    };
    append(100);
    CHECK(newest() == 65);
    CHECK(log.writer.begin_sync() == 0);
    CHECK(log.writer.is_behind());
    append(100);
    CHECK(newest() > 65);
    CHECK(newest() < 165);
    CHECK(log.writer.sync() == 0);
    CHECK_FALSE(log.writer.is_behind());
    append(10);
    CHECK(load(directory.path()).bytes.size() == 210 * block.size());
}

TEST_CASE("the bound holds, too, while segments wait for the device") {
    tests::TemporaryDirectory directory;
    const std::string block(1000, '\n');
    Log log(directory.path(), small(1000, 100'000));
    for (int i = 0; i < 1000; ++i) log.writer.append(Stream::out, block.data(), block.size(), line_complete);
    const Content content = load(directory.path());
    CHECK(content.bytes.size() <= 101'000);
    CHECK(content.bytes.size() >= 30'000);
    CHECK(content.oldest_position + content.bytes.size() == 1'000'000);
}

TEST_CASE("data without its record is kept as recovered, at every length") {
    tests::TemporaryDirectory original;
    write_sample(original.path());
    const std::string tail = "left\nover by a crash";
    for (std::size_t size = 1; size <= tail.size(); ++size) {
        tests::TemporaryDirectory copied;
        copy_log(original.path(), copied.path() / "log");
        std::ofstream(copied.path() / "log" / "00000001.log", std::ios::app | std::ios::binary) << tail.substr(0, size);
        {
            Log log(copied.path() / "log", small(1 << 20, 4 << 20, 9));
            REQUIRE(log.result == 0);
        }
        const Content content = load(copied.path() / "log");
        REQUIRE(content.bytes == "one\nsecond\npart" + tail.substr(0, size));
        REQUIRE(content.records.size() == 5);
        const IndexRecord& last = content.records.back();
        REQUIRE((last.flags & recovered) != 0);
        REQUIRE(last.wall_ns == 0);
        REQUIRE(last.stream == Stream::none);
        REQUIRE(last.run == 3);
        REQUIRE(((last.flags & line_complete) != 0) == (tail[size - 1] == '\n'));
    }
}

TEST_CASE("an index cut off at every byte loses no data and keeps sequences dense") {
    tests::TemporaryDirectory original;
    write_sample(original.path());
    const auto full = bytes_of(original.path() / "00000001.idx");
    for (std::size_t size = 0; size < full.size(); ++size) {
        tests::TemporaryDirectory copied;
        copy_log(original.path(), copied.path() / "log");
        fs::resize_file(copied.path() / "log" / "00000001.idx", size);
        {
            Log log(copied.path() / "log", small(1 << 20, 4 << 20, 5));
            REQUIRE(log.result == 0);
            log.line("next");
        }
        const Content content = load(copied.path() / "log");
        REQUIRE(content.bytes == "one\nsecond\npartnext\n");
        const std::size_t kept =
            size < sizeof(SegmentHeader) ? 0 : (size - sizeof(SegmentHeader)) / sizeof(IndexRecord);
        REQUIRE(content.records.size() >= kept + 1);
        REQUIRE((content.records[kept].flags & recovered) != 0);
        REQUIRE(content.records[0].sequence == 1);
    }
}

TEST_CASE("an index ahead of its data is cut back to it, at every byte") {
    tests::TemporaryDirectory original;
    write_sample(original.path());
    const std::string full = bytes_of(original.path() / "00000001.log");
    for (std::size_t size = 0; size < full.size(); ++size) {
        tests::TemporaryDirectory copied;
        copy_log(original.path(), copied.path() / "log");
        fs::resize_file(copied.path() / "log" / "00000001.log", size);
        {
            Log log(copied.path() / "log", small(1 << 20, 4 << 20));
            REQUIRE(log.result == 0);
        }
        REQUIRE(load(copied.path() / "log").bytes == full.substr(0, size));
    }
}

TEST_CASE("a flipped bit in the index invents nothing") {
    tests::TemporaryDirectory original;
    write_sample(original.path());
    const auto full = bytes_of(original.path() / "00000001.idx");
    for (std::size_t at = sizeof(SegmentHeader); at < full.size(); ++at) {
        tests::TemporaryDirectory copied;
        copy_log(original.path(), copied.path() / "log");
        std::string flipped = full;
        flipped[at] = static_cast<char>(flipped[at] ^ 4);
        std::ofstream(copied.path() / "log" / "00000001.idx", std::ios::binary) << flipped;
        {
            Log log(copied.path() / "log", small(1 << 20, 4 << 20));
            REQUIRE(log.result == 0);
        }
        REQUIRE(load(copied.path() / "log").bytes == "one\nsecond\npart");
    }
}

TEST_CASE("a torn header of a later segment is made again from the one before") {
    tests::TemporaryDirectory original;
    std::string all;
    {
        Log log(original.path(), small(100, 10'000));
        for (int i = 0; i < 25; ++i) {
            log.line("line " + std::to_string(i));
            all += "line " + std::to_string(i) + "\n";
        }
    }
    for (std::size_t size = 0; size < sizeof(SegmentHeader); ++size) {
        tests::TemporaryDirectory copied;
        copy_log(original.path(), copied.path() / "log");
        fs::resize_file(copied.path() / "log" / "00000002.idx", size);
        {
            Log log(copied.path() / "log", small(100, 10'000));
            REQUIRE(log.result == 0);
            REQUIRE(log.writer.position() == all.size());
        }
        REQUIRE(load(copied.path() / "log").bytes == all);
    }
}

TEST_CASE("a log of a newer major version is left alone") {
    tests::TemporaryDirectory directory;
    write_sample(directory.path());
    std::string index = bytes_of(directory.path() / "00000001.idx");
    SegmentHeader header;
    std::memcpy(&header, index.data(), sizeof header);
    header.major = index_major + 1;
    header.crc = base::crc32c(&header, sizeof header - 4);
    index.replace(0, sizeof header, reinterpret_cast<const char*>(&header), sizeof header);
    std::ofstream(directory.path() / "00000001.idx", std::ios::binary) << index;
    Log log(directory.path());
    CHECK(log.result == EPROTONOSUPPORT);
    CHECK(bytes_of(directory.path() / "00000001.idx") == index);
}

TEST_CASE("what finds no room is counted, and told once there is room") {
    // RLIMIT_FSIZE stands in for the full disk: writes beyond it fail, and nothing else does.
    tests::TemporaryDirectory directory;
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    {
        Log log(directory.path(), small(1 << 20, 4 << 20));
        log.line("first");
        const rlimit tight{1000, before.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &tight);
        const std::string large(5000, 'x');
        log.line(large);
        log.line(large);
        CHECK(log.writer.lost() == 10'002);
        ::setrlimit(RLIMIT_FSIZE, &before);
        log.line("again");
        CHECK(log.writer.lost() == 0);
    }
    std::signal(SIGXFSZ, handler);
    const Content content = load(directory.path());
    CHECK(content.bytes == "first\nagain\n");
    REQUIRE(content.records.size() == 3);
    CHECK(content.records[1].flags == gap);
    CHECK(content.records[1].value == 10'002);
    CHECK(content.records[1].length == 0);
}

TEST_CASE("runs that print nothing do not grow their log for ever") {
    tests::TemporaryDirectory directory;
    std::uint64_t sequence = 0;
    for (int run = 0; run < 2000; ++run) {
        Log log(directory.path(), small(1 << 20, 4 << 20));
        log.writer.append_event(Event::started, run);
        log.writer.append_event(Event::exited, 0);
        sequence += 2;
    }
    std::uintmax_t bytes = 0;
    std::size_t files = 0;
    for (const auto& each : std::filesystem::directory_iterator(directory.path())) {
        bytes += each.file_size();
        ++files;
    }
    CHECK(files == 2);
    CHECK(bytes < 70'000);
    {
        Log log(directory.path(), small(1 << 20, 4 << 20));
        log.line("at last");
    }
    const Content content = load(directory.path());
    CHECK(content.bytes == "at last\n");
    CHECK(content.records.back().sequence == sequence + 1);
}

TEST_CASE("newlines are counted at every alignment and length") {
    std::string text;
    for (int i = 0; i < 10'000; ++i) text += i % 7 == 0 || i % 300 > 290 ? '\n' : static_cast<char>(i);
    for (std::size_t begin = 0; begin < 20; ++begin) {
        for (std::size_t size : {0u, 1u, 15u, 16u, 17u, 255u, 4080u, 4096u, 9000u}) {
            const auto piece = text.substr(begin, size);
            REQUIRE(count_newlines(text.data() + begin, size) ==
                    static_cast<std::uint64_t>(std::count(piece.begin(), piece.end(), '\n')));
        }
    }
}
