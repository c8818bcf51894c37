#include "daemon/registry/async_registry.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
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
    std::mutex mutex;   // guards the next two
    std::vector<Pending> pending;
    std::vector<std::string> to_bury;
    std::unordered_set<std::string> dead;  // the executor's alone, as is the next
    std::deque<std::string> dead_by_age;
    asio::thread_pool thread{1};  // last: joined before the rest goes

    /// False: it was known already.
    bool remember_dead(const std::string& id) {
        if (!dead.insert(id).second) return false;
        dead_by_age.push_back(id);
        if (dead_by_age.size() > kept_dead_sessions) {
            dead.erase(dead_by_age.front());
            dead_by_age.pop_front();
        }
        return true;
    }

    /// On the thread: everything that has gathered, in one transaction; one by one if that fails, so that a bad
    /// change does not take the others with it.
    void flush() {
        std::vector<Pending> batch;
        std::vector<std::string> sessions;
        {
            const std::lock_guard lock(mutex);
            batch.swap(pending);
            sessions.swap(to_bury);
        }
        if (!batch.empty()) commit(std::move(batch));
        if (sessions.empty()) return;
        if (auto buried = registry.bury_sessions(sessions); !buried)
            base::report(base::Severity::warning, "deleted sessions could not be recorded: {}", buried.error().message);
    }

    void commit(std::vector<Pending> batch) {
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
    if (both.second)
        for (const auto& id : *both.second) state->remember_dead(id);
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
    if (!state_->remember_dead(id)) return;
    {
        const std::lock_guard lock(state_->mutex);
        state_->to_bury.push_back(std::move(id));
    }
    asio::post(state_->thread, [raw = state_.get()] { raw->flush(); });
}

}  // namespace persistproc::registry
