#include "daemon/core/error_watch.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "common/logstore/error_block.hpp"
#include "common/logstore/error_line.hpp"

namespace persistproc::core {

ErrorWatch::ErrorWatch(PatternWatches& patterns, async::Clock& clock, const std::filesystem::path& log,
                       PatternWatches::Wanted wanted)
    : clock_(clock) {
    wanted.pattern = std::string(logstore::error_hint);
    wanted.looks_for_errors = true;
    watch_ = patterns.watch(log, std::move(wanted));
}

Task<> ErrorWatch::look(MonoTime until) { return watch_->look(until); }
Task<> ErrorWatch::found() { return watch_->found(); }

MonoTime ErrorWatch::due() {
    if (!head()) return MonoTime::max();
    if (!due_) {
        // It may have been printed long before it was seen.
        std::chrono::nanoseconds age{0};
        if (head()->wall_ns != 0) age = clock_.wall() - base::from_ns(head()->wall_ns);
        due_ = clock_.now() - std::max(age, std::chrono::nanoseconds(0)) + handled_within;
    }
    return *due_;
}

void ErrorWatch::take_any_run() { watch_->take_any_run(); }

}  // namespace persistproc::core
