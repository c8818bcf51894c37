#include "common/domain/interpreter.hpp"

#include <utility>

namespace persistproc::domain {

std::string_view usual_interpreter(std::string_view file) noexcept {
    static constexpr std::pair<std::string_view, std::string_view> interpreters[] = {
        {".js", "node"}, {".mjs", "node"}, {".cjs", "node"}, {".ts", "npx tsx"}, {".py", "python3"},   {".sh", "sh"},
        {".rb", "ruby"}, {".pl", "perl"},  {".php", "php"},  {".lua", "lua"},    {".jar", "java -jar"}};
    const std::string_view name = file.substr(file.rfind('/') + 1);
    const std::size_t dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return {};
    for (const auto& [ending, interpreter] : interpreters)
        if (name.substr(dot) == ending) return interpreter;
    return {};
}

bool may_be_shell_script(std::string_view file) noexcept {
    const std::string_view interpreter = usual_interpreter(file);
    return interpreter.empty() || interpreter == "sh" || interpreter == "java -jar";
}

}  // namespace persistproc::domain
