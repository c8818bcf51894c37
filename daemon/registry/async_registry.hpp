#pragma once
/// The registry behind a thread of its own: the core's Store, and the graveyard of ended sessions. The thread opens the
/// database too, so that a daemon serves before that is done.
#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <memory>

#include "daemon/registry/ended_sessions.hpp"
#include "daemon/registry/registry.hpp"

namespace persistproc::registry {

class AsyncRegistry final : public core::Store {
public:
    /// `executor` is where callers live. The database in `directory` is not touched yet.
    AsyncRegistry(boost::asio::any_io_executor executor, std::filesystem::path directory, EndedSessions ended);
    /// Completes every change that was handed over, and makes all durable.
    ~AsyncRegistry() override;

    /// Opens the database (see Registry::open); one that was damaged is reported. Only the first call does, and all
    /// others of this class do it for themselves where it was forgotten. Errors: io, unsupported; they stay.
    Task<Result<void>> open();
    /// Completes when what `open` found and wrote is durable: from then on a disk is known to take records, or there is
    /// no room for any. Errors: io; it stays.
    Task<Result<void>> settle();
    Task<Result<core::StoreSnapshot>> load() override;
    /// Changes that wait together are written in one transaction.
    Task<Result<void>> commit(core::StoreChange change) override;
    Task<Result<void>> await_durable() override;
    Task<Result<std::vector<core::AuditEntry>>> read_audit(core::AuditQuery query) override;
    async::Notifier& audited() override;

    /// Sessions that are dead, in memory, known from the beginning. As many as `EndedSessions` keeps.
    bool is_dead_session(const std::string& id) const;
    /// Known at once, durable soon after.
    void bury_session(std::string id);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace persistproc::registry
