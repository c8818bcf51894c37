#include "daemon/registry/async_registry.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <mutex>
#include <unordered_set>

#include "common/async/notifier.hpp"
#include "common/async/offload.hpp"
#include "common/base/diagnostics.hpp"

namespace persistproc::registry {

namespace asio = boost::asio;

struct AsyncRegistry::State {
    State(asio::any_io_executor e, Registry r) : executor(std::move(e)), registry(std::move(r)) {}

    struct Waiting {
        explicit Waiting(asio::any_io_executor e) : done(std::move(e)) {}
        async::Notifier done;
        std::optional<Result<void>> result;
    };
    struct Pending {
        core::StoreChange change;
        std::shared_ptr<Waiting> waiting;
    };

    asio::any_io_executor executor;
    Registry registry;  // the thread's alone
    std::mutex mutex;   // guards `pending`
    std::vector<Pending> pending;
    std::unordered_set<std::string> dead;  // the executor's alone
    asio::thread_pool thread{1};           // last: joined before the rest goes

    /// On the thread: everything that has gathered, in one transaction; one by one if that fails, so that a bad
    /// change does not take the others with it.
    void flush() {
        std::vector<Pending> batch;
        {
            const std::lock_guard lock(mutex);
            batch.swap(pending);
        }
        if (batch.empty()) return;
        std::vector<core::StoreChange> changes;
        changes.reserve(batch.size());
        for (auto& each : batch) changes.push_back(std::move(each.change));
        const auto together = registry.commit(changes);
        for (std::size_t i = 0; i < batch.size(); ++i) {
            Result<void> result = together;
            if (!together && batch.size() > 1) result = registry.commit({changes[i]});
            asio::post(executor, [waiting = batch[i].waiting, result] {
                waiting->result = result;
                waiting->done.notify_all();
            });
        }
    }
};

AsyncRegistry::AsyncRegistry(asio::any_io_executor executor, Registry registry)
    : state_(std::make_shared<State>(std::move(executor), std::move(registry))) {}

AsyncRegistry::~AsyncRegistry() { state_->thread.join(); }

Task<Result<core::StoreSnapshot>> AsyncRegistry::load() {
    auto state = state_;
    auto read = [state] {
        auto snapshot = state->registry.load();
        auto dead = state->registry.load_dead_sessions();
        return std::make_pair(std::move(snapshot), std::move(dead));
    };
    auto both = co_await async::offload(state->thread, std::move(read));
    if (both.second) state->dead.insert(both.second->begin(), both.second->end());
    co_return std::move(both.first);
}

Task<Result<void>> AsyncRegistry::commit(core::StoreChange change) {
    auto state = state_;
    auto waiting = std::make_shared<State::Waiting>(state->executor);
    {
        const std::lock_guard lock(state->mutex);
        State::Pending pending{std::move(change), waiting};
        state->pending.push_back(std::move(pending));
    }
    asio::post(state->thread, [raw = state.get()] { raw->flush(); });
    while (!waiting->result) co_await waiting->done.wait();
    co_return *waiting->result;
}

bool AsyncRegistry::is_dead_session(const std::string& id) const { return state_->dead.contains(id); }

void AsyncRegistry::bury_session(std::string id) {
    if (!state_->dead.insert(id).second) return;
    asio::post(state_->thread, [raw = state_.get(), id = std::move(id)] {
        if (auto buried = raw->registry.bury_session(id); !buried)
            base::report(base::Severity::warning, "a deleted session could not be recorded: {}",
                         buried.error().message);
    });
}

}  // namespace persistproc::registry
