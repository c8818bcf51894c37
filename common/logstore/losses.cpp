#include "common/logstore/reader.hpp"
#include "common/logstore/snapshot.hpp"

namespace persistproc::logstore {

Result<Losses> find_losses(const std::filesystem::path& log_directory, std::uint32_t run, Losses known) {
    auto log = Snapshot::take(log_directory);
    if (!log) return log.error();
    Losses found = known;
    found.growing_bytes = 0;
    if (log->empty()) return found;
    auto first = log->find([&](const Segment&, const IndexRecord& record) -> std::optional<bool> {
        return record.sequence <= known.seen_sequence || record.run < run;
    });
    if (!first) return first.error();
    for (Place at = *first; at.segment < log->segment_count(); ++at.segment, at.record = 0) {
        auto in = log->segment(at.segment);
        if (!in) return in.error();
        for (; *in != nullptr && at.record < (*in)->count(); ++at.record) {
            auto record = (*in)->record(at.record);
            if (!record) return record.error();
            if (!*record) continue;
            if ((*record)->run > run) return found;
            const auto bytes = static_cast<std::uint64_t>((*record)->value);
            found.dropped_bytes += std::exchange(found.growing_bytes, 0);
            found.seen_sequence = (*record)->sequence;
            if (((*record)->flags & gap) != 0) {
                found.growing_bytes = bytes;
                found.seen_sequence -= 1;
            } else if ((*record)->event == Event::removed) {
                found.removed_bytes += bytes;
            } else if ((*record)->event == Event::taken_over) {
                found.taken_over_bytes += bytes;
                found.takeovers += 1;
            }
        }
    }
    return found;
}

}  // namespace persistproc::logstore
