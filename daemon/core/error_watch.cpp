#include "daemon/core/error_watch.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "common/logstore/error_block.hpp"
#include "common/logstore/error_line.hpp"

namespace persistproc::core {

ErrorWatch::ErrorWatch(PatternWatches& patterns, async::Clock& clock, std::filesystem::path log, std::uint64_t from,
                       std::optional<std::uint32_t> run, Asker who)
    : patterns_(patterns), clock_(clock), log_(std::move(log)), run_(run), who_(who) {
    begin(from);
}

void ErrorWatch::begin(std::uint64_t from) {
    PatternWatches::Wanted wanted;
    wanted.pattern = std::string(logstore::error_hint);
    wanted.looks_for_errors = true;
    wanted.from = from;
    wanted.run = run_;
    wanted.who = who_;
    watch_ = patterns_.watch(log_, std::move(wanted));
    due_.reset();
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

void ErrorWatch::skip(std::uint64_t position) { begin(position); }

void ErrorWatch::take_any_run() {
    run_.reset();
    watch_->take_any_run();
}

}  // namespace persistproc::core
