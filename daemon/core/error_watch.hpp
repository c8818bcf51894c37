#pragma once
/// Errors that a process prints while somebody waits for something else of it. What is waited for may follow for a
/// moment: then the program has handled its error.
#include <cstdint>
#include <memory>
#include <optional>

#include "daemon/core/pattern_watches.hpp"

namespace persistproc::core {

/// One wait's; shares the looks at the log with all others (`PatternWatches`). One executor, one thread.
class ErrorWatch {
public:
    /// What is waited for comes too late after it.
    static constexpr auto handled_within = std::chrono::seconds(1);

    /// `patterns` and `clock` outlive the watch. Watches what is printed from `from` on, by `run` alone if it is told.
    ErrorWatch(PatternWatches& patterns, async::Clock& clock, std::filesystem::path log, std::uint64_t from,
               std::optional<std::uint32_t> run, Asker who);

    /// As `PatternWatches::Watch::look`.
    Task<> look(MonoTime until);
    /// Completes when an error was found, or errors cannot be looked for.
    Task<> found();

    /// Nothing more is found.
    bool is_done() const noexcept { return watch_->match() || watch_->failure(); }
    /// The line with which the first error begins.
    const std::optional<logstore::Line>& head() const noexcept { return watch_->match(); }
    /// From when on it is too late for what is waited for; MonoTime::max() while there is no error.
    MonoTime due();

    /// What was found so far, and what is printed before `position`, is none of the wait's business.
    void skip(std::uint64_t position);
    /// From here on, output of any run.
    void take_any_run();

private:
    void begin(std::uint64_t from);

    PatternWatches& patterns_;
    async::Clock& clock_;
    std::filesystem::path log_;
    std::optional<std::uint32_t> run_;
    Asker who_;
    std::unique_ptr<PatternWatches::Watch> watch_;
    std::optional<MonoTime> due_;
};

}  // namespace persistproc::core
