#pragma once
/// When something is to be done because watched files have changed: the rules, as a pure machine without a clock or
/// I/O. Its driver tells it of changes and of what came of what it asked for, and wakes it at `wake_at`.
///
///   phase      meaning                                                    what ends it
///   quiet      nothing has changed                                        a change: gathering
///   gathering  files change; it is waited until they no longer do, 5 s    quiet for `debounce`, and no git operation
///              at most                                                    holds it (30 s at most): acting
///   acting     what was asked for is on its way; changes are gathered     its end: quiet, or gathering
///   suspended  it was asked for 10 times within 60 s: a program that      forgive
///              writes what it watches would go on for ever
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "common/base/time.hpp"

namespace persistproc::watch {

inline constexpr auto longest_burst = std::chrono::seconds(5);
inline constexpr auto longest_hold = std::chrono::seconds(30);
inline constexpr auto hold_pause = std::chrono::milliseconds(100);  // then is asked again
inline constexpr int most_acts = 10;
inline constexpr auto acts_within = std::chrono::seconds(60);

class Bursts {
public:
    explicit Bursts(std::chrono::nanoseconds debounce) : debounce_(debounce) {}

    struct Act {
        std::string path;         // one of those that have changed, the last one
        std::uint64_t count = 0;  // of changes
    };

    void change(std::string path, MonoTime now);
    /// `is_held`: a git operation is under way, which changes many files. Nothing: it is not time yet, or suspended
    /// now.
    std::optional<Act> wake(MonoTime now, bool is_held);
    /// What was asked for is done, or came to nothing.
    void finish(MonoTime now);
    /// Somebody has begun a run meanwhile: what changed before needs no other one.
    void drop() noexcept;
    /// Acts of before count no more.
    void forgive() noexcept;

    /// Nothing: only a change, or an end, moves it.
    std::optional<MonoTime> wake_at() const noexcept;
    bool is_suspended() const noexcept { return is_suspended_; }
    /// The last file that has changed. Empty: none has.
    const std::string& last_path() const noexcept { return path_; }

private:
    std::chrono::nanoseconds debounce_;
    std::string path_;
    std::uint64_t count_ = 0;  // of changes that are gathered
    MonoTime first_{}, last_{};
    std::optional<MonoTime> held_until_;
    bool is_acting_ = false, is_suspended_ = false;
    std::deque<MonoTime> acts_;
};

}  // namespace persistproc::watch
