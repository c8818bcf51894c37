#pragma once
#include <memory>
#include <optional>
#include <string>

#include "cli/client.hpp"
#include "cli/context.hpp"
#include "common/ops/run_project.hpp"
#include "common/project/project_files.hpp"

namespace persistproc::cli {

/// No daemon is started for a project that is not there. `directory`: absolute, as `file`, which stands for the one
/// that is found there. Where a daemon serves, it knows. Errors: not_found, denied (it is not believed). Blocks.
Result<void> check_project_there(const Context& context, const std::string& directory,
                                 const std::optional<std::string>& file);

/// The file of the project, as there. Errors: the same. Blocks.
Result<project::FoundFile> find_project(const std::string& directory, const std::optional<std::string>& file);

/// Asks a daemon to run a project, and the next one, which it starts, where one dies meanwhile: what was on record goes
/// on there, and to ask once more changes nothing else. `client` is then that of the next. Errors: of the daemon;
/// unavailable (none could be started, it hangs, or one after the other died).
Task<Result<ops::RunProjectResponse>> run_project(Context context, std::unique_ptr<DaemonClient>& client,
                                                  ops::RunProjectRequest request);

}  // namespace persistproc::cli
