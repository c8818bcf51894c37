#pragma once
/// The registry behind a thread of its own: the core's Store, and the graveyard of deleted sessions.
#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <set>

#include "daemon/registry/registry.hpp"

namespace persistproc::registry {

class AsyncRegistry final : public core::Store {
public:
    /// `executor` is where callers live.
    AsyncRegistry(boost::asio::any_io_executor executor, Registry registry);
    /// Completes every change that was handed over.
    ~AsyncRegistry() override;

    Task<Result<core::StoreSnapshot>> load() override;
    /// Changes that wait together become durable in one transaction.
    Task<Result<void>> commit(core::StoreChange change) override;

    /// Sessions that are dead, in memory; loaded by `load`. As many as the registry keeps.
    bool is_dead_session(const std::string& id) const;
    /// Known at once, durable soon after.
    void bury_session(std::string id);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace persistproc::registry
