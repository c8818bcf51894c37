#pragma once
/// Who waits for a pattern in what programs print. All that wait for one log share the looks at it: the log's growth
/// wakes one task, not each of them, its files are opened once, and equal questions are asked once. A log that grows
/// all the time is looked at fifty times a second, and less often the longer a look takes. Which log is looked at next,
/// and for whom, is a matter of who has taken how much (`LookShares`); to compile a pattern for somebody counts like a
/// look. One executor, one thread.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/async/task_group.hpp"
#include "common/logstore/reader.hpp"
#include "daemon/core/log_changes.hpp"
#include "daemon/core/look_turns.hpp"

namespace persistproc::core {

/// Of a pattern that somebody waits for, compiled: there may be many.
inline constexpr std::size_t watched_pattern_memory = 1u << 20;

class PatternWatches {
    struct State;
    struct Entry;
    struct Waiting;

public:
    struct Wanted {
        std::string pattern;
        std::uint64_t from = 0;            // position
        std::optional<std::uint32_t> run;  // only its output
        logstore::StreamChoice stream = logstore::StreamChoice::combined;
        Asker who;
        bool looks_for_errors = false;  // of the lines that match, only those with which an error begins
        bool outside_errors = false;    // a line of an error is no match, unless the pattern names errors
    };

    /// One who waits, for as long as it lives. May outlive the PatternWatches; then nothing is found any more.
    class Watch {
    public:
        explicit Watch(std::shared_ptr<Waiting> waiting) : waiting_(std::move(waiting)) {}
        ~Watch();
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;

        /// Completes when all that is in the log now has been looked at, or something was found; once `until` has come,
        /// after one look, or when others had their turn before it: one that was never looked for is given another
        /// second.
        Task<> look(MonoTime until);
        /// Completes when something was found.
        Task<> found();

        /// The first line that matches, or why it cannot be looked for: invalid (the pattern), io, corrupt,
        /// unsupported, unavailable. Neither: nothing was found so far.
        const std::optional<logstore::Line>& match() const noexcept;
        const std::optional<Error>& failure() const noexcept;
        /// A line that matches so far, and is given 50 ms to be finished, or to turn out to be of an error.
        const std::optional<logstore::Line>& unfinished() const noexcept;
        /// The last look ended without one, because others had their turn before it.
        bool was_passed() const noexcept;
        /// There is, or may be, more in the log than the last look has seen.
        bool is_behind() const noexcept;
        /// Position: what stands before it was looked at.
        std::uint64_t looked_to() const noexcept;
        /// From here on, output of any run.
        void take_any_run();

    private:
        std::shared_ptr<Waiting> waiting_;
    };

    /// Between the beginnings of two looks at a log that only grew.
    static constexpr auto look_interval = std::chrono::milliseconds(20);

    /// Looks at once: as many threads are theirs.
    static constexpr std::size_t places = 2;

    /// `clock`, `threads` and `changes` outlive this and its watches.
    PatternWatches(boost::asio::any_io_executor executor, async::Clock& clock, boost::asio::thread_pool& threads,
                   LogChanges& changes);
    ~PatternWatches();
    PatternWatches(const PatternWatches&) = delete;
    PatternWatches& operator=(const PatternWatches&) = delete;

    std::unique_ptr<Watch> watch(const std::filesystem::path& log, Wanted wanted);

    /// `work`, which compiles a pattern or does as little, on one of the threads, in turn with the looks; the processor
    /// time that it takes counts like theirs. It owns all that it touches. Errors: those of `work`; limit (too many of
    /// an agent's wait for their turn).
    Task<Result<void>> take_turn(std::function<Result<void>()> work, Asker who);

    /// So many wait that it is worth to find out what processes agents are.
    bool is_crowded() const noexcept;

    /// Looks at logs, and searches that they came to, so far.
    std::uint64_t looks() const noexcept;
    std::uint64_t searches() const noexcept;

    /// Ends the looks; completes when nothing of this runs any more.
    Task<> close();

private:
    std::shared_ptr<State> state_;
    async::TaskGroup tasks_;
};

}  // namespace persistproc::core
