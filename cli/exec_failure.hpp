#pragma once
#include <string>
#include <vector>

namespace persistproc::cli {

/// Why the file that a command names could not be executed, as far as the file tells, and what to type: "./app.js: not
/// executable; try: node ./app.js". Empty: it does not tell. `path`: the PATH it was looked for in. `before`: what
/// belongs before the right command, if anything. Reads the file's first line.
std::string explain_exec_failure(const std::vector<std::string>& command, const std::string& directory,
                                 const std::string& path, const std::string& before = {});

}  // namespace persistproc::cli
