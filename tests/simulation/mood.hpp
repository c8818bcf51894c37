#pragma once
/// What a history tends to: each has some kinds of trouble and not others, since a world with all of them at once
/// seldom gets anywhere.
#include <chrono>

#include "tests/simulation/random.hpp"

namespace persistproc::simulation {

using namespace std::chrono_literals;

struct Mood {
    // How likely each is, of 1,000 steps.
    unsigned requests = 150;
    unsigned give_ups = 0;
    unsigned daemon_deaths = 0;
    unsigned leaves = 0;  // shutdowns
    unsigned shim_deaths = 0;
    unsigned freezes = 0;
    unsigned cuts = 0;         // of connections
    unsigned clock_steps = 0;  // of the wall clock
    unsigned program_ends = 20;
    // In percent.
    unsigned projects = 0;  // of requests, that are about the project
    unsigned disk_errors = 0;
    unsigned database_errors = 0;
    unsigned spawn_errors = 0;
    unsigned exec_errors = 5;
    unsigned shim_disk_errors = 0;
    unsigned ignores_term = 15;
    unsigned leaves_descendants = 15;
    // The longest delays.
    std::chrono::nanoseconds disk = 2ms, database = 2ms, packets = 1ms, shim = 2ms;
    bool kernel_tells_ends = false;  // PIDFD_GET_INFO

    static Mood of(Random& random) {
        Mood mood;
        mood.requests = 50 + static_cast<unsigned>(random.below(250));
        if (random.percent(60)) mood.daemon_deaths = 1 + static_cast<unsigned>(random.below(20));
        if (random.percent(25)) mood.leaves = 1 + static_cast<unsigned>(random.below(5));
        if (random.percent(50)) mood.shim_deaths = 1 + static_cast<unsigned>(random.below(20));
        if (random.percent(40)) mood.freezes = 1 + static_cast<unsigned>(random.below(15));
        if (random.percent(30)) mood.cuts = 1 + static_cast<unsigned>(random.below(15));
        if (random.percent(40)) mood.give_ups = 1 + static_cast<unsigned>(random.below(20));
        if (random.percent(30)) mood.clock_steps = 1 + static_cast<unsigned>(random.below(10));
        if (random.percent(40)) mood.disk_errors = 1 + static_cast<unsigned>(random.below(20));
        if (random.percent(40)) mood.database_errors = 1 + static_cast<unsigned>(random.below(20));
        if (random.percent(25)) mood.spawn_errors = 1 + static_cast<unsigned>(random.below(10));
        if (random.percent(25)) mood.shim_disk_errors = 1 + static_cast<unsigned>(random.below(20));
        mood.exec_errors = static_cast<unsigned>(random.below(25));
        mood.ignores_term = static_cast<unsigned>(random.below(50));
        mood.leaves_descendants = static_cast<unsigned>(random.below(50));
        mood.disk = pace(random);
        mood.database = pace(random);
        mood.packets = random.percent(80) ? std::chrono::nanoseconds(1ms) : std::chrono::nanoseconds(50ms);
        mood.shim = random.percent(80) ? std::chrono::nanoseconds(2ms) : std::chrono::nanoseconds(300ms);
        mood.kernel_tells_ends = random.percent(30);
        if (random.percent(50)) mood.projects = 10 + static_cast<unsigned>(random.below(70));
        return mood;
    }

    /// All trouble ends.
    void calm_down() {
        requests = give_ups = daemon_deaths = leaves = shim_deaths = freezes = cuts = clock_steps = program_ends = 0;
        disk_errors = database_errors = spawn_errors = exec_errors = shim_disk_errors = 0;
        disk = database = shim = 2ms;
        packets = 1ms;
    }

private:
    static std::chrono::nanoseconds pace(Random& random) {
        switch (random.below(5)) {
            case 0: return 0ns;
            case 1: return 200ms;
            case 2: return 8s;
            default: return 2ms;
        }
    }
};

}  // namespace persistproc::simulation
