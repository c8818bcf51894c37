#pragma once
/// Definitions, wanted state, history of runs and audit in `<data>/persistproc.db`. Synchronous: one thread at a
/// time. Derivable from the run directories, so a damaged file is moved aside and begun anew.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "daemon/core/store.hpp"

namespace persistproc::registry {

inline constexpr int schema_version = 1;

class Registry {
public:
    /// Opens `<directory>/persistproc.db`, creating or migrating it. A damaged file is renamed to
    /// `persistproc.db.damaged-<time>` and `recovered` says so. Errors: io, unsupported (a newer schema).
    static Result<Registry> open(const std::filesystem::path& directory);
    Registry(Registry&&) noexcept;
    ~Registry();

    const std::string& recovered() const noexcept { return recovered_; }

    /// Begins a new epoch and loads what is there. Errors: io, corrupt.
    Result<core::StoreSnapshot> load();
    /// All changes in one transaction: all or none. Errors: io.
    Result<void> commit(const std::vector<core::StoreChange>& changes);

    /// Sessions of the HTTP transport that were deleted: they stay dead for the daemons to come. The newest 4,096 are
    /// kept.
    Result<std::vector<std::string>> load_dead_sessions();
    Result<void> bury_session(const std::string& id);

private:
    struct Statements;
    Registry();
    Result<void> prepare();
    Result<void> write(const core::StoreChange& change);
    std::unique_ptr<Statements> statements_;
    std::string recovered_;
};

}  // namespace persistproc::registry
