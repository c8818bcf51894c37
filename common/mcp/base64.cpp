#include "common/mcp/base64.hpp"

#include <nettle/base64.h>

namespace persistproc::mcp {

namespace {

std::string encode(void (*begin)(base64_encode_ctx*), std::string_view bytes) {
    base64_encode_ctx context;
    begin(&context);
    std::string out(BASE64_ENCODE_LENGTH(bytes.size()) + BASE64_ENCODE_FINAL_LENGTH, '\0');
    const auto* const source = reinterpret_cast<const std::uint8_t*>(bytes.data());
    std::size_t length = nettle_base64_encode_update(&context, out.data(), bytes.size(), source);
    length += nettle_base64_encode_final(&context, out.data() + length);
    out.resize(length);
    return out;
}

std::optional<std::string> decode(void (*begin)(base64_decode_ctx*), std::string_view text,
                                  std::string (*encoded)(std::string_view)) {
    base64_decode_ctx context;
    begin(&context);
    std::string out(BASE64_DECODE_LENGTH(text.size()), '\0');
    std::size_t length = out.size();
    auto* const target = reinterpret_cast<std::uint8_t*>(out.data());
    if (nettle_base64_decode_update(&context, &length, target, text.size(), text.data()) == 0) return std::nullopt;
    out.resize(length);
    // nettle skips blanks and takes what lacks its padding; the other way round shows both.
    if (encoded(out) != text) return std::nullopt;
    return out;
}

}  // namespace

std::string base64_encode(std::string_view bytes) { return encode(nettle_base64_encode_init, bytes); }

std::optional<std::string> base64_decode(std::string_view text) {
    return decode(nettle_base64_decode_init, text, base64_encode);
}

std::string base64url_encode(std::string_view bytes) {
    std::string out = encode(nettle_base64url_encode_init, bytes);
    while (out.ends_with('=')) out.pop_back();
    return out;
}

std::optional<std::string> base64url_decode(std::string_view text) {
    return decode(nettle_base64url_decode_init, text, base64url_encode);
}

}  // namespace persistproc::mcp
