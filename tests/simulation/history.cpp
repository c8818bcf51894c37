#include "tests/simulation/history.hpp"

namespace persistproc::simulation {

World::World(std::uint64_t seed) : random(seed), mood(Mood::of(random)) {}
World::~World() = default;

bool History::step() {
    Record& record = world.record;
    if (record.violation() || record.step >= steps_of_a_history) return false;
    ++record.step;
    if (record.step == calm_at_)
        calm();
    else if (record.step == steps_of_a_history)
        end();
    else
        happen();
    return !record.violation() && record.step < steps_of_a_history;
}

void History::happen() {
    Random& random = world.random;
    const Mood& mood = world.mood;
    if (!world.daemon && (random.percent(20) || world.time.is_empty())) begin_life();
    std::uint64_t dice = random.below(1000);
    const auto is = [&dice](unsigned weight) {
        const bool it_is = dice < weight;
        dice -= it_is ? 0 : weight;
        return it_is;
    };
    const auto living = world.shims.living();
    const auto any_shim = [&] { return living[random.below(living.size())]; };
    if (is(mood.requests)) {
        if (world.daemon && world.clients.pending() < 8) world.clients.ask_something();
    } else if (is(mood.give_ups)) {
        world.clients.give_up_one();
    } else if (is(mood.daemon_deaths)) {
        if (world.daemon) {
            world.record.note("the daemon is to die");
            world.daemon->doom(random.below(4));
            // Some take a shim along.
            if (random.percent(20) && !living.empty()) world.shims.kill(any_shim());
        }
    } else if (is(mood.leaves)) {
        if (world.daemon && !world.clients.is_leaving()) world.clients.ask_to_leave(random.percent(50));
    } else if (is(mood.shim_deaths)) {
        if (!living.empty()) world.shims.kill(any_shim());
    } else if (is(mood.freezes)) {
        if (!living.empty()) {
            const Pid pid = any_shim();
            world.shims.freeze(pid);
            world.time.plan(random.delay(40s), [this, pid] { world.shims.thaw(pid); });
        }
    } else if (is(mood.cuts)) {
        const auto channels = world.shims.open_channels();
        if (!channels.empty()) world.shims.cut(channels[random.below(channels.size())]);
    } else if (is(mood.clock_steps)) {
        world.time.step_wall(random.percent(50) ? random.delay(10'000s) : -random.delay(10'000s));
        world.record.note("somebody sets the clock of the wall");
    } else if (is(mood.program_ends)) {
        std::vector<Pid> programs;
        for (const auto& [pid, each] : world.kernel.all())
            if (each.executed && !each.is_zombie) programs.push_back(pid);
        if (!programs.empty()) {
            const Pid pid = programs[random.below(programs.size())];
            world.record.note("{} ends of its own accord", pid);
            world.kernel.end(pid, random.percent(70) ? Exit{static_cast<int>(random.below(2)), false} : Exit{9, true});
        }
    } else {
        let_time_pass();
    }
    if (world.daemon) {
        world.daemon->run();
        if (world.daemon->is_doomed() || world.daemon->core().has_left()) end_life();
    }
    world.judge.look();
}

void History::let_time_pass() {
    if (!world.time.is_empty()) world.time.run_next();
}

void History::begin_life() {
    world.daemon = std::make_unique<Daemon>(world, ++world.daemons);
    world.record.note("daemon {} begins", world.daemons);
    world.daemon->adopt();
    world.daemon->run();
}

void History::end_life() {
    const int incarnation = world.daemon->incarnation();
    world.record.note("daemon {} dies", incarnation);
    world.clients.daemon_died(incarnation);
    world.daemon.reset();
}

/// All trouble ends; everything must settle.
void History::calm() {
    const Mood mood = world.mood;
    world.record.note("calm");
    world.mood.calm_down();
    for (const Pid pid : world.shims.living()) world.shims.thaw(pid);
    if (!world.daemon) begin_life();
    if (world.daemon->is_doomed()) {
        end_life();
        begin_life();
    }
    world.daemon->spare();
    pass(15min);
    world.judge.look_at_calm();
    world.mood = mood;
}

void History::pass(std::chrono::nanoseconds span) {
    const MonoTime until = world.time.now() + span;
    for (int events = 0; events < 200'000 && !world.record.violation(); ++events) {
        world.daemon->run();
        if (world.daemon->core().has_left()) {
            end_life();
            begin_life();
            world.daemon->spare();
        }
        world.judge.look();
        if (world.time.is_empty() || world.time.next() > until) break;
        let_time_pass();
    }
}

/// Everything is stopped and removed, and nothing may be left: of the programs, on the disk, of the daemon's own tasks.
void History::end() {
    calm();
    if (world.record.violation()) return;
    world.mood.calm_down();
    std::vector<ProcessId> all;
    for (const auto& [id, directory] : world.disk.all()) all.push_back(id);
    world.record.note("everything is stopped");
    for (const ProcessId id : all) world.clients.ask_to_stop(id);
    pass(5min);
    world.judge.look_at_calm();
    world.judge.look_at_end();
    world.record.note("everything is removed");
    for (const ProcessId id : all) world.clients.ask_to_remove(id);
    pass(5min);
    for (const auto& [id, directory] : world.disk.all())
        if (!world.record.violation() && world.daemon->core().find(id))
            world.record.violate("{} was stopped and removed, and is there", to_string(id));
    world.daemon->close();
    pass(5min);
    if (!world.daemon->is_closed()) world.record.violate("the core does not close");
    if (world.daemon->links() != 0) world.record.violate("{} connections with shims are left", world.daemon->links());
    if (world.daemon->sleepers() != 0) world.record.violate("{} coroutines sleep on", world.daemon->sleepers());
}

}  // namespace persistproc::simulation
