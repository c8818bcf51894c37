/// Output of programs that speak to a terminal, and what is sent to them. Input: a line of piece sizes, then the
/// output. The output is read as a name of a key, as text to paste, and as what a person types, too.
#include <cstring>
#include <string>
#include <vector>

#include "common/base/text.hpp"
#include "common/terminal/detach_keys.hpp"
#include "common/terminal/keys.hpp"
#include "common/terminal/tracker.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace persistproc;
using namespace persistproc::terminal;
using fuzz::require;

struct Scanned {
    std::vector<std::pair<Finding::Kind, std::uint16_t>> found;
    Scanner scanner;
};

Scanned scan(std::string_view text, std::string_view sizes) {
    Scanned out;
    fuzz::Pieces pieces(text, sizes);
    for (std::string_view piece; pieces.next(piece);)
        while (!piece.empty())
            if (const Finding found = out.scanner.scan(piece); found.kind != Finding::Kind::none) {
                out.found.emplace_back(found.kind, found.number);
                require(answer(found, {65535, 65535}).size < Answer{}.bytes.size(), "an answer has room");
            }
    return out;
}

void check_modes(const Modes& modes) {
    const std::string bytes = bytes_of(modes);
    const Scanned again = scan(bytes, {});
    require(again.found.empty(), "what sets modes asks for nothing");
    require((again.scanner.modes().bits | 1u << static_cast<unsigned>(Mode::synchronized)) ==
                (modes.bits | 1u << static_cast<unsigned>(Mode::synchronized)),
            "modes are set again");
    require(again.scanner.modes().keyboard().current() == modes.keyboard().current(), "so are flags of the keyboard");
    Modes put_back = scan(bytes + std::string(reset_bytes), {}).scanner.modes();
    for (const Mode mode : {Mode::origin, Mode::alternate_scroll}) put_back.set(mode, false);
    require(put_back.bits == 0, "all is put back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const std::string_view sizes = input.line(), text = input.rest();
    const Scanned whole = scan(text, {}), pieces = scan(text, sizes);
    require(whole.found == pieces.found, "questions are the same in pieces");
    require(std::memcmp(&whole.scanner.modes(), &pieces.scanner.modes(), sizeof(Modes)) == 0, "so are modes");
    require(whole.scanner.title() == pieces.scanner.title(), "so is the title");
    check_modes(whole.scanner.modes());

    const std::string paste = pasted(text, {});
    require(base::is_utf8(paste) && paste.find('\x1b') == std::string::npos, "a paste is text without ESC");
    for (std::size_t i = 0; i + 1 < paste.size(); ++i)
        require(paste[i] != '\xc2' || static_cast<unsigned char>(paste[i + 1]) >= 0xA0, "a paste holds no C1");
    if (const auto key = bytes_of_key(text.substr(0, 32), whole.scanner.modes()))
        require(!key->empty() && key->size() <= 8, "a key is a few bytes");
    else
        require(base::is_utf8(key.error().message), "an error is text");
    DetachKeys keys;
    fuzz::Pieces typed(text, sizes);
    for (std::string_view piece; typed.next(piece);)
        if (const auto before = keys.take(piece, MonoTime{}))
            require(*before < piece.size(), "of the last key nothing is left");
    return 0;
}
