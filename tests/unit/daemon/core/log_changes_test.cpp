#include "daemon/core/log_changes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>

#include "common/async/task_group.hpp"
#include "common/base/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/written_log.hpp"

using namespace persistproc;
using core::LogChanges;
namespace asio = boost::asio;

namespace {

/// A log that somebody follows, with as many inotify instances and watches as the test gives.
struct Followed {
    explicit Followed(bool has_instance = true, const char* name = "log") : may_open(has_instance) {
        follower = changes.follow(folder.path() / name);
        tasks.spawn("count", count());
        settle();
    }
    ~Followed() {
        io.stop();
        readers.join();
    }

    Task<> count() {
        for (;;) {
            co_await follower->grown();
            ++grown;
        }
    }
    /// Lets everything happen that needs no time.
    void settle() {
        for (int i = 0; i < 3; ++i) {
            io.restart();
            io.poll();
            readers.wait_idle();
        }
    }
    void advance() {
        clock.advance(LogChanges::look_interval);
        settle();
    }

    struct Readers : asio::thread_pool {
        Readers() : asio::thread_pool(1) {}
        /// One thread: what was posted before has been done.
        void wait_idle() {
            std::promise<void> done;
            asio::post(*this, [&] { done.set_value(); });
            done.get_future().wait();
        }
    };

    tests::TemporaryDirectory folder;
    tests::WrittenLog log{folder.path() / "log"};
    asio::io_context io{1};
    tests::FakeClock clock{io.get_executor()};
    Readers readers;
    bool may_open;
    LogChanges changes{io.get_executor(), clock, readers, [this]() -> Result<logstore::LogWatches> {
                           if (!may_open) return base::os_failure("inotify", EMFILE);
                           return logstore::LogWatches::open();
                       }};
    std::unique_ptr<LogChanges::Follower> follower;
    int grown = 0;
    async::TaskGroup tasks{io.get_executor()};
};

}  // namespace

TEST_CASE("who follows a log hears when it grows") {
    Followed followed;
    CHECK(followed.grown == 0);
    followed.log.out("one\n");
    followed.settle();
    CHECK(followed.grown == 1);
    CHECK(followed.clock.sleepers() == 0);
}

TEST_CASE("with no inotify instance left, logs are looked at") {
    Followed followed(false);
    const int before = followed.grown;
    followed.advance();
    CHECK(followed.grown == before);
    followed.log.out("one\n");
    followed.advance();
    CHECK(followed.grown == before + 1);
    followed.advance();
    CHECK(followed.grown == before + 1);

    SECTION("until there is one") {
        followed.may_open = true;
        followed.advance();
        const int then = followed.grown;
        CHECK(followed.clock.sleepers() == 0);
        followed.log.out("two\n");
        followed.settle();
        CHECK(followed.grown == then + 1);
    }
}

TEST_CASE("a directory that is not there yet is looked for") {
    Followed followed(true, "later");
    followed.advance();
    const int before = followed.grown;
    tests::WrittenLog log(followed.folder.path() / "later");
    log.out("one\n");
    followed.advance();
    CHECK(followed.grown > before);
}

TEST_CASE("an overflow of the kernel's queue wakes everybody") {
    Followed followed;
    const auto loud = followed.folder.path() / "loud";
    std::filesystem::create_directory(loud);
    const auto other = followed.changes.follow(loud);
    const auto limit = base::read_file("/proc/sys/fs/inotify/max_queued_events").value();
    const auto one = base::open_file(loud / "1", O_WRONLY | O_CREAT).value();
    const auto two = base::open_file(loud / "2", O_WRONLY | O_CREAT).value();
    for (int i = 0; i < std::stoi(limit) + 10; ++i) REQUIRE(::pwrite((i % 2 ? one : two).get(), "x", 1, 0) == 1);
    followed.log.out("nobody hears of this\n");
    followed.settle();
    CHECK(followed.grown == 1);
}
