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
    State(asio::any_io_executor e, std::filesystem::path d, EndedSessions s)
        : executor(std::move(e)), directory(std::move(d)), ended(std::move(s)) {
        for (const auto& id : ended.found()) remember_dead(id);
    }

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
    std::filesystem::path directory;
    std::optional<Registry> registry;  // the thread's alone, as are the next two
    std::optional<Error> failed;
    EndedSessions ended;
    std::mutex mutex;  // guards the next two
    std::vector<Pending> pending;
    std::vector<std::string> to_bury;
    std::unordered_set<std::string> dead;  // the executor's alone, as is the next
    std::deque<std::string> dead_by_age;
    asio::thread_pool thread{1};  // last: joined before the rest goes

    /// False: it was known already.
    bool remember_dead(const std::string& id) {
        if (!dead.insert(id).second) return false;
        dead_by_age.push_back(id);
        if (dead_by_age.size() > kept_ended_sessions) {
            dead.erase(dead_by_age.front());
            dead_by_age.pop_front();
        }
        return true;
    }

    /// On the thread: opens the database unless that has been tried.
    Result<void> ensure_open() {
        if (failed) return *failed;
        if (registry) return boost::system::in_place_value;
        auto opened = Registry::open(directory);
        if (!opened) {
            failed = opened.error();
            return *failed;
        }
        if (!opened->recovered().empty()) base::report(base::Severity::warning, "{}", opened->recovered());
        registry.emplace(std::move(*opened));
        return boost::system::in_place_value;
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
        if (auto buried = ended.append(sessions); !buried)
            base::report(base::Severity::warning, "ended sessions could not be recorded: {}", buried.error().message);
    }

    void commit(std::vector<Pending> batch) {
        std::vector<core::StoreChange> changes;
        changes.reserve(batch.size());
        for (auto& each : batch) changes.push_back(std::move(each.change));
        const auto opened = ensure_open();
        const auto together = opened ? registry->commit(changes) : opened;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            Result<void> result = together;
            if (opened && !together && batch.size() > 1) result = registry->commit({changes[i]});
            asio::post(executor, [waiting = batch[i].waiting, result] {
                waiting->result = result;
                waiting->done.notify_all();
            });
        }
    }
};

AsyncRegistry::AsyncRegistry(asio::any_io_executor executor, std::filesystem::path directory, EndedSessions ended)
    : state_(std::make_shared<State>(std::move(executor), std::move(directory), std::move(ended))) {}

AsyncRegistry::~AsyncRegistry() { state_->thread.join(); }

Task<Result<void>> AsyncRegistry::open() {
    auto state = state_;
    auto open = [state] { return state->ensure_open(); };
    co_return co_await async::offload(state->thread, std::move(open));
}

Task<Result<core::StoreSnapshot>> AsyncRegistry::load() {
    auto state = state_;
    auto read = [state]() -> Result<core::StoreSnapshot> {
        if (auto opened = state->ensure_open(); !opened) return opened.error();
        return state->registry->load();
    };
    co_return co_await async::offload(state->thread, std::move(read));
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
