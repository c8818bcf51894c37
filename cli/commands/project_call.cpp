#include "cli/commands/project_call.hpp"

#include <cstdlib>
#include <utility>

#include "cli/daemon_start.hpp"
#include "cli/silent_daemon.hpp"

namespace persistproc::cli {

Result<void> check_project_there(const Context& context, const std::string& directory,
                                 const std::optional<std::string>& file) {
    if (find_lock_holder(context.common.data_directory) != 0) return {};
    const auto found = find_project(directory, file);
    return found ? Result<void>() : found.error();
}

Result<project::FoundFile> find_project(const std::string& directory, const std::optional<std::string>& file) {
    const char* const home = std::getenv("HOME");
    return file ? project::take_project_file(*file)
                : project::find_project_file(directory, home != nullptr ? home : "/");
}

Task<Result<ops::RunProjectResponse>> run_project(Context context, std::unique_ptr<DaemonClient>& client,
                                                  ops::RunProjectRequest request) {
    // More daemons than these do not die by chance.
    constexpr int most_daemons = 8;
    for (int daemons = 1;; ++daemons) {
        ops::RunProjectRequest asked = request;
        auto answer = co_await client->run_project(std::move(asked));
        const bool has_died = !answer && client->was_cut_off() && !is_silence(answer.error());
        if (!has_died || daemons == most_daemons) co_return answer;
        auto next = co_await connect_or_start(context.executor, context.common, true);
        if (!next) co_return next.error();
        client = std::move(*next);
    }
}

}  // namespace persistproc::cli
