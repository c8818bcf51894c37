#include "common/mcp/http/session_id.hpp"

#include <span>

#include "common/base/random.hpp"

namespace persistproc::mcp::http {

namespace {

constexpr std::size_t random_bytes = 16;
constexpr std::size_t payload_bytes = random_bytes + 1;

}  // namespace

std::string SessionIds::make(Revision revision) const {
    std::array<std::uint8_t, payload_bytes> payload;
    base::fill_random(std::span(payload).first(random_bytes));
    payload.back() = static_cast<std::uint8_t>(revision);
    return sign_text(key_, {}, std::string_view(reinterpret_cast<const char*>(payload.data()), payload.size()));
}

std::optional<Revision> SessionIds::find_revision(std::string_view id) const {
    const auto payload = open_signed(key_, {}, id);
    if (!payload || payload->size() != payload_bytes) return std::nullopt;
    const auto revision = static_cast<Revision>(payload->back());
    if (revision_name(revision).empty() || !has_sessions(revision)) return std::nullopt;
    return revision;
}

}  // namespace persistproc::mcp::http
