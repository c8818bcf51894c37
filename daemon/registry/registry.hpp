#pragma once
/// Definitions, wanted state, history of runs and audit in `<data>/persistproc.db`. Synchronous: one thread at a
/// time. Derivable from the run directories, so a damaged file is moved aside and begun anew.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/process_identity.hpp"
#include "daemon/core/store.hpp"

namespace persistproc::registry {

inline constexpr int kept_audit = 10000;
inline constexpr int kept_runs = 100;

class Registry {
public:
    /// Opens `<directory>/persistproc.db`, creating or migrating it. A damaged file is renamed to
    /// `persistproc.db.damaged-<time>` and `recovered` says so. Begins a new epoch, and waits for no disk: see
    /// `settle`. Errors: io, unsupported (only newer programs may use it), unavailable (another program keeps it locked
    /// for 5 s). `boot`: of the machine as it runs now; where it is another than the last time, and `close` was not
    /// called, numbers of processes go on behind all that may have been given: a power cut may have taken the newest of
    /// them.
    static Result<Registry> open(const std::filesystem::path& directory, base::BootId boot = base::current_boot_id());
    /// Moves the present one aside because of `damage`, and opens an empty one. Errors: as open.
    static Result<Registry> begin_anew(const std::filesystem::path& directory, const Error& damage,
                                       base::BootId boot = base::current_boot_id());
    /// What `open` would find, where `is_lack_of_room(its error)`: for `load` and `read_audit` alone. The epoch that it
    /// would begin is not on record. One that is not there is empty, unless nothing is: errors: io (as `open`'s),
    /// corrupt, unsupported.
    static Result<Registry> open_to_read(const std::filesystem::path& directory, const Error& lack,
                                         base::BootId boot = base::current_boot_id());
    /// Whether `open` would refuse what is there for its version; also beside a daemon that has it open, which notices
    /// nothing. What else is wrong is left to `open`. Errors: unsupported.
    static Result<void> check_version(const std::filesystem::path& directory);
    /// Gives back the numbers that were reserved and not used. No change may follow. Errors: io, corrupt.
    Result<void> close();
    Registry(Registry&&) noexcept;
    ~Registry();

    const std::string& recovered() const noexcept { return recovered_; }

    /// Waits until what `open` found and wrote is durable. Once; the first change does so, too. Errors: io.
    Result<void> settle();
    /// What is there, and the epoch that `open` began. Errors: io, corrupt.
    Result<core::StoreSnapshot> load();
    /// All changes in one transaction: all or none. `kept_audit` entries of the audit (the newest; whose: shares.hpp)
    /// and the newest `kept_runs` runs of each process stay. Errors: io, corrupt (the file was damaged or removed;
    /// nothing is kept then). It is written then, and durable once what `wal_path` names is synced.
    Result<void> commit(const std::vector<core::StoreChange>& changes);

    static std::filesystem::path wal_path(const std::filesystem::path& directory);
    /// Waits until all that was committed is durable. Errors: io.
    Result<void> sync();
    /// Numbers of processes: the lowest that was never used, and the one below which all may be used because that is on
    /// record. More are put on record in the transaction of a change, long before they are needed; the caller sees to
    /// it that this is durable by then.
    std::uint32_t next_process() const noexcept { return next_process_; }
    std::uint32_t reserved_processes() const noexcept { return reserved_processes_; }
    /// From now on twice as many are reserved at once, as long as that is not too much of a gap after a power cut: they
    /// are used up faster than they become durable.
    void reserve_more() noexcept { block_ = std::min(block_ * 2, most_reserved); }

    /// Pages of the database that wait in the WAL.
    int wal_pages() const noexcept;
    /// Takes them into the database, and begins the WAL anew. Waits for the disk. Errors: io, corrupt.
    Result<void> checkpoint();

    /// See core::Store.
    Result<std::vector<core::AuditEntry>> read_audit(const core::AuditQuery& query);

private:
    struct Statements;
    Registry();
    static Result<Registry> open_as_it_is(const std::filesystem::path& file, base::BootId boot);
    Result<void> prepare(base::BootId boot);
    Result<void> find_epoch(base::BootId boot);
    Result<void> begin_epoch(base::BootId boot);
    Result<void> set_meta(std::string_view name, std::int64_t value);
    Result<void> use_number(ProcessId id);
    Result<void> write(const core::StoreChange& change);
    Result<void> trim_audit();
    Result<void> write_run(const core::RunRecord& run);
    template <class Writes>
    Result<void> in_transaction(Writes writes);
    std::unique_ptr<Statements> statements_;
    std::string recovered_;
    std::uint64_t epoch_ = 0;
    bool is_settled_ = false;
    static constexpr std::uint32_t most_reserved = 1024;
    std::uint32_t next_process_ = 1, reserved_processes_ = 1;
    std::uint32_t block_ = 64;  // how many are reserved at once, at least
};

}  // namespace persistproc::registry
