#pragma once
/// Definitions, wanted state, history of runs and audit in `<data>/persistproc.db`. Synchronous: one thread at a
/// time. Derivable from the run directories, so a damaged file is moved aside and begun anew.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "daemon/core/store.hpp"

namespace persistproc::registry {

inline constexpr int kept_audit = 10000;
inline constexpr int kept_runs = 100;

class Registry {
public:
    /// Opens `<directory>/persistproc.db`, creating or migrating it. A damaged file is renamed to
    /// `persistproc.db.damaged-<time>` and `recovered` says so. Begins a new epoch: a disk that
    /// takes no record is noticed before anybody is told that the daemon serves. Errors: io, unsupported (only newer
    /// programs may use it), unavailable (another program keeps it locked for 5 s).
    static Result<Registry> open(const std::filesystem::path& directory);
    /// Moves the present one aside because of `damage`, and opens an empty one. Errors: as open.
    static Result<Registry> begin_anew(const std::filesystem::path& directory, const Error& damage);
    Registry(Registry&&) noexcept;
    ~Registry();

    const std::string& recovered() const noexcept { return recovered_; }

    /// What is there, and the epoch that `open` began. Errors: io, corrupt.
    Result<core::StoreSnapshot> load();
    /// All changes in one transaction: all or none. `kept_audit` entries of the audit (the newest; whose: shares.hpp)
    /// and the newest `kept_runs` runs of each process stay. Errors: io, corrupt (the file was damaged or removed;
    /// nothing is kept then).
    Result<void> commit(const std::vector<core::StoreChange>& changes);

    /// See core::Store.
    Result<std::vector<core::AuditEntry>> read_audit(const core::AuditQuery& query);

private:
    struct Statements;
    Registry();
    static Result<Registry> open_as_it_is(const std::filesystem::path& file);
    Result<void> prepare();
    Result<void> begin_epoch();
    Result<void> write(const core::StoreChange& change);
    Result<void> trim_audit();
    Result<void> write_run(const core::RunRecord& run);
    template <class Writes>
    Result<void> in_transaction(Writes writes);
    std::unique_ptr<Statements> statements_;
    std::string recovered_;
    std::uint64_t epoch_ = 0;
};

}  // namespace persistproc::registry
