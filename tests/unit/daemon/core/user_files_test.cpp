#include "daemon/core/user_files.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <future>

#include "common/async/task_group.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_clock.hpp"

namespace user_files_test {

using namespace persistproc;
using core::UserFiles;

namespace {

struct Answer {
    bool is_there = false;
    std::optional<int> value;
};

Task<> look(UserFiles& files, std::string directory, std::function<int()> work, Answer& out) {
    out.value = co_await files.look(std::move(directory), std::move(work));
    out.is_there = true;
}

}  // namespace

TEST_CASE("a look that hangs keeps nobody") {
    boost::asio::io_context io{1};
    const auto stays = boost::asio::make_work_guard(io);
    tests::FakeClock clock(io.get_executor());
    std::promise<void> released;
    const std::shared_future<void> release = released.get_future().share();
    auto files = std::make_unique<UserFiles>(clock);
    async::TaskGroup tasks(io.get_executor());
    const auto answer_of = [&](const char* directory) {
        Answer out;
        tasks.spawn("look", look(
                                *files, directory, [] { return 2; }, out));
        while (!out.is_there) io.run_one();
        return out.value;
    };
    Answer hung;
    tasks.spawn("look", look(
                            *files, "/hangs", [release] { return release.wait(), 1; }, hung));
    io.poll();
    CHECK_FALSE(hung.is_there);
    clock.advance(UserFiles::bound);
    while (!hung.is_there) io.run_one();
    CHECK(hung.value == std::nullopt);
    CHECK(answer_of("/hangs") == std::nullopt);
    CHECK(answer_of("/answers") == 2);
    SECTION("it comes back") {
        released.set_value();
        while (answer_of("/hangs") != 2) {
        }
    }
    SECTION("it never comes back") {
        files.reset();
        released.set_value();
    }
}

TEST_CASE("a look that throws throws to who waits") {
    boost::asio::io_context io{1};
    tests::FakeClock clock(io.get_executor());
    UserFiles files(clock);
    Answer out;
    bool has_thrown = false;
    const auto note = [&](std::exception_ptr failed) { has_thrown = failed != nullptr; };
    const std::function<int()> work = []() -> int { throw std::runtime_error("no memory"); };
    boost::asio::co_spawn(io, look(files, "/", work, out), note);
    while (!has_thrown) io.run_one();
    CHECK_FALSE(out.is_there);
}

}  // namespace user_files_test
