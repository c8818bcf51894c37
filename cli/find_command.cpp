#include "cli/find_command.hpp"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace persistproc::cli {

namespace fs = std::filesystem;

std::optional<fs::path> find_command(const std::string& command) {
    const auto usable = [](const fs::path& place) { return ::access(place.c_str(), X_OK) == 0; };
    if (command.find('/') != std::string::npos)
        return usable(command) ? std::optional<fs::path>(command) : std::nullopt;
    const char* path = std::getenv("PATH");
    std::string_view rest = path == nullptr ? "" : path;
    while (!rest.empty()) {
        const std::size_t colon = rest.find(':');
        const fs::path place = fs::path(rest.substr(0, colon)) / command;
        if (usable(place)) return place;
        rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
    }
    return std::nullopt;
}

}  // namespace persistproc::cli
