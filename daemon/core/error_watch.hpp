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

    /// `patterns` and `clock` outlive the watch. `wanted`: where, and for whom, errors are looked for; what is a match
    /// is not looked at.
    ErrorWatch(PatternWatches& patterns, async::Clock& clock, const std::filesystem::path& log,
               PatternWatches::Wanted wanted);

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

    /// From here on, output of any run.
    void take_any_run();

private:
    async::Clock& clock_;
    std::unique_ptr<PatternWatches::Watch> watch_;
    std::optional<MonoTime> due_;
};

}  // namespace persistproc::core
