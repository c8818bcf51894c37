#include "common/logstore/merge.hpp"

#include <algorithm>
#include <utility>

namespace persistproc::logstore {

namespace {

/// A line that was asked for, and not only shown with one.
bool is_counted(const MergedEntry& one) {
    const Line& line = one.entry.line;
    return !one.failed && line.matched && !line.event && !line.is_gap;
}

}  // namespace

std::size_t Merge::add(std::unique_ptr<EntrySource> source) {
    slots_.push_back(Slot{.source = std::move(source)});
    hungry_.push_back(slots_.size() - 1);
    return slots_.size() - 1;
}

void Merge::wake(std::size_t source) {
    Slot& slot = slots_[source];
    if (slot.source == nullptr) return;
    slot.is_awake = true;
    if (slot.entries.empty()) hunger(source);
}

void Merge::wake_all() {
    for (std::size_t i = 0; i < slots_.size(); ++i) wake(i);
}

void Merge::remove(std::size_t source) {
    slots_[source].source.reset();
    slots_[source].entries.clear();
    slots_[source].is_awake = false;
}

bool Merge::is_idle(std::size_t source) const {
    const Slot& slot = slots_[source];
    return slot.entries.empty() && !slot.is_awake;
}

void Merge::hunger(std::size_t source) {
    if (!std::exchange(slots_[source].is_hungry, true)) hungry_.push_back(source);
}

void Merge::show_head(std::size_t source) {
    Slot& slot = slots_[source];
    slot.time_ns = std::max(slot.time_ns, slot.entries.front().line.wall_ns);
    heads_.push(Head{slot.time_ns, source});
}

std::size_t Merge::feed(std::size_t source, std::vector<MergedEntry>& failures) {
    Slot& slot = slots_[source];
    slot.is_hungry = false;
    if (slot.source == nullptr || !slot.entries.empty()) return 0;
    auto reading = slot.source->read_more(look_ahead_bytes);
    if (!reading) {
        failures.push_back(MergedEntry{.source = source, .entry = {}, .failed = reading.error()});
        remove(source);
        return 0;
    }
    slot.is_awake = reading->more;
    std::size_t bytes = 0;
    for (LogEntry& each : reading->entries) {
        bytes += each.line.text.size() + 1;
        slot.entries.push_back(std::move(each));
    }
    if (!slot.entries.empty())
        show_head(source);
    else if (slot.is_awake)
        hunger(source);
    // A record may be longer than what was asked for.
    return std::max(bytes, look_ahead_bytes);
}

Merge::Taken Merge::take(std::size_t max_bytes) {
    Taken out;
    std::size_t bytes = 0;
    while (true) {
        while (!hungry_.empty()) {
            if (bytes >= max_bytes) {
                out.more = true;
                return out;
            }
            const std::size_t source = hungry_.back();
            hungry_.pop_back();
            bytes += feed(source, out.entries);
        }
        if (heads_.empty()) return out;
        const std::size_t source = heads_.top().source;
        heads_.pop();
        Slot& slot = slots_[source];
        // Removed meanwhile.
        if (slot.entries.empty()) continue;
        out.entries.push_back(MergedEntry{.source = source, .entry = std::move(slot.entries.front()), .failed = {}});
        slot.entries.pop_front();
        if (!slot.entries.empty())
            show_head(source);
        else if (slot.is_awake)
            hunger(source);
    }
}

void NewestEntries::take(MergedEntry entry) {
    matched_ += is_counted(entry) ? 1 : 0;
    bytes_ += entry.entry.line.text.size() + 1;
    kept_.push_back(std::move(entry));
    while (matched_ > lines_) drop_oldest();
    while (bytes_ > max_bytes_ && kept_.size() > 1) {
        unfit_ += is_counted(kept_.front()) ? 1 : 0;
        drop_oldest();
    }
}

void NewestEntries::drop_oldest() {
    do {
        matched_ -= is_counted(kept_.front()) ? 1 : 0;
        bytes_ -= kept_.front().entry.line.text.size() + 1;
        kept_.pop_front();
        // What stood behind the match goes with it.
    } while (!kept_.empty() && kept_.front().entry.is_after);
}

std::deque<MergedEntry> NewestEntries::release() {
    matched_ = 0;
    bytes_ = 0;
    return std::exchange(kept_, {});
}

}  // namespace persistproc::logstore
