#include "daemon/registry/async_registry.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <deque>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "common/async/notifier.hpp"
#include "common/async/offload.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/file.hpp"
#include "common/base/unique_fd.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "daemon/core/writeback.hpp"
#include "daemon/registry/remembered.hpp"

namespace persistproc::registry {

namespace asio = boost::asio;

namespace {

// A checkpoint waits for the disk, and commits wait for it: it is done when there are none, or when it must be.
constexpr int many_wal_pages = 1000, most_wal_pages = 16000;  // 4 and 64 MiB
constexpr auto quiet_enough = std::chrono::seconds(2);
// Where there was no room, how long until it is looked for again unless somebody has something to write. To open the
// database is to read all of it.
constexpr auto shortest_pause = std::chrono::seconds(1), longest_pause = std::chrono::seconds(8);

}  // namespace

struct AsyncRegistry::State {
    State(asio::any_io_executor e, std::filesystem::path d, EndedSessions s)
        : executor(std::move(e)),
          directory(std::move(d)),
          audited(executor),
          ended(std::move(s)),
          held(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
        for (const auto& id : ended.found()) remember_dead(id);
    }

    struct Waiting {
        explicit Waiting(asio::any_io_executor e) : executor(std::move(e)), done(executor) {}
        asio::any_io_executor executor;
        async::Notifier done;
        std::optional<Result<void>> result;

        /// Any thread.
        static void tell(const std::shared_ptr<Waiting>& self, const Result<void>& result) {
            asio::post(self->executor, [self, result] {
                self->result = result;
                self->done.notify_all();
            });
        }
    };
    struct Pending {
        core::StoreChange change;
        std::shared_ptr<Waiting> waiting;
    };

    asio::any_io_executor executor;
    std::filesystem::path directory;
    async::Notifier audited;
    std::optional<Registry> registry;      // the thread's alone, as are the next seven; nothing: there is no room
    std::optional<Error> failed;           // never was opened
    std::optional<Remembered> remembered;  // since it was loaded
    Unwritten unwritten;
    EndedSessions ended;
    std::uint32_t reserved = 0, durable_reserved = 0;  // numbers of processes
    std::uint64_t reserved_pass = 0;                   // of `writeback`, that makes `reserved` durable
    base::UniqueFd held;                               // the directory, as it was found
    std::mutex mutex;                                  // guards the next two
    std::vector<Pending> pending;
    std::vector<std::string> to_bury;
    std::unordered_set<std::string> dead;  // the executor's alone, as is the next
    std::deque<std::string> dead_by_age;
    core::Writeback writeback;
    asio::thread_pool thread{1};                     // joined by the owner before the rest goes
    asio::steady_timer quiet{thread}, room{thread};  // the thread's alone, as are the next two
    std::chrono::seconds pause = shortest_pause;
    bool is_closing = false;

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
        if (auto there = check_directory(); !there) return there;
        auto opened = take(Registry::open(directory));
        // One that was open once, or whose disk has no room, is tried again.
        if (!opened && !remembered && !base::is_lack_of_room(opened.error())) failed = opened.error();
        return opened;
    }

    /// On the thread: as `ensure_open`, or it has been seen that the database can be read.
    Result<void> begin() {
        auto opened = ensure_open();
        if (opened || !base::is_lack_of_room(opened.error())) return opened;
        return go_without_room(opened.error());
    }

    /// On the thread, after the database was opened: see AsyncRegistry::settle.
    Result<void> settle() {
        if (!registry) return boost::system::in_place_value;
        auto settled = registry->settle();
        if (settled) return settled;
        registry.reset();
        if (auto lack = base::lack_of_room(directory, settled.error().os_error)) return go_without_room(*lack);
        failed = settled.error();
        return settled;
    }

    /// On the thread: serves what can be read. Errors: it cannot.
    Result<void> go_without_room(const Error& lack) {
        if (auto read = Registry::open_to_read(directory, lack); !read) {
            failed = read.error();
            return read.error();
        }
        base::report(base::Severity::warning,
                     "{}: until then nothing is started, and what happens is recorded once there is room",
                     lack.message);
        look_for_room();
        return boost::system::in_place_value;
    }

    /// On the thread: `work(registry)`, of what can be read where there is no room for more.
    template <class Work>
    auto reading(Work work) -> decltype(work(*registry)) {
        auto result = with_registry(work);
        if (result || registry || !base::is_lack_of_room(result.error())) return result;
        auto read = Registry::open_to_read(directory, result.error());
        if (!read) return read.error();
        return work(*read);
    }

    /// On the thread: what waits for room is written as soon as there is some.
    void look_for_room() {
        if (is_closing) return;
        room.expires_after(pause);
        room.async_wait([this](boost::system::error_code moved_on) {
            if (moved_on || (registry && unwritten.is_empty())) return;
            pause = std::min(pause * 2, longest_pause);
            if (const auto done = commit({}); !done) return look_for_room();
            pause = shortest_pause;
            base::report(base::Severity::info, "there is room again at {}: all is recorded", directory.native());
        });
    }

    /// On the thread: whether the data directory is the one that this daemon has locked. A new database in another one
    /// would be shared with the next daemon.
    Result<void> check_directory() const {
        struct stat ours {
        }, found{};
        if (::fstat(held.get(), &ours) != 0) return boost::system::in_place_value;
        const bool is_there = ::stat(directory.c_str(), &found) == 0;
        if (is_there ? ours.st_dev == found.st_dev && ours.st_ino == found.st_ino : errno != ENOENT)
            return boost::system::in_place_value;
        return rundir::removed_error(directory);
    }

    /// On the thread: goes on with another database, which is told what was known.
    Result<void> take(Result<Registry> opened) {
        registry.reset();
        if (!opened) return opened.error();
        if (!opened->recovered().empty()) base::report(base::Severity::warning, "{}", opened->recovered());
        if (remembered) {
            if (auto told = opened->commit({remembered->all()}); !told) return told.error();
            if (auto synced = opened->sync(); !synced) return synced.error();
        }
        registry.emplace(std::move(*opened));
        reserved = durable_reserved = registry->reserved_processes();
        return boost::system::in_place_value;
    }

    /// On the thread: `work(registry)`, once more with a new database if the present one turns out to be damaged.
    template <class Work>
    auto with_registry(Work work) -> decltype(work(*registry)) {
        if (auto opened = ensure_open(); !opened) return opened.error();
        auto result = work(*registry);
        if (result || result.error().code != ErrorCode::corrupt) return result;
        const Error damage = result.error();
        registry.reset();
        if (auto there = check_directory(); !there) return there.error();
        if (auto begun = take(Registry::begin_anew(directory, damage)); !begun) return begun.error();
        return work(*registry);
    }

    /// What waits for room goes first.
    Result<void> commit(const std::vector<core::StoreChange>& changes) {
        if (unwritten.is_empty()) return commit_now(changes);
        std::vector<core::StoreChange> all{unwritten.all()};
        all.insert(all.end(), changes.begin(), changes.end());
        auto done = commit_now(all);
        if (done) unwritten = {};
        return done;
    }

    Result<void> commit_now(const std::vector<core::StoreChange>& changes) {
        auto done = with_registry([&](Registry& open) { return open.commit(changes); });
        if (!done && done.error().code == ErrorCode::io)
            if (auto lack = base::lack_of_room(directory, done.error().os_error)) return *lack;
        if (!done) return done;
        if (remembered)
            for (const auto& each : changes) remembered->take(each);
        keep_durable();
        return done;
    }

    /// On the thread, after a commit: it is durable soon; at once only where numbers are given faster than reserving
    /// them becomes durable.
    void keep_durable() {
        if (reserved_pass != 0 && writeback.is_durable(reserved_pass)) durable_reserved = reserved;
        const std::uint64_t pass = writeback.add({{Registry::wal_path(directory)}, {}});
        if (std::exchange(reserved, registry->reserved_processes()) != registry->reserved_processes())
            reserved_pass = pass;
        if (registry->next_process() > durable_reserved) {
            registry->reserve_more();
            if (auto synced = registry->sync(); synced)
                durable_reserved = reserved;
            else
                base::report(base::Severity::warning, "{}", synced.error().message);
        }
        if (registry->wal_pages() >= most_wal_pages)
            checkpoint();
        else if (registry->wal_pages() >= many_wal_pages && !is_closing)
            checkpoint_when_quiet();
    }

    void checkpoint() {
        auto done = with_registry([](Registry& open) { return open.checkpoint(); });
        if (!done) base::report(base::Severity::warning, "{}", done.error().message);
    }

    void checkpoint_when_quiet() {
        quiet.expires_after(quiet_enough);
        quiet.async_wait([this](boost::system::error_code moved_on) {
            if (!moved_on && registry && registry->wal_pages() >= many_wal_pages) checkpoint();
        });
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
        if (!batch.empty()) commit_all(std::move(batch));
        if (sessions.empty()) return;
        if (auto buried = ended.append(sessions); buried)
            writeback.add({{ended.file()}, {directory}});
        else
            base::report(base::Severity::warning, "ended sessions could not be recorded: {}", buried.error().message);
    }

    void commit_all(std::vector<Pending> batch) {
        std::vector<core::StoreChange> changes;
        changes.reserve(batch.size());
        for (auto& each : batch) changes.push_back(std::move(each.change));
        const auto together = commit(changes);
        for (std::size_t i = 0; i < batch.size(); ++i) {
            Result<void> result = together;
            const bool lacks_room = !together && base::is_lack_of_room(together.error());
            if (!together && batch.size() > 1 && registry && !lacks_room) result = commit({changes[i]});
            if (lacks_room && changes[i].is_fact) {
                unwritten.take(std::move(changes[i]));
                look_for_room();
            }
            Waiting::tell(batch[i].waiting, result);
        }
    }
};

AsyncRegistry::AsyncRegistry(asio::any_io_executor executor, std::filesystem::path directory, EndedSessions ended)
    : state_(std::make_shared<State>(std::move(executor), std::move(directory), std::move(ended))) {}

AsyncRegistry::~AsyncRegistry() {
    asio::post(state_->thread, [raw = state_.get()] {
        raw->is_closing = true;
        raw->quiet.cancel();
        raw->room.cancel();
        if (!raw->unwritten.is_empty()) (void)raw->commit({});
        // Else they are skipped after a restart of the machine, and nothing is lost.
        if (raw->registry) (void)raw->registry->close();
    });
    state_->thread.join();
}

Task<Result<void>> AsyncRegistry::open() {
    auto state = state_;
    auto open = [state] { return state->begin(); };
    co_return co_await async::offload(state->thread, std::move(open));
}

Task<Result<void>> AsyncRegistry::settle() {
    auto state = state_;
    auto settle = [state] { return state->settle(); };
    co_return co_await async::offload(state->thread, std::move(settle));
}

Task<Result<core::StoreSnapshot>> AsyncRegistry::load() {
    auto state = state_;
    auto read = [state]() -> Result<core::StoreSnapshot> {
        auto snapshot = state->reading([](Registry& open) { return open.load(); });
        if (snapshot) state->remembered.emplace().take(*snapshot);
        return snapshot;
    };
    co_return co_await async::offload(state->thread, std::move(read));
}

Task<Result<void>> AsyncRegistry::commit(core::StoreChange change) {
    auto state = state_;
    auto waiting = std::make_shared<State::Waiting>(state->executor);
    const bool is_audited = !change.audit.empty();
    {
        const std::lock_guard lock(state->mutex);
        State::Pending pending{std::move(change), waiting};
        state->pending.push_back(std::move(pending));
    }
    asio::post(state->thread, [raw = state.get()] { raw->flush(); });
    while (!waiting->result) co_await waiting->done.wait();
    if (is_audited && *waiting->result) state->audited.notify_all();
    co_return *waiting->result;
}

Task<Result<void>> AsyncRegistry::await_durable() {
    auto waiting = std::make_shared<State::Waiting>(state_->executor);
    core::Unsynced wal{.files = {Registry::wal_path(state_->directory)}, .directories = {}};
    wal.told = [waiting](bool is_durable) {
        State::Waiting::tell(waiting,
                             is_durable ? Result<void>() : Error{ErrorCode::io, "the database could not be synced"});
    };
    state_->writeback.add(std::move(wal));
    while (!waiting->result) co_await waiting->done.wait();
    co_return *waiting->result;
}

Task<Result<std::vector<core::AuditEntry>>> AsyncRegistry::read_audit(core::AuditQuery query) {
    auto state = state_;
    auto read = [state, query = std::move(query)] {
        return state->reading([&](Registry& open) { return open.read_audit(query); });
    };
    co_return co_await async::offload(state->thread, std::move(read));
}

async::Notifier& AsyncRegistry::audited() { return state_->audited; }

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
