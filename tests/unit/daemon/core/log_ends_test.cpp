#include "daemon/core/log_ends.hpp"

#include <limits>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/written_log.hpp"

namespace log_ends_test {

using namespace persistproc;
using namespace persistproc::core;

namespace {

/// So late that no change is too fresh to be kept in mind.
constexpr base::WallTime late = base::WallTime::max();

}  // namespace

TEST_CASE("the end of a log that has changed is read again") {
    const tests::TemporaryDirectory directory;
    tests::WrittenLog log(directory.path() / "log");
    LogEnds ends;
    const auto check = [&] {
        const auto expected = logstore::find_log_end(log.path()).value();
        for (int i = 0; i < 2; ++i) {
            const auto end = ends.find({1}, log.path(), late).value();
            CHECK(end.position == expected.position);
            CHECK(end.oldest == expected.oldest);
            CHECK(end.last_sequence == expected.last_sequence);
            CHECK(end.last_output_ns == expected.last_output_ns);
            CHECK(end.newest_segment == expected.newest_segment);
        }
    };
    check();
    log.out("one\n");
    check();
    log.event(logstore::Event::exited, 0);
    check();
    log.begin_segment();
    check();
    log.out("two\n");
    check();
    log.remove_segment(1);
    check();
    CHECK(ends.find({2}, directory.path() / "missing", late).value().position == 0);
}

}  // namespace log_ends_test
