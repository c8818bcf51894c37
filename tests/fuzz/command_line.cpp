/// Command lines of people and agents. The input is read twice: as a line, and as words between NULs.
#include <string>
#include <vector>

#include "common/base/text.hpp"
#include "common/domain/process.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace persistproc;
using fuzz::require;

void check_words(const std::vector<std::string>& words) {
    const auto again = domain::split_command(domain::command_line(words));
    require(again && *again == words, "a command is split as it was joined");
    if (domain::check_command(words))
        require(domain::check_label(domain::default_label(words, "/home/u")).has_value(),
                "every command gives a label");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view text = fuzz::Input(bytes, size).rest();
    if (const auto words = domain::split_command(text))
        check_words(*words);
    else
        require(words.error().code == ErrorCode::invalid && base::is_utf8(words.error().message), "an error is text");

    // Whatever stands first can be no variable.
    std::vector<std::string> words = {"program"};
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find('\0', at), text.size());
        words.emplace_back(text.substr(at, end - at));
        at = end + 1;
    }
    check_words(words);
    // The directory is cut, too, where both are long.
    const std::string label = domain::default_label({"program"}, text.substr(0, text.find('\0')));
    require(domain::check_label(label).has_value(), "every directory gives a label");
    return 0;
}
