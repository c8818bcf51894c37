#pragma once
/// Chance of a seed's own: the same numbers on every machine, whatever its library's distributions do.
#include <chrono>
#include <cstdint>

namespace persistproc::simulation {

class Random {
public:
    explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

    /// splitmix64.
    std::uint64_t next() noexcept {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    /// 0 to `bound` - 1; 0 when `bound` is 0.
    std::uint64_t below(std::uint64_t bound) noexcept { return bound == 0 ? 0 : next() % bound; }
    bool one_in(std::uint64_t n) noexcept { return n != 0 && below(n) == 0; }
    bool percent(unsigned chance) noexcept { return below(100) < chance; }

    /// Mostly short, now and then long: between 0 and `most`, with a square's weight towards 0.
    std::chrono::nanoseconds delay(std::chrono::nanoseconds most) noexcept {
        const auto part = static_cast<std::int64_t>(below(1001) * below(1001));
        return most / 1'000'000 * part;
    }

private:
    std::uint64_t state_;
};

}  // namespace persistproc::simulation
