#pragma once
/// Questions to the machine that `doctor` asks. They change nothing and each ends within a bound; all block.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/result.hpp"

namespace persistproc::cli {

/// What `program --version` prints behind the program's name, e.g. "0.1.0 (53c42df01234)". Errors: exec_failed, timeout
/// (5 s).
Result<std::string> ask_version(const std::filesystem::path& program);

/// Whether a daemon of `program` would begin with these flags and the variables and the file of settings that there
/// are. Errors: invalid or io, as it says itself (FILE: line, column, key, what is allowed); exec_failed, timeout (5
/// s).
Result<void> check_daemon_settings(const std::filesystem::path& program);

/// The same of a daemon that begins with `flags`, and whether it could serve the data directory that they name, as far
/// as that can be known while another does.
Result<void> check_daemon_start(const std::filesystem::path& program, std::vector<std::string> flags);

/// Whether another holds 127.0.0.1:`port`, where the daemon must listen; [::1] it may do without.
bool is_port_taken(std::uint16_t port);

}  // namespace persistproc::cli
