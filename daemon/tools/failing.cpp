#include "daemon/tools/failing.hpp"

#include "common/base/text.hpp"

namespace persistproc::tools {

std::string place_of(const std::optional<logstore::ErrorBlock>& error) {
    if (!error || !error->place) return "";
    const std::string place = logstore::to_string(*error->place);
    const bool is_plain = place.find_first_of(" ;\"") == place.npos && !base::has_control_or_bidi(place);
    return " at " + (is_plain ? place : base::quote(place));
}

ops::PrintedError printed_error(const logstore::ErrorBlock& block) {
    ops::PrintedError out;
    out.message = block.message;
    if (block.place) {
        out.file = block.place->file;
        if (block.place->line > 0) out.line = block.place->line;
        if (block.place->column > 0) out.column = block.place->column;
    }
    out.text = block.text().text;
    return out;
}

ops::FailureFacts facts_of(const core::Failure& failure, ProcessId process) {
    ops::FailureFacts out;
    if (failure.lived) out.lived_seconds = std::chrono::duration<double>(*failure.lived).count();
    if (!failure.restarted_by.empty()) out.restarted_by = failure.restarted_by;
    core::add_holder(failure, out);
    if (failure.memory_kills > 0) out.memory_kills = failure.memory_kills;
    if (failure.good_run > 0) out.good_run = to_string(RunId{process, failure.good_run});
    out.text = core::failure_text(failure);
    for (const auto& each : failure.changes) out.changes.push_back(core::changes_text({each}));
    return out;
}

}  // namespace persistproc::tools
