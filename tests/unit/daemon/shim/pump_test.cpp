// The pump on real pipes, at times that the test chooses.
#include "daemon/shim/pump.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#include "common/base/unique_fd.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace pump_test {

using namespace persistproc;
using namespace persistproc::shim;

namespace {

constexpr std::uint64_t ms = os::millisecond;

class PumpFixture {
public:
    PumpFixture() : log_directory_(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)), pump(log_) {
        REQUIRE(log_.open(log_directory_.get(), {}) == 0);
        int out_ends[2], err_ends[2];
        REQUIRE(::pipe2(out_ends, O_CLOEXEC | O_NONBLOCK) == 0);
        REQUIRE(::pipe2(err_ends, O_CLOEXEC | O_NONBLOCK) == 0);
        out.reset(out_ends[1]);
        err.reset(err_ends[1]);
        out_read = out_ends[0];
        pump.begin({.ends = {out_ends[0], err_ends[0]}});
    }
    ~PumpFixture() {
        pump.close();
        log_.close();
    }
    /// As the keeper does after poll said that all pipes it waits for are ready.
    void serve(std::uint64_t now, bool in_a_hurry = false) {
        pollfd entries[Pump::max_sources];
        const std::size_t count = pump.add_entries(entries);
        for (std::size_t i = 0; i < count; ++i) entries[i].revents = POLLIN;
        pump.serve(entries, count, now, in_a_hurry);
    }
    void write(const base::UniqueFd& fd, const std::string& text) {
        REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    std::string recorded() const {
        std::ifstream file(directory_.path() / "00000001.log", std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

private:
    tests::TemporaryDirectory directory_;
    base::UniqueFd log_directory_;
    logstore::Writer log_;

public:
    Pump pump;
    base::UniqueFd out, err;
    int out_read = -1;
};

}  // namespace

TEST_CASE_METHOD(PumpFixture, "whole lines are written at once, the rest waits at most 100 ms") {
    write(out, "one\ntwo\nthr");
    serve(1000 * ms);
    CHECK(recorded() == "one\ntwo\n");
    serve(1099 * ms);
    CHECK(recorded() == "one\ntwo\n");
    CHECK(pump.deadline() == 1100 * ms);
    serve(1100 * ms);
    CHECK(recorded() == "one\ntwo\nthr");
    CHECK(pump.deadline() == os::never);
}

TEST_CASE_METHOD(PumpFixture, "a line that is completed in time is one piece") {
    write(out, "he");
    serve(1000 * ms);
    write(err, "warning\n");
    serve(1050 * ms);
    CHECK(recorded() == "warning\n");
    write(out, "llo\n");
    serve(1090 * ms);
    CHECK(recorded() == "warning\nhello\n");
}

TEST_CASE_METHOD(PumpFixture, "the end of a pipe and a flush leave nothing behind") {
    write(out, "no newline");
    write(err, "nor here");
    out.reset();
    serve(1000 * ms, true);
    CHECK(recorded() == "no newline");
    CHECK_FALSE(pump.closed());
    pump.flush();
    CHECK(recorded() == "no newline\nnor here");
    err.reset();
    serve(1001 * ms, true);
    CHECK(pump.closed());
}

TEST_CASE_METHOD(PumpFixture, "a program that writes little and often is read in growing pauses") {
    std::uint64_t now = 1000 * ms, pause = 0;
    write(out, "tick\n");
    serve(now);
    CHECK(pump.deadline() == os::never);  // it may have been the only one
    now += 200'000;
    for (int i = 0; i < 10; ++i) {
        write(out, "tick\n");
        serve(now);
        const std::uint64_t next = pump.deadline() - now;
        CHECK(next >= pause);
        CHECK(next <= 3'200'000);
        pollfd entries[Pump::max_sources];
        CHECK(pump.add_entries(entries) == 1);  // stderr alone: stdout is in a pause
        pause = next;
        now += next;
    }
    CHECK(pause == 3'200'000);
    serve(now);  // nothing came: back to poll
    CHECK(pump.deadline() == os::never);
    // Once the child has ended nothing waits.
    write(out, "more\n");
    serve(now);
    write(out, "last\n");
    serve(now + 1, true);
    CHECK(recorded().substr(recorded().size() - 5) == "last\n");
}

TEST_CASE_METHOD(PumpFixture, "behind a burst that came whole nothing is looked for") {
    std::uint64_t now = 1000 * ms;
    // The first burst comes in two parts: another pause might have found the second.
    for (const char* part : {"a\n", "b\n"}) {
        write(out, part);
        serve(now += 100'000);
    }
    REQUIRE(pump.deadline() > now);
    REQUIRE(pump.deadline() < now + ms);
    serve(now = pump.deadline());
    for (int burst = 0; burst < 10; ++burst) {
        write(out, "a\nb\n");
        serve(now += 10 * ms);
        CHECK(pump.deadline() == os::never);
    }
}

TEST_CASE_METHOD(PumpFixture, "who prints steadily is read patiently, until a second after it has ceased") {
    const sched_param none{};
    REQUIRE(::sched_setscheduler(0, SCHED_OTHER, &none) == 0);
    std::uint64_t now = 1000 * ms;
    for (int i = 0; i < 30; ++i) {
        write(out, "tick\n");
        serve(now += 10 * ms);
    }
    CHECK(::sched_getscheduler(0) == SCHED_BATCH);
    serve(pump.deadline());
    CHECK(::sched_getscheduler(0) == SCHED_BATCH);
    serve(pump.deadline());
    CHECK(::sched_getscheduler(0) == SCHED_OTHER);
    CHECK(pump.deadline() == os::never);
}

TEST_CASE_METHOD(PumpFixture, "what was printed before an error stands before it, also during a pause") {
    std::uint64_t now = 10 * ms;
    std::string expected;
    for (int i = 0; i < 20; ++i) {
        write(out, "first\n");
        serve(now);
        write(out, "then\n");
        write(err, "error\n");
        serve(now + 1);
        expected += "first\nthen\nerror\n";
        CHECK(recorded() == expected);
        now += 20 * ms;
    }
}

TEST_CASE_METHOD(PumpFixture, "a pipe that is always full grows, and shrinks when it no longer is") {
    const std::string full(64 << 10, '\n');
    std::uint64_t now = 1000 * ms;
    for (int i = 0; i < 9; ++i) {
        CHECK(::fcntl(out_read, F_GETPIPE_SZ) == 64 << 10);
        write(out, full);
        serve(now += ms);
        if (::fcntl(out_read, F_GETPIPE_SZ) != 64 << 10) break;
    }
    CHECK(::fcntl(out_read, F_GETPIPE_SZ) == 256 << 10);
    REQUIRE(pump.deadline() == now + 1000 * ms);
    serve(now + 1000 * ms);
    CHECK(::fcntl(out_read, F_GETPIPE_SZ) == 64 << 10);
    CHECK(pump.deadline() == os::never);
}

TEST_CASE_METHOD(PumpFixture, "a line longer than the buffer is written in pieces") {
    const std::string block(60'000, 'x');
    write(out, "\n");  // the long line does not begin where the buffer does
    std::string all = "\n";
    for (int i = 0; i < 12; ++i) {
        write(out, block);
        all += block;
        serve(1000 * ms + static_cast<std::uint64_t>(i));
    }
    write(out, "\n");
    serve(1001 * ms);
    serve(1200 * ms);
    CHECK(recorded() == all + "\n");
}

}  // namespace pump_test
