#pragma once
#include <optional>
#include <string_view>

namespace persistproc::mcp {

/// Published protocol revisions that are served, oldest first. The numbers are part of session ids: never reuse one.
enum class Revision : unsigned char { r2024_11_05 = 1, r2025_03_26, r2025_06_18, r2025_11_25, r2026_07_28 };

/// The last revision with an `initialize` handshake and sessions.
inline constexpr Revision newest_session_revision = Revision::r2025_11_25;
/// The revision without sessions, in which every request carries its own context.
inline constexpr Revision modern_revision = Revision::r2026_07_28;

constexpr bool has_sessions(Revision revision) noexcept { return revision <= newest_session_revision; }

std::string_view revision_name(Revision revision) noexcept;
std::optional<Revision> find_revision(std::string_view name) noexcept;
/// As `find_revision`, of those with sessions.
std::optional<Revision> find_session_revision(std::string_view name) noexcept;

}  // namespace persistproc::mcp
