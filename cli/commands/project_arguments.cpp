#include "cli/commands/project_arguments.hpp"

namespace persistproc::cli {

int fail_for_project(const Console& console, const Error& error) {
    constexpr int wrong_file_status = 2;
    const int status = console.fail(error);
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
