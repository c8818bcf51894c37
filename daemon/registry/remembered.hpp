#pragma once
/// What the database holds besides history and audit, kept in memory: enough to begin another one when it is damaged
/// while the daemon runs; and what it is still to be told. One thread at a time.
#include <deque>
#include <map>
#include <set>

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
    std::map<std::string, core::ProjectRecord> projects_;  // by file
    std::uint32_t next_process_ = 1;
};

/// Facts that the disk had no room for. Of each record the newest is kept, and the newest `kept_audit` of the audit.
class Unwritten {
public:
    void take(core::StoreChange change);
    bool is_empty() const noexcept;
    /// All of it, in one change that comes before any later one.
    core::StoreChange all() const;

private:
    std::map<ProcessId, core::ProcessRecord> processes_;
    std::map<RunId, core::RunRecord> runs_;
    std::set<ProcessId> removed_;
    std::map<std::string, core::ProjectRecord> projects_;
    std::deque<core::AuditEntry> audit_;
};

}  // namespace persistproc::registry
