#include "common/mcp/tasks.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/fake_clock.hpp"

namespace tasks_test {

using namespace persistproc;
using namespace persistproc::mcp;

namespace {

struct Fixture {
    boost::asio::io_context io{1};
    tests::FakeClock clock{io.get_executor()};
    Tasks tasks{io.get_executor(), clock, 3};
    std::shared_ptr<TaskRecord> task = tasks.make(TaskTerms());
    std::optional<Result<Json>> answered;
    bool was_cancelled = false;
    boost::asio::cancellation_signal signal;

    void settle() {
        io.restart();
        io.poll();
    }
    void ask(const char* requests) {
        boost::asio::co_spawn(
            io, task->ask(Json::parse(requests), clock),
            boost::asio::bind_cancellation_slot(signal.slot(), [this](std::exception_ptr failed, Result<Json> got) {
                was_cancelled = failed != nullptr;
                if (!failed) answered = std::move(got);
            }));
        settle();
    }
    Json state() const { return Json::parse('{' + task->members(true) + '}'); }
};

}  // namespace

TEST_CASE("a task that has ended asks nothing and changes no more") {
    for (int how = 0; how < 3; ++how) {
        Fixture f;
        if (how == 0) f.task->complete("{}", f.clock.wall());
        if (how == 1) f.task->fail(R"({"code":1})", f.clock.wall());
        if (how == 2) f.task->cancel(f.clock.wall());
        const Json ended = f.state();
        f.clock.advance(std::chrono::seconds(1));
        f.ask(R"({"k":{"method":"m"}})");
        REQUIRE(f.answered);
        CHECK(f.answered->error().code == ErrorCode::unavailable);
        f.task->answer(Json::parse(R"({"k":{}})"), f.clock.wall());
        f.task->complete(R"({"other":1})", f.clock.wall());
        f.task->fail("{}", f.clock.wall());
        f.task->cancel(f.clock.wall());
        CHECK(f.state() == ended);
    }
}

TEST_CASE("questions that are withdrawn are no longer asked") {
    Fixture f;
    f.ask(R"({"k":{"method":"m"},"l":{"method":"m"}})");
    f.task->answer(Json::parse(R"({"k":{"a":1}})"), f.clock.wall());
    CHECK(f.state()["status"] == "input_required");
    f.signal.emit(boost::asio::cancellation_type::terminal);
    f.settle();
    CHECK(f.was_cancelled);
    CHECK(f.state()["status"] == "working");
    CHECK(!f.state().contains("inputRequests"));
    // Nor does an old answer count for a new question.
    f.ask(R"({"k":{"method":"m"}})");
    CHECK(!f.answered);
    f.task->answer(Json::parse(R"({"k":{"a":2}})"), f.clock.wall());
    f.settle();
    REQUIRE(f.answered);
    CHECK((**f.answered)["k"]["a"] == 2);
    CHECK(f.state()["status"] == "working");
}

TEST_CASE("the end of a task ends its questions") {
    Fixture f;
    f.ask(R"({"k":{"method":"m"}})");
    bool told = false;
    f.task->on_cancel = [&told] { told = true; };
    f.task->cancel(f.clock.wall());
    f.settle();
    CHECK(told);
    REQUIRE(f.answered);
    CHECK(!*f.answered);
    CHECK(f.state()["status"] == "cancelled");
}

TEST_CASE("tasks have ids that nobody guesses, a bound, and an end") {
    Fixture f;
    const auto other = f.tasks.make(TaskTerms{std::chrono::seconds(1), std::chrono::seconds(1)});
    CHECK(other->id() != f.task->id());
    CHECK(f.tasks.make(TaskTerms()) != nullptr);
    CHECK(f.tasks.make(TaskTerms()) == nullptr);
    CHECK(f.tasks.find(other->id()) == other);
    CHECK(f.tasks.find("") == nullptr);
    f.clock.advance(std::chrono::seconds(1));
    CHECK(f.tasks.find(other->id()) == nullptr);
    CHECK(other->is_final());
    CHECK(f.tasks.size() == 2);
    CHECK(f.tasks.make(TaskTerms()) != nullptr);
}

}  // namespace tasks_test
