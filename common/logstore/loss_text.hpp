#pragma once
/// What is missing of recorded output, in words for people and agents. Pure.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/domain/cause.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::logstore {

/// The place of a gap: "1024 bytes were lost here: …".
std::string gap_text(std::int64_t bytes);
/// That output before this is no longer there: "1024 bytes before this are gone, …".
std::string evicted_text(std::uint64_t bytes);
/// LinePage::unindexed_bytes, `of` a process or run.
std::string unindexed_text(std::uint64_t bytes, std::string_view of, const std::filesystem::path& log_directory);
/// A take-over or a removal, from the event's `value`. No value: nothing is missing because of it.
std::optional<std::string> loss_text(Event event, std::int64_t value);
/// A line that `losses` asked for. No value: a line of the program, or another event.
std::optional<std::string> loss_text(const Line& line);
/// All that is missing of a run.
std::vector<Cause> causes_of(const Losses& losses);
/// In one phrase without end; empty: nothing.
std::string losses_text(const Losses& losses);

}  // namespace persistproc::logstore
