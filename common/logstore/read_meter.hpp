#pragma once
/// What of a ReadBudget is used up. For the other sources of this folder alone.
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "common/logstore/reader.hpp"

namespace persistproc::logstore {

class ReadMeter {
public:
    /// `is_slow`: a look at little text may take much time, so that the clock is looked at before each.
    ReadMeter(const ReadBudget& budget, bool is_slow) : budget_(budget), is_slow_(is_slow) {}

    /// Whether the budget is used up, now that `bytes` more are about to be, or were, looked at.
    bool is_spent(std::uint64_t bytes) {
        bytes_since_look_ += bytes;
        if (!is_slow_ && ++steps_ % steps_between_looks != 0 && bytes_since_look_ < bytes_between_looks) return false;
        bytes_since_look_ = 0;
        return budget_.stop.stop_requested() || (budget_.is_over && budget_.is_over()) ||
               (budget_.until && std::chrono::steady_clock::now() >= *budget_.until);
    }
    /// The same, where they count as bytes of the log.
    bool is_read_enough(std::uint64_t bytes) {
        read_bytes_ += bytes;
        return read_bytes_ >= budget_.bytes || is_spent(bytes);
    }

private:
    static constexpr unsigned steps_between_looks = 16;
    static constexpr std::size_t bytes_between_looks = 64u << 10;

    const ReadBudget& budget_;
    bool is_slow_;
    std::uint64_t read_bytes_ = 0, bytes_since_look_ = 0;
    unsigned steps_ = 0;
};

}  // namespace persistproc::logstore
