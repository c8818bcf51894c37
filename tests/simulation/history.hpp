#pragma once
/// What happens next in a world, step by step, until an invariant breaks or the history is over.
#include "tests/simulation/world.hpp"

namespace persistproc::simulation {

inline constexpr std::uint64_t steps_of_a_history = 2000;

class History {
public:
    explicit History(std::uint64_t seed) : world(seed) {}

    /// One step: something happens, the daemon reacts to it, the judge looks. False: the history is over.
    bool step();

    World world;

private:
    void happen();
    void begin_life();
    void end_life();
    void calm();
    void end();
    void let_time_pass();
    /// Events and nothing else, until that much time has passed.
    void pass(std::chrono::nanoseconds span);

    std::uint64_t calm_at_ = steps_of_a_history / 2;
};

}  // namespace persistproc::simulation
