#include "daemon/core/sampler.hpp"

#include <boost/asio/io_context.hpp>

#include "common/base/proc.hpp"
#include "daemon/core/process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_clock.hpp"

namespace sampler_test {

using namespace persistproc;
using namespace persistproc::core;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t second = 1'000'000'000;

/// Directories of which nothing but samples is asked; a walk ends when the test says so.
class Walks final : public RunDirectories {
public:
    explicit Walks(boost::asio::any_io_executor executor) : ended_(std::move(executor)) {}

    Task<std::vector<Sample>> sample(std::vector<SampleRequest> requests) override {
        asked.push_back(requests);
        const std::size_t mine = asked.size();
        std::vector<Sample> out;
        for (const auto& each : requests) {
            Sample sample{.tree = {}, .log_end = logstore::LogEnd{}, .losses = {}};
            sample.tree.taken_boot_ns = boot_ns;
            sample.tree.memory_bytes = static_cast<std::int64_t>(each.run);
            if (each.roots.shim > 0) sample.tree.pids = {each.roots.shim};
            sample.log_end->last_output_ns = last_output_ns;
            if (!each.is_of_log) sample.log_end.reset();
            out.push_back(std::move(sample));
        }
        while (ends < mine) co_await ended_.wait();
        co_return out;
    }
    void end() {
        ++ends;
        ended_.notify_all();
    }

    Task<Result<ProcessDirectories>> list() override { co_return ProcessDirectories(); }
    Task<std::vector<FoundProcess>> find_processes(std::vector<ProcessQuestion>) override {
        co_return std::vector<FoundProcess>();
    }
    Task<Result<FoundRun>> find_run(RunId) override { co_return none(); }
    Task<Result<rundir::RunSpec>> load_spec(RunId) override { co_return none(); }
    Task<Result<void>> prepare(rundir::RunSpec) override { co_return none(); }
    Task<Result<void>> remove_run(RunId) override { co_return none(); }
    Task<Result<void>> remove_process(ProcessId) override { co_return none(); }
    Task<Result<void>> begin_removal(ProcessId) override { co_return none(); }
    Task<> end_removal(ProcessId) override { co_return; }
    Task<> collect_garbage(std::size_t, std::uint64_t, Starters) override { co_return; }
    Task<bool> kill_strays(core::StrayRoots) override { co_return true; }
    Task<bool> has_strays(core::StrayRoots) override { co_return false; }
    bool is_suspended(PidIdentity) const override { return false; }
    bool is_zombie(PidIdentity) const override { return false; }
    base::BootId boot_id() const override { return {}; }
    Task<Result<void>> clear_output(ProcessId) override { co_return none(); }
    Task<Result<void>> check_program(std::string, std::string, std::string, bool) override { co_return none(); }
    Task<Result<std::string>> canonical_directory(std::string path) override { co_return path; }
    Task<core::LaunchLook> look_before_launch(std::string, std::string, std::string) override {
        co_return core::LaunchLook{none(), none(), none()};
    }

    std::vector<std::vector<SampleRequest>> asked;
    std::size_t ends = 0;
    std::uint64_t boot_ns = 100 * second;
    std::int64_t last_output_ns = 1;

private:
    static Error none() { return {ErrorCode::unsupported, "not asked for"}; }
    async::Notifier ended_;
};

struct World {
    ProcessPtr process(std::uint32_t number, Phase phase, std::uint32_t run = 1) {
        ProcessRecord record;
        record.id = ProcessId{number};
        auto out = std::make_shared<Process>(io.get_executor(), std::move(record));
        out->life = Lifecycle(phase, Wanted::up, run, std::nullopt);
        out->run_state.shim_pid = static_cast<std::int32_t>(number);
        out->run_state.started_boot_ns = 90 * second;
        return out;
    }
    /// How many of `count` callers have been answered.
    void ask(const ProcessPtr& process, std::size_t count = 1, Look look = Look::whole) {
        const auto wait = [](World* self, ProcessPtr each, Look what) -> Task<> {
            std::vector<ProcessPtr> one{each};
            co_await self->sampler.refresh(std::move(one), 250ms, what);
            ++self->answered;
        };
        for (std::size_t i = 0; i < count; ++i) tasks.spawn("caller", wait(this, process, look));
        io.poll();
        io.restart();
    }
    void end_walk() {
        walks.end();
        io.poll();
        io.restart();
    }

    boost::asio::io_context io{1};
    tests::FakeClock clock{io.get_executor()};
    Walks walks{io.get_executor()};
    async::TaskGroup tasks{io.get_executor()};
    Sampler sampler{io.get_executor(), clock, walks, tasks};
    std::size_t answered = 0;
};

}  // namespace

TEST_CASE("however many ask at once, one walk answers them") {
    World world;
    const auto web = world.process(1, Running{1, {}});
    world.ask(web, 64);
    CHECK(world.walks.asked.size() == 1);
    world.end_walk();
    CHECK(world.answered == 64);
    CHECK(world.walks.asked.size() == 1);
    // Young enough for the next who asks.
    world.ask(web);
    CHECK(world.answered == 65);
    world.clock.advance(250ms);
    world.ask(web);
    CHECK(world.walks.asked.size() == 2);
    world.end_walk();
    CHECK(world.answered == 66);
}

TEST_CASE("who asks during a walk for another process is taken along by the next") {
    World world;
    const auto web = world.process(1, Running{1, {}});
    const auto worker = world.process(2, Running{1, {}});
    world.ask(web);
    world.ask(worker, 2);
    CHECK(world.walks.asked.size() == 1);
    world.end_walk();
    CHECK(world.answered == 1);
    REQUIRE(world.walks.asked.size() == 2);
    CHECK(world.walks.asked[1].size() == 1);
    world.end_walk();
    CHECK(world.answered == 3);
}

TEST_CASE("a look at a tree leaves its log alone, and is none for who asks for both") {
    World world;
    const auto web = world.process(1, Running{1, {}});
    world.ask(web, 1, Look::tree);
    REQUIRE(world.walks.asked.size() == 1);
    CHECK(!world.walks.asked[0][0].is_of_log);
    // Taken along by the next, which is for both.
    world.ask(web, 1, Look::whole);
    world.end_walk();
    CHECK(world.answered == 1);
    REQUIRE(world.walks.asked.size() == 2);
    CHECK(world.walks.asked[1][0].is_of_log);
    world.end_walk();
    CHECK(world.answered == 2);
    CHECK(web->reading.log_end.last_output_ns == 1);
    world.ask(web, 1, Look::tree);
    CHECK(world.answered == 3);
    // Both are wanted by one flight.
    world.clock.advance(1s);
    const auto worker = world.process(2, Running{1, {}});
    world.ask(worker);
    world.ask(web, 1, Look::whole);
    world.ask(web, 1, Look::tree);
    world.end_walk();
    REQUIRE(world.walks.asked.size() == 4);
    CHECK(world.walks.asked[3][0].is_of_log);
    world.end_walk();
    CHECK(world.answered == 6);
    // What nobody writes to any more is looked at whole, once for all.
    web->life = Lifecycle(Ended{1, false}, Wanted::down, 1, std::nullopt);
    world.ask(web, 1, Look::tree);
    world.end_walk();
    CHECK(web->reading.is_final);
}

TEST_CASE("what was read before an end is not taken for its last word") {
    World world;
    const auto web = world.process(1, Running{1, {}});
    world.ask(web);
    // It ends during the walk, after its log was read.
    web->life = Lifecycle(Ended{1, false}, Wanted::down, 1, std::nullopt);
    world.end_walk();
    CHECK(!web->reading.is_final);
    world.walks.last_output_ns = 2;
    world.ask(web);
    world.end_walk();
    CHECK(web->reading.is_final);
    CHECK(web->reading.log_end.last_output_ns == 2);
    // And that is the last walk for it.
    const std::size_t walks = world.walks.asked.size();
    world.clock.advance(1h);
    world.ask(web);
    CHECK(world.walks.asked.size() == walks);
}

TEST_CASE("a walk of one run says nothing about the next") {
    World world;
    const auto web = world.process(1, Running{1, {}});
    world.ask(web);
    web->life = Lifecycle(Running{2, {}}, Wanted::up, 2, std::nullopt);
    world.end_walk();
    CHECK(world.answered == 0);
    CHECK(web->reading.run != 1);
    world.end_walk();
    CHECK(world.answered == 1);
    CHECK(web->reading.run == 2);
    CHECK(web->reading.tree.memory_bytes == 2);
}

TEST_CASE("processor time is counted over intervals that say something, and is never negative") {
    const auto ticks = [](double seconds) { return static_cast<std::uint64_t>(seconds * base::ticks_per_second()); };
    Reading reading;
    reading.note_cpu(ticks(5), 100 * second, 90 * second);
    CHECK(reading.cpu_percent == 50.0);
    // Readers that come every 50 ms neither freeze nor shorten the interval.
    for (std::uint64_t i = 1; i <= 4; ++i) {
        const double used = 5 + 0.05 * static_cast<double>(i);
        reading.note_cpu(ticks(used), 100 * second + i * 50'000'000, 90 * second);
    }
    CHECK(reading.cpu_percent == 100.0);
    // Two walks that end out of order, and time that went with a child nobody waited for.
    reading.note_cpu(ticks(5), 99 * second, 90 * second);
    CHECK(reading.cpu_percent == 100.0);
    reading.note_cpu(ticks(1), 102 * second, 90 * second);
    CHECK(reading.cpu_percent == 0.0);
}

}  // namespace sampler_test
