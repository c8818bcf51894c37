#include <signal.h>

#include <fstream>

#include "tests/support/catch.hpp"
#include "tests/unit/daemon/shim/keeper_driver.hpp"

namespace output_test {

using namespace persistproc;
using logstore::IndexRecord;
using logstore::Stream;
using rundir::MessageType;
using tests::child;
using tests::KeeperDriver;

namespace {

std::string lines(const std::string& prefix, int count) {
    std::string all;
    for (int i = 1; i <= count; ++i) all += prefix + " " + std::to_string(i) + "\n";
    return all;
}

void finish(KeeperDriver& keeper) {
    keeper.start();
    keeper.wait_for_end();
    REQUIRE(keeper.wait_for_leave() == 0);
}

/// Bytes of one stream, as the index tells them apart. One segment only.
std::string stream_bytes(const KeeperDriver& keeper, Stream stream) {
    const std::string all = keeper.output();
    std::string own;
    for (const auto& record : keeper.records())
        if (record.stream == stream) own += all.substr(record.offset, record.length);
    return own;
}

}  // namespace

TEST_CASE("a hundred thousand lines of a program that exits at once are all there, in order") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"print", "100000"}));
    finish(keeper);
    CHECK(keeper.output() == lines("line", 100'000));
    std::uint64_t sequence = 0, newlines = 0;
    for (const auto& record : keeper.records()) {
        REQUIRE(record.sequence == ++sequence);
        newlines += record.lines;
        // A piece holds whole lines.
        if (record.length > 0) REQUIRE(record.flags == logstore::line_complete);
    }
    CHECK(newlines == 100'000);
}

TEST_CASE("a mebibyte of random bytes arrives identical") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"random", "1048576", "99"}));
    finish(keeper);
    std::string expected;
    for (std::uint64_t state = 99; expected.size() < 1'048'576;) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        const std::uint64_t word = state * 2685821657736338717ull;
        expected.append(reinterpret_cast<const char*>(&word), sizeof word);
    }
    CHECK(keeper.output() == expected);
}

TEST_CASE("both streams keep every byte in order and never share a line") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"both", "3000"}));
    finish(keeper);
    CHECK(stream_bytes(keeper, Stream::out) == lines("out", 3000));
    CHECK(stream_bytes(keeper, Stream::err) == lines("err", 3000));
    for (const auto& record : keeper.records()) CHECK((record.flags & logstore::separator) == 0);
}

TEST_CASE("a prompt shows without its newline, and the other stream then starts a line of its own") {
    tests::TemporaryDirectory data;
    const auto go = (data.path() / "go").string();
    KeeperDriver keeper(data.path(), child({"prompt", ",", "until-file", go, ",", "line-err", "oops", ",", "sleep",
                                            "150", ",", "line", "bob"}));
    keeper.start();
    keeper.wait_for_output("name? ");
    REQUIRE(keeper.records().back().flags == 0);
    std::ofstream{go};
    keeper.wait_for_end();
    keeper.wait_for_leave();
    CHECK(keeper.output() == "name? \noops\nbob\n");
    CHECK(stream_bytes(keeper, Stream::out) == "name? bob\n");
    CHECK(stream_bytes(keeper, Stream::err) == "oops\n");
    std::vector<int> flags;
    for (const auto& record : keeper.records())
        if (record.length > 0) flags.push_back(record.flags);
    CHECK(flags == std::vector<int>{0, logstore::separator, logstore::line_complete,
                                    logstore::line_complete | logstore::line_continues});
}

TEST_CASE("output rotates at the segment size and is bounded") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"print", "200000"}));
    keeper.spec.segment_bytes = 256 << 10;
    keeper.spec.log_bound_bytes = 1 << 20;
    finish(keeper);
    const std::string all = lines("line", 200'000), kept = keeper.output();
    CHECK(kept.size() <= 1u << 20);
    CHECK(kept.size() >= 512u << 10);
    CHECK(all.compare(all.size() - kept.size(), kept.size(), kept) == 0);
    CHECK(keeper.state_on_disk().log_end == all.size());
    const auto records = keeper.records();
    for (std::size_t i = 1; i < records.size(); ++i) REQUIRE(records[i].sequence == records[i - 1].sequence + 1);
}

TEST_CASE("what a grandchild prints after the exit is still recorded") {
    tests::TemporaryDirectory data;
    const auto go = (data.path() / "go").string();
    KeeperDriver keeper(data.path(), child({"line", "early", ",", "fork", "until-file", go, ",", "line", "late"}));
    keeper.start();
    const auto ended = keeper.wait_for_end();
    CHECK(ended.exit_value == 0);
    CHECK(ended.tree_empty == 0);
    CHECK(ended.log_end == 6);
    std::ofstream{go};
    REQUIRE(keeper.wait_for_leave() == 0);
    CHECK(keeper.output() == "early\nlate\n");
    CHECK(keeper.state_on_disk().tree_empty == 1);
    CHECK(keeper.state_on_disk().log_end == 6);
    CHECK(keeper.records().back().event == logstore::Event::output_closed);
}

TEST_CASE("a killed shim tears no line: the next run repairs and goes on") {
    tests::TemporaryDirectory data;
    {
        KeeperDriver keeper(data.path(), child({"chat", "1000000", "0"}), 1);
        keeper.start();
        keeper.wait_for_output("line 1000\n");
        ::kill(keeper.shim_pid(), SIGKILL);
        keeper.wait_for_leave();
    }
    KeeperDriver next(data.path(), child({"line", "next"}), 2);
    finish(next);
    const std::string all = next.output();
    const auto tail = all.rfind("next\n");
    REQUIRE(tail != all.npos);
    std::string before = all.substr(0, tail);
    const std::string expected = lines("line", 1'000'000);
    if (expected.compare(0, before.size(), before) != 0) before.pop_back();  // a separator after a torn line
    CHECK(expected.compare(0, before.size(), before) == 0);
    std::uint64_t sequence = 0;
    for (const auto& record : next.records()) REQUIRE(record.sequence == ++sequence);
}

}  // namespace output_test
