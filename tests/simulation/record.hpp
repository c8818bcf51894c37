#pragma once
/// What happened in a history, for people who read its end and for the proof that a seed always gives the same one.
#include <fmt/format.h>

#include <cstdio>
#include <deque>
#include <optional>
#include <string>

#include "tests/simulation/timeline.hpp"

namespace persistproc::simulation {

class Record {
public:
    explicit Record(const Timeline& time) : time_(time) {}

    /// Steps so far; the one under way counts.
    std::uint64_t step = 0;
    bool prints_all = false;

    template <class... Args>
    void note(fmt::format_string<Args...> text, Args&&... args) {
        add(fmt::format(text, std::forward<Args>(args)...));
    }
    /// An invariant does not hold. The first one ends the history.
    template <class... Args>
    void violate(fmt::format_string<Args...> text, Args&&... args) {
        std::string what = fmt::format(text, std::forward<Args>(args)...);
        add("VIOLATION: " + what);
        if (!violation_) violation_ = std::move(what);
    }
    const std::optional<std::string>& violation() const noexcept { return violation_; }

    /// Equal for equal histories.
    std::uint64_t hash() const noexcept { return hash_; }
    const std::deque<std::string>& tail() const noexcept { return tail_; }

private:
    static constexpr std::size_t kept = 400;

    void add(std::string text) {
        const double seconds = static_cast<double>((time_.now().time_since_epoch()).count() / 1000) / 1e6 - 3600;
        std::string line = fmt::format("{:>6} {:>12.6f}  {}", step, seconds, text);
        for (const char each : line) hash_ = (hash_ ^ static_cast<unsigned char>(each)) * 0x100000001b3u;
        if (prints_all) std::printf("%s\n", line.c_str());
        tail_.push_back(std::move(line));
        if (tail_.size() > kept) tail_.pop_front();
    }

    const Timeline& time_;
    std::uint64_t hash_ = 0xcbf29ce484222325u;
    std::deque<std::string> tail_;
    std::optional<std::string> violation_;
};

}  // namespace persistproc::simulation
