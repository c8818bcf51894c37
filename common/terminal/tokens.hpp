#pragma once
/// What a program prints for a terminal, taken apart: text, and the sequences of ECMA-48. Pure; nothing here allocates,
/// and all of it can be copied as bytes.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace persistproc::terminal {

struct Token {
    enum class Kind : std::uint8_t {
        none,    // all bytes are taken
        text,    // what shows, and controls of one byte; may begin and end within a character
        escape,  // what stands behind ESC: intermediate bytes and the final one
        csi,     // what stands behind CSI: parameters, intermediate bytes and the final one
        osc,     // an operating system command, without its end
        dcs,     // a device control string, without its end
    };
    Kind kind = Kind::none;
    std::string_view bytes;  // valid until the next call, while what was given to this one lives
};

/// Right across any cut of the bytes. Knows 7-bit controls alone, as terminals that take UTF-8 do. Of an OSC or a DCS
/// that is too long the beginning is kept, a longer control sequence is dropped, as are APC, PM and SOS with their
/// text.
class Tokenizer {
public:
    static constexpr std::size_t longest_bytes = 128;

    /// Takes text and colours off the front of `bytes`, for one whom they do not concern.
    void skip_text(std::string_view& bytes) const noexcept;
    /// Takes one token off the front of `bytes`.
    Token next(std::string_view& bytes) noexcept;

private:
    enum class State : std::uint8_t { ground, escape, csi, osc, dcs, dropped, string_end };

    void begin(State state) noexcept;
    void hold(unsigned char byte) noexcept;
    Token end(Token::Kind kind) noexcept;
    bool step(unsigned char byte, Token& token) noexcept;
    bool step_string(unsigned char byte, Token& token) noexcept;

    State state_ = State::ground;
    State string_ = State::dropped;  // in `string_end`: which
    bool is_too_long_ = false;
    std::uint8_t size_ = 0;
    std::array<char, longest_bytes> held_{};  // of the sequence that has begun
};

/// A control sequence, read.
struct Csi {
    static constexpr std::size_t most_values = 32;
    static constexpr std::uint16_t missing = 0xffff, largest = 9999;

    /// The value in this place; `otherwise`: it is missing or 0.
    std::uint16_t at(std::size_t place, std::uint16_t otherwise) const noexcept;
    /// `begins` is false for a value that stands behind ":", which belongs to the one before.
    bool begins(std::size_t place) const noexcept { return (subs >> place & 1u) == 0; }

    char leader = '\0';        // one of "<=>?", or none
    char intermediate = '\0';  // one of " !\"#$%&'()*+,-./", or none
    char final = '\0';
    std::uint8_t count = 0;  // of values; further ones are dropped
    std::uint32_t subs = 0;
    std::array<std::uint16_t, most_values> values{};  // no larger than `largest`, or `missing`
};

/// Of a token. False: it is none that anybody defines.
bool parse_csi(std::string_view bytes, Csi& into) noexcept;

}  // namespace persistproc::terminal
