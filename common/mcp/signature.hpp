#pragma once
/// Texts that clients keep for us and that must come back unchanged: session ids, request states. HMAC-SHA256.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace persistproc::mcp {

using SigningKey = std::array<std::uint8_t, 32>;

/// base64url(payload) "." base64url(HMAC-SHA256(k, payload)), where k is HMAC-SHA256(key, purpose), or the key itself
/// when the purpose is empty. A text signed for one `purpose` is no good for another. Visible ASCII. Pure.
std::string sign_text(const SigningKey& key, std::string_view purpose, std::string_view payload);
/// The payload; no value when the text was not made by `sign_text` with the same key and purpose. Takes the same time
/// wherever a signature is wrong.
std::optional<std::string> open_signed(const SigningKey& key, std::string_view purpose, std::string_view text);

/// Whether both are the same. Takes the same time whatever they hold, if they are of one length. Pure.
bool is_same_secret(std::string_view a, std::string_view b) noexcept;

}  // namespace persistproc::mcp
