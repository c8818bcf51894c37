#include "common/base/base64.hpp"

#include <cstdint>

namespace persistproc::base {

namespace {

constexpr std::string_view standard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view url_safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode(std::string_view bytes, std::string_view alphabet) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const char c : bytes) {
        bits = (bits << 8 | static_cast<unsigned char>(c)) & 0xffff;
        held += 8;
        while (held >= 6) {
            held -= 6;
            out += alphabet[bits >> held & 63];
        }
    }
    if (held > 0) out += alphabet[bits << (6 - held) & 63];
    return out;
}

std::optional<std::string> decode(std::string_view text, std::string_view alphabet) {
    std::string out;
    if (text.size() % 4 == 1) return std::nullopt;
    out.reserve(text.size() * 3 / 4);
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const char c : text) {
        const auto digit = alphabet.find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        bits = (bits << 6 | static_cast<std::uint32_t>(digit)) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out += static_cast<char>(bits >> held & 0xff);
        }
    }
    if ((bits & ((1u << held) - 1)) != 0) return std::nullopt;
    return out;
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
    std::string out = encode(bytes, standard);
    out.append((4 - out.size() % 4) % 4, '=');
    return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
    return decode(text, standard);
}

std::string base64url_encode(std::string_view bytes) { return encode(bytes, url_safe); }
std::optional<std::string> base64url_decode(std::string_view text) { return decode(text, url_safe); }

}  // namespace persistproc::base
