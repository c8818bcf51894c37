#include "daemon/core/log_changes.hpp"

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/async/notifier.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::core {

namespace asio = boost::asio;

/// One directory that somebody follows.
struct LogChanges::Entry {
    Entry(asio::any_io_executor executor, std::string p, int w) : path(std::move(p)), watch(w), grown(executor) {}
    std::string path;
    int watch;
    std::size_t followers = 0;
    async::Notifier grown;
};

struct LogChanges::State : std::enable_shared_from_this<LogChanges::State> {
    explicit State(asio::any_io_executor e) : executor(std::move(e)) {}

    asio::any_io_executor executor;
    std::optional<logstore::LogWatches> watches;
    std::optional<asio::posix::stream_descriptor> descriptor;  // of `watches`, which own it
    std::map<std::string, std::shared_ptr<Entry>> by_path;
    std::map<int, std::weak_ptr<Entry>> by_watch;

    Result<void> open() {
        if (watches) return {};
        auto opened = logstore::LogWatches::open();
        if (!opened) return opened.error();
        watches.emplace(std::move(*opened));
        descriptor.emplace(executor, watches->fd());
        wait();
        return {};
    }

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
        std::vector<int> gone;
        for (const int each : watches->take(gone)) {
            const auto found = by_watch.find(each);
            if (found == by_watch.end()) continue;
            const auto entry = found->second.lock();
            if (!entry) continue;
            if (std::find(gone.begin(), gone.end(), each) != gone.end()) watch_again(entry);
            entry->grown.notify_all();
        }
    }

    /// Somebody removed the directory; the shim has made another in its place before the old one is given up.
    void watch_again(const std::shared_ptr<Entry>& entry) {
        by_watch.erase(entry->watch);
        const auto watch = watches->add(entry->path);
        if (!watch) return;
        entry->watch = *watch;
        by_watch[*watch] = entry;
    }

    void leave(const std::shared_ptr<Entry>& entry) {
        if (--entry->followers > 0) return;
        by_path.erase(entry->path);
        by_watch.erase(entry->watch);
        if (watches) watches->remove(entry->watch);
    }
};

LogChanges::LogChanges(asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

LogChanges::~LogChanges() {
    if (state_->descriptor) state_->descriptor->release();
    state_->descriptor.reset();
    state_->watches.reset();
}

Result<std::unique_ptr<LogChanges::Follower>> LogChanges::follow(const std::filesystem::path& log) {
    if (auto opened = state_->open(); !opened) return opened.error();
    auto& entry = state_->by_path[log.native()];
    if (!entry) {
        auto watch = state_->watches->add(log);
        if (!watch) {
            state_->by_path.erase(log.native());
            return watch.error();
        }
        entry = std::make_shared<Entry>(state_->executor, log.native(), *watch);
        state_->by_watch[*watch] = entry;
    }
    return std::make_unique<Follower>(state_, entry);
}

LogChanges::Follower::Follower(std::shared_ptr<State> state, std::shared_ptr<Entry> entry)
    : state_(std::move(state)), entry_(std::move(entry)), seen_(entry_->grown.count()) {
    ++entry_->followers;
}

LogChanges::Follower::~Follower() { state_->leave(entry_); }

Task<> LogChanges::Follower::grown() {
    while (entry_->grown.count() == seen_) co_await entry_->grown.wait();
    seen_ = entry_->grown.count();
}

}  // namespace persistproc::core
