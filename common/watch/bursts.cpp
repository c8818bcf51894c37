#include "common/watch/bursts.hpp"

#include <algorithm>

namespace persistproc::watch {

void Bursts::change(std::string path, MonoTime now) {
    if (is_suspended_) return;
    if (count_++ == 0) first_ = now;
    last_ = now;
    path_ = std::move(path);
}

std::optional<MonoTime> Bursts::wake_at() const noexcept {
    if (count_ == 0 || is_acting_ || is_suspended_) return std::nullopt;
    if (held_until_) return held_until_;
    return std::min<MonoTime>(last_ + debounce_, first_ + longest_burst);
}

std::optional<Bursts::Act> Bursts::wake(MonoTime now, bool is_held) {
    const auto due = wake_at();
    if (!due || now < *due) return std::nullopt;
    held_until_.reset();
    if (is_held && now < first_ + longest_hold) {
        held_until_ = now + hold_pause;
        return std::nullopt;
    }
    while (!acts_.empty() && now - acts_.front() >= acts_within) acts_.pop_front();
    if (acts_.size() >= most_acts) {
        is_suspended_ = true;
        count_ = 0;
        return std::nullopt;
    }
    acts_.push_back(now);
    is_acting_ = true;
    Act out{path_, count_};
    count_ = 0;
    return out;
}

void Bursts::finish(MonoTime now) {
    is_acting_ = false;
    // What came meanwhile has its own quiet from now on.
    if (count_ > 0) first_ = last_ = now;
}

void Bursts::drop() noexcept {
    count_ = 0;
    held_until_.reset();
}

void Bursts::forgive() noexcept {
    acts_.clear();
    is_suspended_ = false;
}

}  // namespace persistproc::watch
