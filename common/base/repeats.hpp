#pragma once
/// What is said again and again is said less and less often, with the number of times it was held back. Pure.
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.hpp"

namespace persistproc::base {

class Repeats {
public:
    static constexpr auto first_silence = std::chrono::minutes(1);  // doubles while the text goes on
    static constexpr auto longest_silence = std::chrono::hours(1);
    static constexpr std::size_t kept_texts = 64;  // further ones push out the oldest

    /// What to say now that `text` is to be said: nothing, `text`, and before it what was held back of texts whose
    /// silence is over: "<text> (312 times more)".
    std::vector<std::string> take(std::string_view text, MonoTime now);

private:
    struct Text {
        std::string text;
        MonoTime said{};  // for the last time
        MonoTime seen{};
        std::chrono::nanoseconds silence = first_silence;
        std::uint64_t held = 0;
    };
    std::list<Text> texts_;  // the one seen last first
};

}  // namespace persistproc::base
