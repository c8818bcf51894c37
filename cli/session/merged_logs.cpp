#include "cli/session/merged_logs.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "cli/session/run_facts.hpp"
#include "common/base/file.hpp"
#include "common/ops/error.hpp"

namespace persistproc::cli::session {

namespace {

constexpr std::size_t recorded_portion_bytes = 256u << 10;
/// What the newest lines of all together may take in memory.
constexpr std::size_t newest_bytes = 64u << 20;

}  // namespace

std::size_t MergedLogs::add(ProcessView view, std::filesystem::path directory, std::uint64_t begin) {
    auto lines = std::make_unique<logstore::LineFollower>(directory, stream_, filter_, begin);
    text.add(view);
    logs.push_back(Log{.view = std::move(view), .directory = std::move(directory), .lines = lines.get(), .events = {}});
    return merge.add(std::move(lines));
}

void MergedLogs::show(const Console& console, const logstore::MergedEntry& entry, std::string& held) {
    if (entry.failed) status_ = ops::exit_status(*entry.failed);
    chunks_.clear();
    text.take(entry, chunks_);
    for (const format::Chunk& each : chunks_) {
        if (each.fd == STDOUT_FILENO) {
            held += each.bytes;
            has_shown_ = true;
            continue;
        }
        console.print(std::exchange(held, {}));
        base::write_all(each.fd, each.bytes);
    }
}

int MergedLogs::show_recorded(const Console& console, std::uint64_t lines) {
    logstore::NewestEntries newest(lines, newest_bytes);
    bool more = true;
    while (more && console.can_print()) {
        auto taken = merge.take(recorded_portion_bytes);
        more = taken.more;
        std::string held;
        for (auto& each : taken.entries) {
            const logstore::Line& line = each.entry.line;
            Log& log = logs[each.source];
            if (line.event && line.run >= run_of(log.view)) log.events.push_back(line);
            if (lines > 0 && !each.failed)
                newest.take(std::move(each));
            else
                show(console, each, held);
        }
        console.print(held);
    }
    std::string held;
    for (const auto& each : newest.release()) show(console, each, held);
    console.print(held);
    if (newest.unfit() > 0)
        console.note(fmt::format("{} older lines did not fit into memory; -n 0 shows all", newest.unfit()));
    return status_;
}

}  // namespace persistproc::cli::session
