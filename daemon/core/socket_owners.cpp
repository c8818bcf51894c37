#include "daemon/core/socket_owners.hpp"

#include <algorithm>
#include <utility>

#include "common/async/notifier.hpp"
#include "common/async/offload.hpp"
#include "common/base/proc.hpp"

namespace persistproc::core {

namespace asio = boost::asio;

struct SocketOwners::State {
    State(asio::any_io_executor executor, async::Clock& c, asio::thread_pool& t, std::function<Walk()> w)
        : clock(c), threads(t), walk(std::move(w)), landed(std::move(executor)) {}

    async::Clock& clock;
    asio::thread_pool& threads;
    std::function<Walk()> walk;
    Walk known;
    std::uint64_t begun = 0, finished = 0;  // numbers of walks
    bool is_walking = false;
    MonoTime next_walk = MonoTime::min();
    async::Notifier landed;

    static Task<> go(std::shared_ptr<State> self);
};

/// Whoever asks first walks for all. One that is cancelled before it begins leaves it to another.
Task<> SocketOwners::State::go(std::shared_ptr<State> self) {
    struct Walking {
        explicit Walking(State& s) : state(s) { state.is_walking = true; }
        ~Walking() {
            state.is_walking = false;
            state.landed.notify_all();
        }
        State& state;
    } const walking(*self);
    co_await self->clock.sleep_until(self->next_walk);
    const std::uint64_t number = ++self->begun;
    // Turns and places wait for it, for whoever came anew while others take all there is: it gives way to nobody.
    auto work = [walk = self->walk] { return walk(); };
    auto found = co_await async::offload(self->threads, std::move(work));
    self->known = std::move(found);
    self->finished = number;
    self->next_walk = self->clock.now() + walk_interval;
}

SocketOwners::SocketOwners(asio::any_io_executor executor, async::Clock& clock, asio::thread_pool& threads,
                           std::function<Walk()> walk)
    : state_(std::make_shared<State>(std::move(executor), clock, threads, std::move(walk))) {}

Task<pid_t> SocketOwners::find(std::uint64_t socket_inode) const {
    const auto state = state_;
    for (const std::uint64_t before = state->begun;;) {
        if (const auto owner = state->known.find(socket_inode); owner != state->known.end()) co_return owner->second;
        if (state->finished > before) co_return 0;
        if (state->is_walking)
            co_await state->landed.wait();
        else
            co_await State::go(state);
    }
}

SocketOwners::Walk SocketOwners::walk_processes() {
    Walk out;
    for (const pid_t pid : base::list_processes())
        for (const auto inode : base::socket_inodes(pid)) {
            auto& owner = out.try_emplace(inode, pid).first->second;
            owner = std::min(owner, pid);
        }
    return out;
}

}  // namespace persistproc::core
