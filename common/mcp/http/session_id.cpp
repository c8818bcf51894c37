#include "common/mcp/http/session_id.hpp"

#include <algorithm>
#include <cstring>
#include <span>

#include "common/base/random.hpp"
#include "common/base/text.hpp"

namespace persistproc::mcp::http {

namespace {

constexpr std::size_t maker_bytes = 8, own_bytes = 8;
constexpr std::size_t fixed_bytes = maker_bytes + own_bytes + 1;
constexpr std::size_t max_name_bytes = 100;

}  // namespace

SessionIds::SessionIds(const SessionKey& key) : key_(key) { base::fill_random(maker_); }

std::string SessionIds::make(Revision revision, std::string_view client_name) const {
    std::array<std::uint8_t, fixed_bytes> fixed;
    std::copy(maker_.begin(), maker_.end(), fixed.begin());
    base::fill_random(std::span(fixed).subspan(maker_bytes, own_bytes));
    fixed.back() = static_cast<std::uint8_t>(revision);
    std::string payload(reinterpret_cast<const char*>(fixed.data()), fixed.size());
    payload += client_name.substr(0, max_name_bytes);
    return sign_text(key_, {}, payload);
}

bool SessionIds::has_made(std::string_view id) const {
    const auto payload = open_signed(key_, {}, id);
    return payload && payload->size() >= fixed_bytes && std::memcmp(payload->data(), maker_.data(), maker_bytes) == 0;
}

std::optional<SessionFacts> SessionIds::read(std::string_view id) const {
    const auto payload = open_signed(key_, {}, id);
    if (!payload || payload->size() < fixed_bytes) return std::nullopt;
    const auto revision = static_cast<Revision>((*payload)[fixed_bytes - 1]);
    if (revision_name(revision).empty() || !has_sessions(revision)) return std::nullopt;
    // A long name may have been cut within a character.
    return SessionFacts{revision, base::to_valid_utf8(payload->substr(fixed_bytes))};
}

}  // namespace persistproc::mcp::http
