// A device that refuses, and people who remove what is being written. The system calls below stand before those of the
// C library in this program alone.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/checksum.hpp"
#include "common/base/unique_fd.hpp"
#include "common/logstore/log_watch.hpp"
#include "common/logstore/loss_text.hpp"
#include "common/logstore/reader.hpp"
#include "common/logstore/writer.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/written_log.hpp"

namespace {

/// What the device does; each test begins with one in order.
struct Device {
    bool is_full = false;  // only what has its blocks can be written
    int full_error = ENOSPC;
    bool stays_full = false;  // whatever is given back, others take at once
    int write_error = 0;      // of every write and of every new file
    int sync_error = 0;       // of the next sync
    ino_t unreadable = 0;
    std::map<ino_t, off_t> blocks;
    std::set<ino_t> synced_after_error;
    bool had_sync_error = false;
};
Device device;

ino_t inode_of(int fd) {
    struct stat facts {};
    return ::fstat(fd, &facts) == 0 ? facts.st_ino : 0;
}
off_t size_of(int fd) {
    struct stat facts {};
    return ::fstat(fd, &facts) == 0 ? facts.st_size : 0;
}
int refuse(int error) {
    errno = error;
    return -1;
}
int sync(int fd, long number) {
    if (const int error = std::exchange(device.sync_error, 0); error != 0) {
        device.had_sync_error = true;
        return refuse(error);
    }
    if (device.had_sync_error) device.synced_after_error.insert(inode_of(fd));
    return static_cast<int>(::syscall(number, fd));
}

}  // namespace

extern "C" {
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
    if (device.write_error != 0) return refuse(device.write_error);
    const off_t end = offset + static_cast<off_t>(size);
    if (device.is_full && end > std::max(size_of(fd), device.blocks[inode_of(fd)])) return refuse(device.full_error);
    return ::syscall(SYS_pwrite64, fd, bytes, size, offset);
}
ssize_t pread(int fd, void* into, size_t size, off_t offset) {
    if (device.unreadable != 0 && inode_of(fd) == device.unreadable) return refuse(EIO);
    return ::syscall(SYS_pread64, fd, into, size, offset);
}
int fallocate(int fd, int mode, off_t offset, off_t size) {
    if ((mode & FALLOC_FL_PUNCH_HOLE) != 0) {
        device.is_full = device.stays_full;
        return static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, size));
    }
    off_t& blocks = device.blocks[inode_of(fd)];
    if (device.is_full && offset + size > blocks) return refuse(device.full_error);
    blocks = std::max(blocks, offset + size);
    return 0;
}
int fdatasync(int fd) { return sync(fd, SYS_fdatasync); }
int fsync(int fd) { return sync(fd, SYS_fsync); }
}

using namespace persistproc;
using namespace persistproc::logstore;

namespace {

namespace fs = std::filesystem;

class Log {
public:
    explicit Log(fs::path path, WriterOptions options = {1, 1 << 20, 4 << 20}) : path_(std::move(path)) {
        device = {};
        fs::create_directories(path_);
        directory_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY));
        options_ = options;
        open();
    }
    void open() { REQUIRE(writer.open(directory_.get(), options_) == 0); }
    ~Log() {
        device = {};
        writer.close();
    }
    void line(std::size_t size, char fill = 'x') {
        const std::string bytes = std::string(size - 1, fill) + "\n";
        writer.append(Stream::out, bytes.data(), bytes.size(), line_complete);
    }
    std::vector<Line> lines() const {
        LineQuery query;
        query.losses = query.events = true;
        query.max_bytes = 1 << 20;
        auto page = read_lines(path_, query);
        REQUIRE(page);
        return page->lines;
    }
    Losses losses() const { return find_losses(path_, 1, {}).value(); }
    SegmentHeader header(std::uint32_t number) const {
        SegmentHeader out;
        std::ifstream file(path_ / fmt::format("{:08}.idx", number), std::ios::binary);
        file.read(reinterpret_cast<char*>(&out), sizeof out);
        return out;
    }
    ino_t inode(const char* name) const {
        struct stat facts {};
        return ::stat((path_ / name).c_str(), &facts) == 0 ? facts.st_ino : 0;
    }
    Writer writer;

private:
    fs::path path_;
    base::UniqueFd directory_;
    WriterOptions options_;
};

}  // namespace

TEST_CASE("a segment whose sync failed is suspect, left, and never synced again") {
    tests::TemporaryDirectory directory;
    Log log(directory.path());
    log.line(10);
    device.sync_error = EIO;
    CHECK(log.writer.sync() == EIO);
    CHECK(log.writer.condition() == Condition{Trouble::device_error, EIO});
    log.line(20);
    CHECK(log.writer.sync() == 0);
    CHECK(log.writer.lost_in_all() == 0);
    CHECK(log.header(2).suspect_from == 1);
    CHECK(log.header(2).suspect_errno == EIO);
    CHECK(log.header(2).first_position == 10);
    CHECK(device.synced_after_error.contains(log.inode("00000002.log")));
    CHECK_FALSE(device.synced_after_error.contains(log.inode("00000001.log")));
    CHECK_FALSE(device.synced_after_error.contains(log.inode("00000001.idx")));
    CHECK(log.lines().size() == 2);
    CHECK(log.writer.condition().trouble == Trouble::device_error);
}

TEST_CASE("a write that one segment refuses goes into the next; what none takes is counted") {
    tests::TemporaryDirectory directory;
    Log log(directory.path());
    log.line(10);
    device.write_error = EROFS;
    log.line(1000);
    log.line(500);
    CHECK(log.writer.lost_in_all() == 1500);
    CHECK(log.writer.condition() == Condition{Trouble::device_error, EROFS});
    CHECK(log.writer.dirty());
    log.writer.begin_sync();
    device.write_error = 0;
    log.writer.begin_sync();
    CHECK(log.writer.lost() == 0);
    log.line(20);
    const auto lines = log.lines();
    REQUIRE(lines.size() == 3);
    CHECK(lines[1].is_gap);
    CHECK(lines[1].value == 1500);
    CHECK(lines[2].text.size() == 19);
    CHECK(log.header(2).suspect_from == 1);
    CHECK(log.header(2).suspect_errno == EROFS);
    CHECK_FALSE(log.writer.lost());
}

TEST_CASE("what is removed makes the room that this needs") {
    tests::TemporaryDirectory directory;
    Log log(directory.path());
    log.line(100);
    device.is_full = true;
    CHECK(log.writer.clear() == 0);
    CHECK(log.writer.position() == 100);
    log.line(50);
    const auto lines = log.lines();
    REQUIRE(lines.size() == 1);
    CHECK(lines.front().text.size() == 49);
    CHECK(log.header(2).first_position == 100);
    CHECK(log.inode("00000001.log") == 0);
}

TEST_CASE("what was removed stays so where others took the room that this made") {
    tests::TemporaryDirectory directory;
    const fs::path path = directory.path() / "log";
    Log log(path);
    log.line(100'000);
    log.line(50);
    device.is_full = device.stays_full = true;
    CHECK(log.writer.clear() == 0);
    CHECK(log.lines().empty());
    auto view = LogView::open(path).value();
    CHECK(view.is_flushed());
    CHECK(view.end() == 100'050);
    CHECK(view.unindexed_bytes() == 0);
    CHECK(log.writer.condition() == Condition{Trouble::no_room, ENOSPC});
    log.line(7);
    SECTION("recording goes on once there is room") {
        device.is_full = false;
        log.writer.begin_sync();
        log.line(20);
        const auto lines = log.lines();
        REQUIRE(lines.size() == 2);
        CHECK(lines[0].value == 7);
        CHECK(lines[1].position == 100'050);
        CHECK(log.inode("00000001.log") == 0);
    }
    SECTION("by whoever has the log then") {
        log.writer.close();
        device.is_full = false;
        log.open();
        log.line(20);
        const auto lines = log.lines();
        REQUIRE(lines.size() == 1);
        CHECK(lines[0].position == 100'050);
        CHECK(log.inode("00000001.log") == 0);
    }
}

TEST_CASE("who is killed while the room is made that a removal needs has removed") {
    tests::TemporaryDirectory directory;
    const fs::path path = directory.path() / "log";
    Log log(path);
    log.line(100);
    Follower follower(path), behind(path, 100);
    CHECK(follower.read_more(1).value().size() == 1);
    CHECK(behind.read_more(1 << 20).value().empty());
    log.line(100'000);
    log.writer.close();
    const base::UniqueFd data(::open((path / "00000001.log").c_str(), O_RDWR));
    REQUIRE(::syscall(SYS_fallocate, data.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 200'000) == 0);
    std::ofstream(path / "00000002.log");
    std::ofstream(path / "00000002.idx");
    CHECK(log.lines().empty());
    for (Follower* const each : {&follower, &behind}) {
        const auto items = each->read_more(1 << 20).value();
        REQUIRE(items.size() == 1);
        CHECK(items[0].evicted_bytes == 100'000);
        CHECK(items[0].bytes.empty());
    }
    log.open();
    CHECK(log.writer.position() == 100'100);
    CHECK(log.inode("00000001.log") == 0);
    log.line(20);
    const auto lines = log.lines();
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].position == 100'100);
}

TEST_CASE("a full disk costs output and not the count of it, nor the news of the end") {
    tests::TemporaryDirectory directory;
    std::uint64_t written = 0;
    {
        Log log(directory.path());
        const auto print = [&](std::size_t size) {
            log.line(size);
            written += size;
        };
        // As many records as it takes to come to the end of the blocks at each place.
        const int before = GENERATE(1, 50, 55, 56, 57, 58, 59, 60, 61, 62, 63, 200);
        for (int i = 0; i < before; ++i) print(100);
        device.is_full = true;
        device.full_error = before % 2 == 0 ? EDQUOT : ENOSPC;
        for (int i = 0; i < 300; ++i) {
            print(100);
            log.writer.append_event(Event::signalled, 15);
            if (i % 10 == 0) log.writer.begin_sync();
        }
        CHECK(log.writer.condition() == Condition{Trouble::no_room, device.full_error});
        log.writer.append_event(Event::exited, 7);
        log.writer.sync();
        print(100);
        log.writer.append_event(Event::output_closed, 0);
        CHECK(log.writer.position() + log.writer.lost_in_all() == written);
        const Losses losses = log.losses();
        CHECK(losses.dropped_in_all() == log.writer.lost_in_all());
        const auto lines = log.lines();
        int exits = 0, closed = 0;
        for (const auto& each : lines) {
            exits += each.event == Event::exited ? 1 : 0;
            closed += each.event == Event::output_closed ? 1 : 0;
        }
        CHECK(exits == 1);
        CHECK(closed == 1);
    }
}

TEST_CASE("recording goes on by itself once there is room, though the program is silent") {
    tests::TemporaryDirectory directory;
    Log log(directory.path());
    log.line(10);
    device.is_full = true;
    log.line(100'000);
    log.writer.begin_sync();
    CHECK(log.writer.lost() == 0);
    log.line(50'000);
    log.writer.begin_sync();
    Follower follower(directory.path());
    std::int64_t told = 0;
    const auto follow = [&] {
        for (const auto& item : follower.read_more(1 << 20).value()) told += (item.flags & gap) != 0 ? item.value : 0;
    };
    follow();
    CHECK(told == 150'000);
    Losses known = find_losses(directory.path(), 1, {}).value();
    CHECK(known.dropped_in_all() == 150'000);
    CHECK(log.writer.condition().trouble == Trouble::no_room);
    // One gap, one record, however often it is told.
    log.line(7000);
    log.writer.begin_sync();
    follow();
    CHECK(told == 157'000);
    known = find_losses(directory.path(), 1, known).value();
    CHECK(known.dropped_in_all() == 157'000);
    device.is_full = false;
    log.line(30);
    known = find_losses(directory.path(), 1, known).value();
    CHECK(known.dropped_in_all() == 157'000);
    CHECK(find_losses(directory.path(), 1, known).value().dropped_in_all() == 157'000);
    const auto lines = log.lines();
    REQUIRE(lines.size() == 3);
    CHECK(lines[1].value == 157'000);
    CHECK(losses_text(known) == "157000 bytes of output were not recorded");
}

TEST_CASE("segments that somebody removes or cuts off are left behind, with a count") {
    tests::TemporaryDirectory directory;
    const fs::path path = directory.path() / "log";
    Log log(path);
    log.line(1000);
    SECTION("both files") {
        fs::remove(path / "00000001.log");
        fs::remove(path / "00000001.idx");
    }
    SECTION("the index") { fs::remove(path / "00000001.idx"); }
    SECTION("the data") { fs::remove(path / "00000001.log"); }
    SECTION("the data, emptied") { fs::resize_file(path / "00000001.log", 0); }
    SECTION("the index, emptied") { fs::resize_file(path / "00000001.idx", 0); }
    log.writer.sync();
    log.line(20, 'y');
    log.writer.append_event(Event::exited, 0);
    CHECK(log.writer.lost_in_all() == 1000);
    CHECK(log.losses().removed_bytes == 1000);
    CHECK(log.writer.condition().trouble == Trouble::none);
    const auto lines = log.lines();
    REQUIRE(lines.size() >= 3);
    CHECK(lines[lines.size() - 3].event == Event::removed);
    CHECK(lines[lines.size() - 3].value == 1000);
    CHECK(lines[lines.size() - 2].text == std::string(19, 'y'));
    CHECK(lines[lines.size() - 2].position == 1000);
    // A cursor from before stays one.
    LineQuery query;
    query.from = 500;
    CHECK(read_lines(path, query).value().lines.size() == 1);
}

TEST_CASE("a log that somebody else emptied is told from one that was flushed") {
    tests::TemporaryDirectory directory;
    const fs::path path = directory.path() / "log";
    Log log(path);
    log.line(1000);
    const bool is_flushed = GENERATE(true, false);
    if (is_flushed)
        CHECK(log.writer.clear() == 0);
    else
        fs::resize_file(path / "00000001.idx", 0);
    log.writer.sync();
    log.writer.append_event(Event::exited, 0);
    auto view = LogView::open(path).value();
    CHECK(view.is_flushed());
    CHECK(view.was_changed().value() != is_flushed);
}

TEST_CASE("only what was cut off is counted, and a follower goes on behind it") {
    tests::TemporaryDirectory directory;
    const fs::path path = directory.path() / "log";
    Log log(path);
    Follower follower(path);
    log.line(100);
    log.line(100);
    log.line(100);
    CHECK(follower.read_more(1 << 20).value().size() == 3);
    fs::resize_file(path / "00000001.log", 150);
    log.writer.sync();
    CHECK(log.writer.lost_in_all() == 200);
    log.line(50);
    fs::remove(path / "00000002.log");
    fs::remove(path / "00000002.idx");
    log.writer.sync();
    CHECK(log.writer.lost_in_all() == 250);
    log.line(30, 'z');
    std::string read;
    for (const auto& item : follower.read_more(1 << 20).value()) read += item.bytes;
    CHECK(read == std::string(29, 'z') + "\n");
}

TEST_CASE("a log directory that is gone is said to be, and gone on without") {
    tests::TemporaryDirectory directory;
    const fs::path path = directory.path() / "log";
    Log log(path);
    log.line(1000);
    fs::remove_all(path);
    log.writer.sync();
    CHECK(log.writer.has_lost_directory());
    log.line(10);
    CHECK(log.writer.lost_in_all() == 1010);
    CHECK(log.writer.condition().trouble == Trouble::none);
    fs::create_directory(path);
    const base::UniqueFd made(::open(path.c_str(), O_RDONLY | O_DIRECTORY));
    CHECK(log.writer.move_to(made.get()) == 0);
    CHECK_FALSE(log.writer.has_lost_directory());
    log.line(20);
    const auto lines = log.lines();
    REQUIRE(lines.size() == 3);
    CHECK(lines[0].event == Event::removed);
    CHECK(lines[1].value == 10);
    CHECK(lines[2].position == 1000);
    log.writer.close();
}

TEST_CASE("what cannot be read back is lost, and the rest is shown") {
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    log.out("one\n");
    log.begin_segment();
    log.out("two\n");
    log.begin_segment();
    log.out("three\n");
    LineQuery query;
    query.losses = true;
    SECTION("data") {
        struct stat facts {};
        REQUIRE(::stat(log.data_file(2).c_str(), &facts) == 0);
        device.unreadable = facts.st_ino;
    }
    SECTION("a header") {
        std::fstream(log.index_file(2), std::ios::in | std::ios::out | std::ios::binary) << "something";
    }
    const auto page = read_lines(log.path(), query);
    std::string followed;
    std::int64_t missing = 0;
    Follower follower(log.path());
    for (const auto& item : follower.read_more(1 << 20).value()) {
        followed += item.bytes;
        missing += item.flags & gap ? item.value : static_cast<std::int64_t>(item.evicted_bytes);
    }
    device = {};
    REQUIRE(page);
    CHECK(page->lost_bytes == 4);
    REQUIRE(page->lines.size() == 3);
    CHECK(loss_text(page->lines[1]).value().starts_with("4 bytes were lost here"));
    CHECK(page->lines[2].text == "three");
    CHECK(followed == "one\nthree\n");
    CHECK(missing == 4);
}

TEST_CASE("a take-over ends a line and is told of, without being one") {
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    log.out("half");
    log.event(Event::taken_over, 65536);
    log.out(" a line\n");
    LineQuery query;
    query.last = 2;
    query.losses = true;
    const auto page = read_lines(log.path(), query);
    REQUIRE(page);
    REQUIRE(page->lines.size() == 3);
    CHECK(page->lines[0].text == "half");
    CHECK(loss_text(page->lines[1]).value().find("at most 65536 bytes") != std::string::npos);
    CHECK(page->lines[2].text == " a line");
    query.losses = false;
    CHECK(read_lines(log.path(), query).value().lines.size() == 2);
    const auto losses = find_losses(log.path(), 1, {});
    CHECK(losses_text(*losses) == "its shim was killed and replaced; at most 65536 bytes of output may be missing");

    // One that lost nothing is none of an output's business, and no line's end.
    tests::WrittenLog whole(directory.path() / "whole");
    whole.out("half");
    whole.event(Event::taken_over, 0);
    whole.out(" a line\n");
    query.losses = true;
    const auto unbroken = read_lines(whole.path(), query);
    REQUIRE(unbroken);
    REQUIRE(unbroken->lines.size() == 1);
    CHECK(unbroken->lines[0].text == "half a line");
    CHECK(losses_text(*find_losses(whole.path(), 1, {})) == "its shim was killed and replaced; nothing is missing");
}

TEST_CASE("a clock that jumps changes times and not the order") {
    tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    for (const std::int64_t second : {1000, 2000, 500, 501, 2001}) {
        log.wall_ns = second * 1'000'000'000;
        log.out(std::to_string(second) + "\n");
    }
    LineQuery query;
    std::string all;
    for (const auto& line : read_lines(log.path(), query).value().lines) all += line.text + " ";
    CHECK(all == "1000 2000 500 501 2001 ");
    query.last = 2;
    CHECK(read_lines(log.path(), query).value().lines.front().text == "501");
    // What is asked for by time is one stretch of the log all the same.
    query = {};
    query.since_ns = 2001ll * 1'000'000'000;
    const auto page = read_lines(log.path(), query);
    REQUIRE(page);
    CHECK(page->lines.back().text == "2001");
}

// Written by version 1.1, and never made again.
TEST_CASE("logs of format 1.1 are read") {
    const fs::path path = fs::path(PERSISTPROC_TEST_DATA) / "v1.1" / "faulty-log";
    LineQuery query;
    query.losses = true;
    const auto page = read_lines(path, query);
    REQUIRE(page);
    std::string read;
    for (const auto& line : page->lines) read += loss_text(line) ? fmt::format("<{}>\n", line.value) : line.text + "\n";
    CHECK(page->evicted_bytes == 17);
    CHECK(read == "<5000>\nbehind it\n<10>\n<10>\nbehind the removal\n");
    SegmentHeader header;
    std::ifstream(path / "00000002.idx", std::ios::binary).read(reinterpret_cast<char*>(&header), sizeof header);
    CHECK(header.minor == 1);
    CHECK(header.suspect_from == 1);
    CHECK(header.suspect_errno == EIO);
    const auto losses = find_losses(path, 1, {});
    REQUIRE(losses);
    CHECK(losses->dropped_in_all() == 5000);
    CHECK(losses->removed_bytes == 10);
}
