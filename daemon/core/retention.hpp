#pragma once
/// Forgets what is old: processes that have ended, beyond a number; runs and output, beyond a size (whose: shares.hpp).
/// After ends, one
/// pass for all that came together, and regularly, since what runs for long grows the output without any end that would
/// be noticed. One executor, one thread.
#include <functional>

#include "daemon/core/process_driver.hpp"

namespace persistproc::core {

class Retention {
public:
    /// Removes one process by its id, as a request would. Errors: as Operations::remove.
    using Remove = std::function<Task<Result<void>>(ProcessId)>;

    /// References outlive it.
    Retention(run::RunWorld& world, const ProcessTable& table, const SupervisorOptions& options, Remove remove)
        : world_(world), table_(table), options_(options), remove_(std::move(remove)) {}

    /// Something has ended: a pass comes within a second.
    void note_end();
    /// Begins the regular passes.
    void begin();

private:
    Task<> pass();
    Task<> pass_regularly();
    /// Each with its newest run.
    std::vector<RunId> beyond_the_kept() const;
    Task<> collect_garbage();

    run::RunWorld& world_;
    const ProcessTable& table_;
    const SupervisorOptions& options_;
    Remove remove_;
    bool is_due_ = false;
};

}  // namespace persistproc::core
