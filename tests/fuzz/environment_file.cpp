/// Files of KEY=VALUE lines.
#include "cli/environment.hpp"
#include "common/base/text.hpp"
#include "tests/fuzz/input.hpp"

using namespace persistproc;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const auto variables = cli::parse_environment_file(fuzz::Input(bytes, size).rest(), "file");
    if (!variables) {
        require(variables.error().code == ErrorCode::invalid && !base::has_control_or_bidi(variables.error().message),
                "an error is one line");
        return 0;
    }
    constexpr std::string_view ends("\n\0", 2);
    std::string written;
    for (const auto& [name, value] : *variables) {
        require(!name.empty() && name.find('=') == std::string::npos, "a name is one");
        require(name.find_first_of(ends) == std::string::npos && value.find_first_of(ends) == std::string::npos,
                "a variable is one line without NUL");
        written += "export " + name + "=\"" + value + "\"\r\n";
    }
    const auto again = cli::parse_environment_file(written, "file");
    require(again && *again == *variables, "what is written is read as it was");
    return 0;
}
