#pragma once
/// Help texts. Pure.
#include <string>
#include <string_view>
#include <vector>

namespace persistproc::cli::format {

struct FlagHelp {
    std::string names;  // "-C, --working-directory DIR"
    std::string text;
};

/// What `persistproc` alone prints.
std::string general_help();
/// Usage, flags and examples of one subcommand.
std::string verb_help(std::string_view verb, const std::vector<FlagHelp>& flags);

}  // namespace persistproc::cli::format
