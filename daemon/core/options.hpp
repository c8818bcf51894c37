#pragma once
/// Bounds of the core, and what programs inherit from the daemon.
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/rundir/spec.hpp"

namespace persistproc::core {

struct SupervisorOptions {
    std::filesystem::path data;
    std::size_t keep_ended = 100;  // processes that have ended; the oldest beyond it are forgotten
    std::size_t max_live = 2000;   // processes at once
    struct {
        std::uint64_t limit = 0;      // open files of this daemon
        std::size_t runs = SIZE_MAX;  // that there is room for among them
    } descriptors;
    std::size_t keep_runs = 5;  // run directories of each process
    std::uint64_t process_log_bytes = 64u << 20;
    std::uint64_t total_log_bytes = 2048ull << 20;
    std::chrono::nanoseconds adoption_bound = std::chrono::seconds(5);             // for shims to answer
    std::chrono::nanoseconds first_answer_bound = std::chrono::milliseconds(100);  // then a suspended one is left alone
    std::chrono::nanoseconds gate_bound = std::chrono::seconds(20);  // for a call that waits for the adoption
    std::chrono::nanoseconds start_bound = std::chrono::seconds(15);
    std::chrono::nanoseconds retention_interval = std::chrono::minutes(1);
    std::function<std::vector<std::string>()> base_environment;  // what runs inherit whose caller brings none
    // "NAME=value" by which a client within a program finds this daemon; empty: nothing does.
    std::function<std::vector<std::string>()> own_variables;
    mode_t umask = 022;
    std::vector<rundir::ResourceLimit> limits;  // of runs whose caller brings none
};

}  // namespace persistproc::core
