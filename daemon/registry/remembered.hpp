#pragma once
/// What the database holds besides history and audit, kept in memory: enough to begin another one when it is damaged
/// while the daemon runs. One thread at a time.
#include <map>

#include "daemon/core/store.hpp"

namespace persistproc::registry {

class Remembered {
public:
    /// What a database that was just opened knows.
    void take(const core::StoreSnapshot& snapshot);
    /// What became durable after that.
    void take(const core::StoreChange& change);
    /// All of it, as one change of an empty database.
    core::StoreChange all() const;

private:
    std::map<ProcessId, core::ProcessRecord> processes_;
    std::map<ProcessId, core::RunRecord> last_runs_;
    std::uint32_t next_process_ = 1;
};

}  // namespace persistproc::registry
