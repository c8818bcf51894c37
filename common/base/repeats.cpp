#include "common/base/repeats.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"

namespace persistproc::base {

std::vector<std::string> Repeats::take(std::string_view text, MonoTime now) {
    std::vector<std::string> out;
    const auto tell_held = [&out](const Text& each) {
        out.push_back(fmt::format("{} ({} more)", each.text, counted(each.held, "time")));
    };
    for (auto& each : texts_) {
        if (each.held == 0 || now - each.said < each.silence) continue;
        tell_held(each);
        each.held = 0;
        each.said = now;
        each.silence = std::min<std::chrono::nanoseconds>(2 * each.silence, longest_silence);
    }
    const auto known = std::find_if(texts_.begin(), texts_.end(), [&](const Text& each) { return each.text == text; });
    if (known == texts_.end()) {
        texts_.push_front({.text = std::string(text), .said = now, .seen = now});
        out.emplace_back(text);
        if (texts_.size() > kept_texts) {
            if (texts_.back().held > 0) tell_held(texts_.back());
            texts_.pop_back();
        }
        return out;
    }
    texts_.splice(texts_.begin(), texts_, known);
    // It had stopped, and begins anew.
    if (now - known->seen >= known->silence) {
        *known = {.text = std::move(known->text), .said = now, .seen = now};
        out.emplace_back(text);
        return out;
    }
    known->seen = now;
    ++known->held;
    return out;
}

}  // namespace persistproc::base
