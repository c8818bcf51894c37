/// Files of KEY=VALUE lines.
#include "common/config/environment_file.hpp"

#include "common/base/text.hpp"
#include "tests/fuzz/input.hpp"

using namespace persistproc;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const auto variables = config::parse_environment_file(fuzz::Input(bytes, size).rest(), "file");
    if (!variables) {
        require(variables.error().code == ErrorCode::invalid && !base::has_control_or_bidi(variables.error().message),
                "an error is one line");
        return 0;
    }
    std::string written;
    for (const auto& [name, value] : *variables) {
        require(!name.empty() && name.find('=') == std::string::npos, "a name is one");
        require(name.find('\n') == std::string::npos && value.find('\0') == std::string::npos, "no NUL in a variable");
        std::string quoted;
        for (const char c : value) quoted += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
        written += "export " + name + "=\"" + quoted + "\"\r\n";
    }
    const auto again = config::parse_environment_file(written, "file");
    require(again && *again == *variables, "what is written is read as it was");
    const auto unset = [](const std::string&) { return std::optional<std::string>(); };
    const auto expanded = config::parse_environment_file(fuzz::Input(bytes, size).rest(), "file", unset);
    // A default may hold what begins a comment where nothing is expanded, and what no value may.
    require(expanded ? expanded->size() == variables->size() : expanded.error().code == ErrorCode::invalid,
            "expansion changes values alone");
    return 0;
}
