#include "daemon/core/file_watches.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "common/async/offload.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/text.hpp"

namespace persistproc::core {

namespace asio = boost::asio;

namespace {

constexpr std::size_t most_unclaimed = 10'000;
constexpr std::string_view untold = "more files than the kernel told of";

std::chrono::nanoseconds span_of(double seconds) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
}

bool is_below(const std::string& path, const std::string& directory) {
    return path == directory ||
           (path.starts_with(directory) && path.size() > directory.size() && path[directory.size()] == '/');
}

}  // namespace

struct FileWatches::Watched {
    Watched(asio::any_io_executor executor, ProcessId process, watch::Filter rules, std::chrono::nanoseconds debounce)
        : id(process), filter(std::move(rules)), bursts(debounce), moved(std::move(executor)) {}

    ProcessId id;
    domain::Watch wish;
    watch::Filter filter;
    std::string repository;
    std::map<int, std::string> directories;  // by the number of the watch
    watch::Bursts bursts;
    std::map<std::string, watch::FileVersion> versions;  // of files that count, as they were seen last
    std::map<std::string, bool> closed;                  // to be looked at: whether that it has changed is told already
    bool is_comparing = false;
    async::Notifier moved;      // a change, or it is watched no more
    std::uint32_t run = 0;      // the newest that was seen
    std::uint64_t ups = 0;      // WatchedState
    bool is_run_again = false;  // by a change, now
    std::optional<Cause> trouble;
};

struct FileWatches::Walked {
    watch::Filter filter;
    watch::Tree tree;
    std::map<int, std::string> directories;
    std::optional<Error> failed;
};

FileWatches::FileWatches(asio::any_io_executor executor, async::Clock& clock, Supervisor& supervisor,
                         asio::thread_pool& walkers, std::filesystem::path data)
    : executor_(executor),
      clock_(clock),
      supervisor_(supervisor),
      walkers_(walkers),
      data_(data.native()),
      tasks_(executor) {
    tasks_.spawn("watches of files", follow_processes());
}

FileWatches::~FileWatches() {
    if (descriptor_) descriptor_->release();
}

// ---- processes ----

Task<> FileWatches::follow_processes() {
    auto events = supervisor_.events().subscribe();
    const auto look_at_all = [this](const std::vector<Located>& all) {
        for (const auto& each : all) look(each.id);
    };
    for (;;) {
        // Waits for what an earlier daemon left.
        const auto all = co_await supervisor_.locate_all();
        if (all) {
            look_at_all(*all);
            break;
        }
        // It takes long, or failed: something is told once there is something to know.
        (void)co_await events.next();
    }
    for (;;) {
        const Event event = co_await events.next();
        if (const auto* changed = std::get_if<ProcessChanged>(&event)) {
            look(changed->id);
        } else if (const auto* removed = std::get_if<ProcessRemoved>(&event)) {
            end(removed->id);
        } else if (std::holds_alternative<EventsLost>(event)) {
            const auto all = co_await supervisor_.locate_all();
            if (all) look_at_all(*all);
        }
    }
}

void FileWatches::look(ProcessId id) {
    const auto state = supervisor_.watched_state(id);
    if (!state || !state->watch || state->is_stopped) {
        end(id);
        return;
    }
    const auto found = watched_.find(id);
    if (found == watched_.end() || found->second->wish != *state->watch) {
        end(id);
        begin(id, *state->watch, *state);
        return;
    }
    Watched& watched = *found->second;
    const bool is_brought_up = std::exchange(watched.ups, state->ups) != state->ups;
    const bool is_other_run = std::exchange(watched.run, state->run) != state->run && !watched.is_run_again;
    // What has changed before is part of this run.
    if (is_other_run) watched.bursts.drop();
    if (!is_brought_up && !(is_other_run && state->on_request)) return;
    watched.bursts.forgive();
    if (watched.trouble && watched.trouble->code == CauseCode::watch_suspended) tell(found->second, std::nullopt);
}

void FileWatches::begin(ProcessId id, const domain::Watch& watch, const WatchedState& state) {
    auto filter = watch::Filter::make({.root = watch.directory,
                                       .paths = watch.paths,
                                       .ignore = watch.ignore,
                                       .gitignore = watch.gitignore,
                                       .defaults = watch.defaults,
                                       .never = {data_}});
    if (!filter) {
        supervisor_.tell_of_watch(id, Cause{.code = CauseCode::watch_failed, .text = filter.error().message});
        return;
    }
    auto watched = std::make_shared<Watched>(executor_, id, std::move(*filter), span_of(watch.debounce_seconds));
    watched->wish = watch;
    watched->run = state.run;
    watched->ups = state.ups;
    watched_[id] = watched;
    if (!open()) {
        tell(watched, Cause{.code = CauseCode::watch_failed, .text = trouble_->message});
        return;
    }
    tasks_.spawn("walk", walk(watched, watch.directory, true));
    tasks_.spawn("runs again what its files have changed of", act(watched));
}

void FileWatches::end(ProcessId id) {
    const auto found = watched_.find(id);
    if (found == watched_.end()) return;
    const WatchedPtr watched = found->second;
    watched_.erase(found);
    while (!watched->directories.empty()) forget(watched, watched->directories.begin()->first);
    if (watched->trouble) supervisor_.tell_of_watch(id, std::nullopt);
    watched->moved.notify_all();
}

bool FileWatches::holds(const WatchedPtr& watched) const {
    const auto found = watched_.find(watched->id);
    return found != watched_.end() && found->second == watched;
}

void FileWatches::tell(const WatchedPtr& watched, std::optional<Cause> trouble) {
    watched->trouble = trouble;
    supervisor_.tell_of_watch(watched->id, std::move(trouble));
}

// ---- when it is time ----

Task<> FileWatches::act(WatchedPtr watched) {
    while (holds(watched)) {
        const auto due = watched->bursts.wake_at();
        if (!due) {
            co_await watched->moved.wait();
            continue;
        }
        if (clock_.now() < *due) {
            co_await watched->moved.wait_until(*due, clock_);
            continue;
        }
        auto look = [repository = watched->repository] { return watch::is_git_busy(repository); };
        const bool is_held = co_await async::offload(walkers_, std::move(look));
        if (!holds(watched)) co_return;
        auto act = watched->bursts.wake(clock_.now(), is_held);
        if (act) {
            co_await run_again(watched, std::move(act->path));
            watched->bursts.finish(clock_.now());
        } else if (watched->bursts.is_suspended()) {
            Cause cause{.code = CauseCode::watch_suspended, .count = watch::most_acts};
            cause.seconds = std::chrono::duration<double>(watch::acts_within).count();
            cause.text = watched->bursts.last_path();
            base::report(base::Severity::warning, "{}: {}", to_string(watched->id), domain::cause_text(cause));
            tell(watched, std::move(cause));
        }
    }
}

Task<> FileWatches::run_again(WatchedPtr watched, std::string path) {
    watched->is_run_again = true;
    const auto then = supervisor_.watched_state(watched->id);
    const bool may_restart = co_await supervisor_.may_restart(watched->id);
    const auto now = holds(watched) ? supervisor_.watched_state(watched->id) : std::nullopt;
    // Else it was stopped meanwhile, or begun since the change, or is about to be.
    const bool is_due = may_restart && then && now && now->run == then->run;
    if (is_due) {
        // Whatever has changed until now is part of the run that is to come.
        watched->bursts.drop();
        co_await restart(watched, std::move(path));
    }
    watched->is_run_again = false;
    if (const auto state = supervisor_.watched_state(watched->id)) watched->run = state->run;
}

Task<> FileWatches::restart(WatchedPtr watched, std::string path) {
    ops::RestartRequest request;
    request.process = to_string(watched->id);
    // Whoever asks why it ended is told who: this.
    std::string actor = "a change of " + base::excerpt(path);
    auto done = co_await supervisor_.restart(std::move(request), std::move(actor));
    if (done)
        supervisor_.note_changed_file(watched->id, base::excerpt(path));
    else
        base::report(base::Severity::warning, "{}: {} has changed: {}", to_string(watched->id), base::excerpt(path),
                     done.error().message);
}

void FileWatches::note_change(const WatchedPtr& watched, std::string path) {
    watched->bursts.change(std::move(path), clock_.now());
    watched->moved.notify_all();
}

// ---- directories ----

Task<> FileWatches::walk(WatchedPtr watched, std::string directory, bool is_anew) {
    ++walks_;
    // A walk from the root knows its rules from the files alone.
    auto filter = is_anew ? watch::Filter::make(watched->filter.wish()) : Result<watch::Filter>(watched->filter);
    const std::size_t in_all = directories_.size();
    auto work = [filter = std::move(*filter), directory, watches = watches_, in_all, is_anew,
                 find_bound = find_bound]() mutable {
        const std::size_t bound = find_bound();
        // Before they are watched: what is written meanwhile is another version.
        watch::Tree tree = watch::walk(filter, directory);
        Walked out{.filter = std::move(filter), .tree = {}, .directories = {}, .failed = {}};
        for (const auto& each : tree.directories) {
            if (in_all + out.directories.size() >= bound) {
                out.failed = Error{ErrorCode::limit,
                                   "a quarter of this user's inotify watches are used: sysctl "
                                   "fs.inotify.max_user_watches raises them"};
                break;
            }
            const auto number = watches->add(each);
            if (number) {
                out.directories[*number] = each;
            } else if (number.error().code != ErrorCode::not_found) {
                out.failed = number.error();
                break;
            }
        }
        if (tree.is_cut && !out.failed)
            out.failed = Error{ErrorCode::limit,
                               fmt::format("more than {} directories: name fewer of them", watch::most_directories)};
        // Made after the watch they are told of; before, they are seen here, if the walk follows the watch.
        if (!is_anew && !out.failed) tree.files = watch::walk(out.filter, directory).files;
        out.tree = std::move(tree);
        return out;
    };
    auto walked = co_await async::offload(walkers_, std::move(work));
    --walks_;
    if (holds(watched)) {
        take_in(watched, std::move(walked), is_anew);
    } else {
        for (const auto& [number, path] : walked.directories) unused_.push_back(number);
    }
    auto unclaimed = std::exchange(unclaimed_, {});
    for (const auto& each : unclaimed) hear(each);
    if (walks_ == 0) {
        unclaimed_.clear();
        collect();
    }
}

void FileWatches::take_in(const WatchedPtr& watched, Walked walked, bool is_anew) {
    if (is_anew) {
        watched->repository = walked.tree.repository;
        std::vector<int> left;
        for (const auto& [number, path] : watched->directories)
            if (!walked.directories.contains(number)) left.push_back(number);
        for (const int number : left) forget(watched, number);
    }
    watched->filter = std::move(walked.filter);
    for (const auto& [number, path] : walked.directories) {
        watched->directories[number] = path;
        directories_[number][watched->id] = path;
    }
    if (walked.failed) {
        const std::string why = walked.failed->message;
        base::report(base::Severity::warning, "{}: its files are not watched: {}", to_string(watched->id), why);
        while (!watched->directories.empty()) forget(watched, watched->directories.begin()->first);
        tell(watched, Cause{.code = CauseCode::watch_failed, .text = why});
        return;
    }
    if (watched->trouble && watched->trouble->code == CauseCode::watch_failed) tell(watched, std::nullopt);
    for (const auto& [file, version] : walked.tree.files) {
        // What the kernel has told of before is compared with what was there before.
        if (is_anew) watched->versions.emplace(file, version);
        if (is_anew) continue;
        watched->versions.insert_or_assign(file, version);
        note_change(watched, std::string(watched->filter.relative(file)));
    }
}

void FileWatches::forget(const WatchedPtr& watched, int number) {
    watched->directories.erase(number);
    const auto found = directories_.find(number);
    if (found == directories_.end()) return;
    found->second.erase(watched->id);
    if (!found->second.empty()) return;
    directories_.erase(found);
    unused_.push_back(number);
    if (walks_ == 0) collect();
}

/// Gives back the watches that nobody has come to use meanwhile.
void FileWatches::collect() {
    for (const int number : std::exchange(unused_, {}))
        if (!directories_.contains(number)) watches_->remove(number);
}

// ---- what the kernel tells ----

bool FileWatches::open() {
    if (watches_) return true;
    auto opened = watch::DirectoryWatches::open();
    if (!opened) {
        trouble_ = opened.error();
        return false;
    }
    watches_ = std::make_shared<watch::DirectoryWatches>(std::move(*opened));
    descriptor_.emplace(executor_, watches_->fd());
    listen();
    return true;
}

void FileWatches::listen() {
    descriptor_->async_wait(asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code failed) {
        if (failed) return;
        hear();
        listen();
    });
}

void FileWatches::hear() {
    const auto changes = watches_->take();
    for (const auto& each : changes.events) hear(each);
    for (const int number : changes.ended) {
        const auto found = directories_.find(number);
        if (found == directories_.end()) continue;
        for (const auto& [id, path] : found->second)
            if (const auto watched = watched_.find(id); watched != watched_.end())
                watched->second->directories.erase(number);
        directories_.erase(found);
    }
    if (!changes.overflowed) return;
    for (const auto& [id, watched] : watched_) {
        tasks_.spawn("walk", walk(watched, watched->wish.directory, true));
        note_change(watched, std::string(untold));
    }
}

void FileWatches::hear(const watch::DirectoryWatches::Event& event) {
    const auto found = directories_.find(event.watch);
    if (found == directories_.end()) {
        if (walks_ > 0 && unclaimed_.size() < most_unclaimed) unclaimed_.push_back(event);
        return;
    }
    // A copy: what is heard may end what hears it.
    const auto hearers = found->second;
    for (const auto& [id, directory] : hearers)
        if (const auto watched = watched_.find(id); watched != watched_.end()) hear(watched->second, directory, event);
}

void FileWatches::hear(const WatchedPtr& watched, const std::string& directory,
                       const watch::DirectoryWatches::Event& event) {
    const std::string path = directory + "/" + event.name;
    if (event.is_directory) {
        if (event.has_gone) {
            std::vector<int> below;
            for (const auto& [number, each] : watched->directories)
                if (is_below(each, path)) below.push_back(number);
            for (const int number : below) forget(watched, number);
            std::erase_if(watched->versions, [&path](const auto& each) { return is_below(each.first, path); });
        }
        if (event.has_come && watched->filter.enters(path)) tasks_.spawn("walk", walk(watched, path, false));
        return;
    }
    if (event.name == ".gitignore") tasks_.spawn("walk", walk(watched, watched->wish.directory, true));
    if (!watched->filter.counts(path)) return;
    const bool is_told = event.has_come || event.has_gone;
    if (is_told) note_change(watched, std::string(watched->filter.relative(path)));
    if (event.has_gone) {
        watched->versions.erase(path);
        return;
    }
    auto& told = watched->closed.try_emplace(path, is_told).first->second;
    told = told && is_told;
    if (std::exchange(watched->is_comparing, true)) return;
    tasks_.spawn("versions of files", compare(watched));
}

Task<> FileWatches::compare(WatchedPtr watched) {
    while (holds(watched) && !watched->closed.empty()) {
        const auto closed = std::exchange(watched->closed, {});
        auto look = [closed] {
            std::map<std::string, watch::FileVersion> out;
            for (const auto& [file, is_told] : closed)
                if (const auto version = watch::find_version(file)) out.emplace(file, *version);
            return out;
        };
        const auto found = co_await async::offload(walkers_, std::move(look));
        auto& versions = watched->versions;
        for (const auto& [file, version] : found) {
            const auto known = versions.find(file);
            const bool is_other = known == versions.end() || known->second != version;
            if (known != versions.end())
                known->second = version;
            else if (versions.size() < watch::most_files)
                versions.emplace(file, version);
            if (is_other && !closed.at(file)) note_change(watched, std::string(watched->filter.relative(file)));
        }
    }
    watched->is_comparing = false;
}

}  // namespace persistproc::core
