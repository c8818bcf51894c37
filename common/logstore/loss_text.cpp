#include "common/logstore/loss_text.hpp"

#include <fmt/format.h>

namespace persistproc::logstore {

std::string gap_text(std::int64_t bytes) {
    return fmt::format("{} bytes were lost here: they could not be recorded, or cannot be read any more", bytes);
}

std::optional<std::string> loss_text(Event event, std::int64_t value) {
    if (event == Event::taken_over && value > 0)
        return fmt::format("the shim was killed and another took over here: at most {} bytes may be missing", value);
    if (event == Event::removed)
        return fmt::format("somebody removed recorded output before this, {} bytes of it in the newest file", value);
    return std::nullopt;
}

std::optional<std::string> loss_text(const Line& line) {
    if (line.is_gap) return gap_text(line.value);
    return line.event ? loss_text(*line.event, line.value) : std::nullopt;
}

std::string losses_text(const Losses& losses) {
    std::string out;
    const auto add = [&](std::string text) {
        if (!out.empty()) out += "; ";
        out += text;
    };
    if (losses.dropped_in_all() > 0) add(fmt::format("{} bytes of output were not recorded", losses.dropped_in_all()));
    if (losses.removed_bytes > 0)
        add(fmt::format("{} bytes of recorded output were removed by somebody", losses.removed_bytes));
    if (losses.takeovers > 0)
        add(fmt::format("its shim was killed and replaced{}: {}",
                        losses.takeovers == 1 ? "" : fmt::format(" {} times", losses.takeovers),
                        losses.taken_over_bytes > 0
                            ? fmt::format("at most {} bytes of output may be missing", losses.taken_over_bytes)
                            : "nothing is missing"));
    return out;
}

}  // namespace persistproc::logstore
