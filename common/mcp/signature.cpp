#include "common/mcp/signature.hpp"

#include <nettle/hmac.h>
#include <nettle/memops.h>

#include "common/mcp/base64.hpp"

namespace persistproc::mcp {

namespace {

const std::uint8_t* bytes_of(std::string_view text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }

std::string hmac(std::string_view key, std::string_view text) {
    hmac_sha256_ctx context;
    hmac_sha256_set_key(&context, key.size(), bytes_of(key));
    hmac_sha256_update(&context, text.size(), bytes_of(text));
    std::string out(SHA256_DIGEST_SIZE, '\0');
    hmac_sha256_digest(&context, out.size(), reinterpret_cast<std::uint8_t*>(out.data()));
    return out;
}

std::string mac_of(const SigningKey& key, std::string_view purpose, std::string_view payload) {
    const std::string_view shared(reinterpret_cast<const char*>(key.data()), key.size());
    // A key of its own for each purpose: no payload of one can be read as purpose and payload of another.
    return purpose.empty() ? hmac(shared, payload) : hmac(hmac(shared, purpose), payload);
}

}  // namespace

std::string sign_text(const SigningKey& key, std::string_view purpose, std::string_view payload) {
    return base64url_encode(payload) + "." + base64url_encode(mac_of(key, purpose, payload));
}

std::optional<std::string> open_signed(const SigningKey& key, std::string_view purpose, std::string_view text) {
    const auto dot = text.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    auto payload = base64url_decode(text.substr(0, dot));
    const auto mac = base64url_decode(text.substr(dot + 1));
    if (!payload || !mac) return std::nullopt;
    const std::string expected = mac_of(key, purpose, *payload);
    if (mac->size() != expected.size() || nettle_memeql_sec(mac->data(), expected.data(), expected.size()) == 0)
        return std::nullopt;
    return payload;
}

bool is_same_secret(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && nettle_memeql_sec(a.data(), b.data(), a.size()) != 0;
}

}  // namespace persistproc::mcp
