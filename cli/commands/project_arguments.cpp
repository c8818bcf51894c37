#include "cli/commands/project_arguments.hpp"

namespace persistproc::cli {

Result<void> UpArguments::take(std::vector<std::string> words, const Given&) {
    names = std::move(words);
    return {};
}

Result<void> DownArguments::take(std::vector<std::string> words, const Given&) {
    names = std::move(words);
    return {};
}

}  // namespace persistproc::cli
