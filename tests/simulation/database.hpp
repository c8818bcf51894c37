#pragma once
/// What was committed. Changes happen in the order of the calls, one at a time.
#include <map>
#include <vector>

#include "daemon/core/store.hpp"

namespace persistproc::simulation {

struct World;

class Database {
public:
    explicit Database(World& world) : world_(world) {}

    core::StoreSnapshot load();
    void write(const core::StoreChange& change);

    const std::map<ProcessId, core::ProcessRecord>& processes() const noexcept { return processes_; }

private:
    World& world_;
    std::map<ProcessId, core::ProcessRecord> processes_;
    std::map<RunId, core::RunRecord> runs_;
    std::map<std::string, core::ProjectRecord> projects_;
    std::uint32_t next_process_ = 1;
    std::uint64_t epoch_ = 0;
};

}  // namespace persistproc::simulation
