#include "common/mcp/http/session_id.hpp"

#include <algorithm>
#include <cstring>
#include <span>

#include "common/base/random.hpp"

namespace persistproc::mcp::http {

namespace {

constexpr std::size_t maker_bytes = 8, own_bytes = 8;
constexpr std::size_t payload_bytes = maker_bytes + own_bytes + 1;

}  // namespace

SessionIds::SessionIds(const SessionKey& key) : key_(key) { base::fill_random(maker_); }

std::string SessionIds::make(Revision revision) const {
    std::array<std::uint8_t, payload_bytes> payload;
    std::copy(maker_.begin(), maker_.end(), payload.begin());
    base::fill_random(std::span(payload).subspan(maker_bytes, own_bytes));
    payload.back() = static_cast<std::uint8_t>(revision);
    return sign_text(key_, {}, std::string_view(reinterpret_cast<const char*>(payload.data()), payload.size()));
}

bool SessionIds::has_made(std::string_view id) const {
    const auto payload = open_signed(key_, {}, id);
    return payload && payload->size() == payload_bytes && std::memcmp(payload->data(), maker_.data(), maker_bytes) == 0;
}

std::optional<Revision> SessionIds::find_revision(std::string_view id) const {
    const auto payload = open_signed(key_, {}, id);
    if (!payload || payload->size() != payload_bytes) return std::nullopt;
    const auto revision = static_cast<Revision>(payload->back());
    if (revision_name(revision).empty() || !has_sessions(revision)) return std::nullopt;
    return revision;
}

}  // namespace persistproc::mcp::http
