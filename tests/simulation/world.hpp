#pragma once
/// A simulated world around the real core of the daemon.
///
/// Real is what is under test: core::Supervisor and all below it, from requests to packets, records and files asked
/// for. Everything it meets is made up, in one thread and with one clock, so that a seed gives one history:
///
///   kernel    programs, their descendants, parents, zombies, signals                         (kernel.hpp)
///   shims     keepers that follow daemon/shim step by step, and connections with latency      (shims.hpp)
///   disk      run directories; slow, failing, cut off in the middle                           (disk.hpp)
///   database  definitions and intents; a commit may fail, or be cut off either way            (database.hpp)
///   daemon    one life of the core, with the seams through which it sees the above            (daemon.hpp)
///   clients   who asks what, how it was answered, who gave up                                 (clients.hpp)
///   judge     what must be true, looked at when it happens and after every step               (judge.hpp)
///   history   what happens next: chance, weighted by the history's own mood                   (history.hpp)
///
/// A daemon dies by being destroyed with its io_context, between any two of its effects on the world; shims, disk and
/// database live on, and the next one adopts. A history is `steps_of_a_history` steps of one seed; `simulate --steps N
/// --seed S` runs as many histories as it takes, with the seeds S, S+1, … A failure prints seed, step and the tail of
/// its history, and `simulate --seed SEED --until STEP --print` shows it again.
///
/// Not simulated: what programs print (the log has its own tests), wire bytes, power cuts.
#include <memory>

#include "tests/simulation/clients.hpp"
#include "tests/simulation/daemon.hpp"
#include "tests/simulation/database.hpp"
#include "tests/simulation/disk.hpp"
#include "tests/simulation/judge.hpp"
#include "tests/simulation/kernel.hpp"
#include "tests/simulation/mood.hpp"
#include "tests/simulation/random.hpp"
#include "tests/simulation/record.hpp"
#include "tests/simulation/shims.hpp"
#include "tests/simulation/timeline.hpp"

namespace persistproc::simulation {

struct World {
    explicit World(std::uint64_t seed);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    Random random;
    Mood mood;
    Timeline time;
    Record record{time};
    Judge judge{*this};
    Kernel kernel{*this};
    Disk disk{*this};
    Database database{*this};
    Shims shims{*this};
    Clients clients{*this};
    std::unique_ptr<Daemon> daemon;  // none: it is dead
    int daemons = 0;                 // lives so far

    bool is_alive(int incarnation) const {
        return daemon && daemon->incarnation() == incarnation && !daemon->is_doomed();
    }
};

}  // namespace persistproc::simulation
