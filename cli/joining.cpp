#include "cli/joining.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/environment.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/process_text.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli {

namespace {

/// The flag by which a field of the definition is set; empty: none is.
std::string flag_of(const std::string& field) {
    if (field == "restart") return "--restart";
    if (field == "input") return "--input";
    std::string out;
    ops::StartRequest::fields([&](const auto& f) {
        if (field == f.name && f.flag != nullptr) out = std::string("--") + f.flag;
    });
    return out;
}

}  // namespace

std::string ignored_text(const ops::StartResponse& joined, const StartArguments& asked) {
    std::string settings, variables, flags;
    const auto& said = asked.request.said;
    for (const auto& name : joined.ignored_settings) {
        // That of the terminal at which it was typed.
        if (name == "size" && std::find(said.begin(), said.end(), name) == said.end()) continue;
        const std::string flag = flag_of(name);
        if (!flag.empty() && settings.find(flag) == std::string::npos)
            settings += (settings.empty() ? "" : ", ") + flag;
    }
    bool is_from_file = false;
    for (const auto& each : joined.ignored_variables) {
        const std::string name = base::escape_line(each);
        const bool is_named = asked.request.environment.contains(each);
        if (asked.colour && !is_named &&
            std::find(colour_variables.begin(), colour_variables.end(), each) != colour_variables.end()) {
            if (settings.find("--color") == std::string::npos) settings += settings.empty() ? "--color" : ", --color";
            continue;
        }
        variables += (variables.empty() ? "" : ", ") + name;
        if (is_named) flags += fmt::format(" -e {}=…", name);
        is_from_file = is_from_file || !is_named;
    }
    if (is_from_file)
        for (const auto& file : asked.environment_files)
            flags += " --env-file " + base::shell_quote(base::escape_line(file));
    if (settings.empty() && variables.empty()) return {};
    if ((settings == "--tty" || settings == "--input") && variables.empty())
        return fmt::format("joined without {}; persistproc restart {} {}",
                           settings == "--tty" ? "a terminal" : "an input", settings, format::target_text(joined));
    if (settings.empty() && !flags.empty())
        return fmt::format("joined with another environment ({}); persistproc restart{} {}", variables, flags,
                           format::target_text(joined));
    const std::string separator = settings.empty() || variables.empty() ? "" : ", ";
    const std::string environment = variables.empty() ? "" : fmt::format("environment ({})", variables);
    return fmt::format("joined as it is, without {}{}{}; --fresh replaces it", settings, separator, environment);
}

std::string lacking_text(const ops::StartResponse& begun) {
    if (begun.lacking.empty() || !begun.project) return {};
    return fmt::format("{} begins without {}, which it needs; {} begins them in order", format::name_text(begun),
                       fmt::join(begun.lacking, ", "), format::up_line(*begun.project));
}

}  // namespace persistproc::cli
