#include "common/logstore/loss_text.hpp"

#include <fmt/format.h>

#include "common/base/text.hpp"

namespace persistproc::logstore {

std::string gap_text(std::int64_t bytes) {
    return base::counted(bytes, "byte was lost here: it could not be recorded, or cannot be read any more",
                         "bytes were lost here: they could not be recorded, or cannot be read any more");
}

std::string evicted_text(std::uint64_t bytes) {
    return base::counted(bytes, "byte before this is", "bytes before this are") +
           " gone, by the output's bound, by flush, or with files that somebody removed or changed";
}

std::string unindexed_text(std::uint64_t bytes, std::string_view of, const std::filesystem::path& log_directory) {
    return fmt::format("{} of {} cannot be read: their index is damaged or gone; read the .log files in {}",
                       base::counted(bytes, "byte"), of, log_directory.native());
}

std::optional<std::string> loss_text(Event event, std::int64_t value) {
    if (event == Event::taken_over && value > 0)
        return fmt::format("the shim was killed and another took over here: at most {} may be missing",
                           base::counted(value, "byte"));
    if (event == Event::removed)
        return fmt::format(
            "somebody removed or changed files of recorded output before this, with {} in the newest one",
            base::counted(value, "byte"));
    return std::nullopt;
}

std::optional<std::string> loss_text(const Line& line) {
    if (line.is_gap) return gap_text(line.value);
    return line.event ? loss_text(*line.event, line.value) : std::nullopt;
}

std::vector<Cause> causes_of(const Losses& losses) {
    std::vector<Cause> out;
    const auto dropped = static_cast<std::int64_t>(losses.dropped_in_all());
    if (dropped > 0) out.push_back(Cause{.code = CauseCode::output_lost, .bytes = dropped});
    const auto removed = static_cast<std::int64_t>(losses.removed_bytes);
    if (removed > 0) out.push_back(Cause{.code = CauseCode::output_removed, .bytes = removed});
    const auto takeovers = static_cast<std::int64_t>(losses.takeovers);
    const auto unsure = static_cast<std::int64_t>(losses.taken_over_bytes);
    if (takeovers > 0) out.push_back(Cause{.code = CauseCode::shim_replaced, .count = takeovers, .bytes = unsure});
    return out;
}

std::string losses_text(const Losses& losses) { return domain::causes_text(causes_of(losses)); }

}  // namespace persistproc::logstore
