#pragma once
/// The secret that an agent shows where nothing else says whose it is: where the kernel does not tell the owner of a
/// connection, or where the user asks for it.
#include <filesystem>
#include <string>

#include "common/base/result.hpp"

namespace persistproc::daemon::access {

/// 32 random bytes as text, from the file of `rundir::token_path`; others when there is none, which `keep_token` keeps.
/// Blocks. Errors: denied (the file is another's, or others may read it; says what to do), corrupt (it holds no token),
/// io.
Result<std::string> load_token(const std::filesystem::path& data);
/// Writes that file (0600) where there is none: later daemons ask for it, too. Blocks. Without room for it that is
/// reported, and no error. Errors: io.
Result<void> keep_token(const std::filesystem::path& data, const std::string& token);

/// Whether that file is there, whatever it holds.
bool has_token(const std::filesystem::path& data);
/// Removes it, if it is there. Errors: io.
Result<void> drop_token(const std::filesystem::path& data);

}  // namespace persistproc::daemon::access
