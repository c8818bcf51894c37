#include "daemon/core/log_changes.hpp"

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/async/notifier.hpp"
#include "common/async/offload.hpp"

namespace persistproc::core {

namespace asio = boost::asio;

/// One directory that somebody follows.
struct LogChanges::Entry {
    Entry(asio::any_io_executor executor, std::string p) : path(std::move(p)), grown(executor) {}
    std::string path;
    std::optional<int> watch;  // nothing: its followers look
    std::size_t followers = 0;
    async::Notifier grown;
};

struct LogChanges::State : std::enable_shared_from_this<LogChanges::State> {
    State(asio::any_io_executor e, async::Clock& c, asio::thread_pool& r,
          std::function<Result<logstore::LogWatches>()> o)
        : executor(std::move(e)), clock(c), readers(r), open(std::move(o)) {}

    asio::any_io_executor executor;
    async::Clock& clock;
    asio::thread_pool& readers;
    std::function<Result<logstore::LogWatches>()> open;  // empty: the LogChanges is gone
    std::optional<logstore::LogWatches> watches;
    std::optional<asio::posix::stream_descriptor> descriptor;  // of `watches`, which own it
    std::map<std::string, std::shared_ptr<Entry>> by_path;
    std::map<int, std::weak_ptr<Entry>> by_watch;

    void wait() {
        descriptor->async_wait(asio::posix::stream_descriptor::wait_read,
                               [weak = weak_from_this()](boost::system::error_code failed) {
                                   const auto self = weak.lock();
                                   if (!self || failed) return;
                                   self->tell();
                                   self->wait();
                               });
    }

    void tell() {
        const auto changes = watches->take();
        std::vector<std::shared_ptr<Entry>> told;
        for (const int each : changes.changed) {
            const auto found = by_watch.find(each);
            if (found == by_watch.end()) continue;
            if (auto entry = found->second.lock()) told.push_back(std::move(entry));
        }
        // What was dropped may have been a change, or the end, of any of them.
        if (changes.overflowed) {
            told.clear();
            for (const auto& [path, entry] : by_path) told.push_back(entry);
        }
        for (const auto& entry : told) {
            const bool is_gone = entry->watch && std::find(changes.gone.begin(), changes.gone.end(), *entry->watch) !=
                                                     changes.gone.end();
            // Somebody removed the directory; the shim has made another in its place before the old one is given up.
            if (is_gone || changes.overflowed) watch(*entry);
            entry->grown.notify_all();
        }
    }

    /// Watches the directory that is at the entry's path now. False: it cannot be watched.
    bool watch(Entry& entry) {
        if (entry.watch) by_watch.erase(*entry.watch);
        entry.watch.reset();
        if (!watches && open) {
            auto opened = open();
            if (!opened) return false;
            watches.emplace(std::move(*opened));
            descriptor.emplace(executor, watches->fd());
            wait();
        }
        if (!watches) return false;
        const auto added = watches->add(entry.path);
        if (!added) return false;
        entry.watch = *added;
        by_watch[*added] = by_path.at(entry.path);
        return true;
    }

    void leave(const std::shared_ptr<Entry>& entry) {
        if (--entry->followers > 0) return;
        by_path.erase(entry->path);
        if (!entry->watch) return;
        by_watch.erase(*entry->watch);
        if (watches) watches->remove(*entry->watch);
    }
};

LogChanges::LogChanges(asio::any_io_executor executor, async::Clock& clock, asio::thread_pool& readers,
                       std::function<Result<logstore::LogWatches>()> open)
    : state_(std::make_shared<State>(std::move(executor), clock, readers, std::move(open))) {}

LogChanges::~LogChanges() {
    state_->open = nullptr;
    if (state_->descriptor) state_->descriptor->release();
    state_->descriptor.reset();
    state_->watches.reset();
}

std::unique_ptr<LogChanges::Follower> LogChanges::follow(const std::filesystem::path& log) {
    auto& entry = state_->by_path[log.native()];
    if (!entry) {
        entry = std::make_shared<Entry>(state_->executor, log.native());
        state_->watch(*entry);
    }
    return std::make_unique<Follower>(state_, entry);
}

LogChanges::Follower::Follower(std::shared_ptr<State> state, std::shared_ptr<Entry> entry)
    : state_(std::move(state)), entry_(std::move(entry)), seen_(entry_->grown.count()) {
    ++entry_->followers;
}

LogChanges::Follower::~Follower() { state_->leave(entry_); }

Task<> LogChanges::Follower::grown() {
    while (entry_->grown.count() == seen_) {
        if (entry_->watch) {
            co_await entry_->grown.wait();
            continue;
        }
        if (stamp_) {
            const MonoTime next = state_->clock.now() + look_interval;
            co_await state_->clock.sleep_until(next);
        }
        // From now on the kernel tells; what came before the watch it does not.
        if (!entry_->watch && state_->watch(*entry_)) entry_->grown.notify_all();
        auto look = [path = entry_->path] { return logstore::find_log_stamp(path); };
        const auto stamp = co_await async::offload(state_->readers, std::move(look));
        const bool is_same = stamp_ == stamp;
        stamp_ = stamp;
        if (!is_same) break;
    }
    seen_ = entry_->grown.count();
}

}  // namespace persistproc::core
