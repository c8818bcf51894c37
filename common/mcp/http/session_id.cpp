#include "common/mcp/http/session_id.hpp"

#include <nettle/hmac.h>
#include <nettle/memops.h>

#include <algorithm>
#include <span>

#include "common/base/random.hpp"

namespace persistproc::mcp::http {

namespace {

constexpr std::size_t random_bytes = 16;
constexpr std::size_t payload_bytes = random_bytes + 1;
constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Mac = std::array<std::uint8_t, SHA256_DIGEST_SIZE>;

std::string base64url(std::span<const std::uint8_t> bytes) {
    std::string out;
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const std::uint8_t byte : bytes) {
        bits = (bits << 8 | byte) & 0xffff;
        held += 8;
        while (held >= 6) {
            held -= 6;
            out += alphabet[bits >> held & 63];
        }
    }
    if (held > 0) out += alphabet[bits << (6 - held) & 63];
    return out;
}

/// Fills `out` from text of exactly its length in base64url; false for anything else, leftover bits included, so
/// that an id has one spelling.
bool read_base64url(std::string_view text, std::span<std::uint8_t> out) {
    if (text.size() != (out.size() * 4 + 2) / 3) return false;
    std::uint32_t bits = 0;
    unsigned held = 0;
    std::size_t at = 0;
    for (const char c : text) {
        const auto* found = std::find(alphabet, alphabet + 64, c);
        if (found == alphabet + 64) return false;
        bits = (bits << 6 | static_cast<std::uint32_t>(found - alphabet)) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[at++] = static_cast<std::uint8_t>(bits >> held);
        }
    }
    return (bits & ((1u << held) - 1)) == 0;
}

Mac sign(const SessionKey& key, std::span<const std::uint8_t> payload) {
    hmac_sha256_ctx context;
    hmac_sha256_set_key(&context, key.size(), key.data());
    hmac_sha256_update(&context, payload.size(), payload.data());
    Mac out;
    hmac_sha256_digest(&context, out.size(), out.data());
    return out;
}

}  // namespace

std::string SessionIds::make(Revision revision) const {
    std::array<std::uint8_t, payload_bytes> payload;
    base::fill_random(std::span(payload).first(random_bytes));
    payload.back() = static_cast<std::uint8_t>(revision);
    return base64url(payload) + "." + base64url(sign(key_, payload));
}

std::optional<Revision> SessionIds::find_revision(std::string_view id) const {
    const auto dot = id.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    std::array<std::uint8_t, payload_bytes> payload;
    Mac mac;
    if (!read_base64url(id.substr(0, dot), payload) || !read_base64url(id.substr(dot + 1), mac)) return std::nullopt;
    const Mac expected = sign(key_, payload);
    if (nettle_memeql_sec(mac.data(), expected.data(), mac.size()) == 0) return std::nullopt;
    const auto revision = static_cast<Revision>(payload.back());
    if (revision_name(revision).empty()) return std::nullopt;
    return revision;
}

}  // namespace persistproc::mcp::http
