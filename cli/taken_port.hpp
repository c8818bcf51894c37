#pragma once
/// Why a program found its port taken: who holds it.
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cli/client.hpp"

namespace persistproc::cli {

/// The last `count` lines that a run printed, oldest first. Blocks on the disk. Errors: those of find_log,
/// and of reading.
Result<std::vector<std::string>> last_lines(const ProcessView& view, std::size_t count);

/// The ports that a program may mean which said that one is in use: numbers in what it printed, then in its command,
/// the likelier ones first. Empty: it said nothing of the kind. Pure.
std::vector<std::uint16_t> ports_complained_of(const std::vector<std::string>& lines,
                                               const std::vector<std::string>& command);

/// "port 21031 is held by p92 (api)", or "… by python3 (PID 7251)", where the last words of a run that failed complain
/// of one; else nothing. Looks at the disk and at /proc.
Task<std::string> explain_taken_port(DaemonClient& client, ProcessView view);

}  // namespace persistproc::cli
