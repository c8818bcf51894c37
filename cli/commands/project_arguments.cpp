#include "cli/commands/project_arguments.hpp"

#include <algorithm>
#include <string_view>

#include "common/ops/error.hpp"

namespace persistproc::cli {

int fail_for_project(const Console& console, const Error& error) {
    constexpr int wrong_file_status = 2;
    int status = ops::exit_status(error);
    if (console.json()) {
        status = console.fail(error);
    } else {
        // Of a file all that is wrong is told, one a line.
        std::string_view left = error.message;
        do {
            const std::string_view line = left.substr(0, left.find('\n'));
            console.say(line);
            left.remove_prefix(std::min(line.size() + 1, left.size()));
        } while (!left.empty());
    }
    const bool is_of_file =
        error.code == ErrorCode::invalid || error.code == ErrorCode::not_found || error.code == ErrorCode::denied;
    return is_of_file ? wrong_file_status : status;
}

Result<void> UpArguments::take(std::vector<std::string> words, const Given&) {
    names = std::move(words);
    return {};
}

Result<void> DownArguments::take(std::vector<std::string> words, const Given&) {
    names = std::move(words);
    return {};
}

}  // namespace persistproc::cli
