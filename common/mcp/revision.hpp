#pragma once
#include <optional>
#include <string_view>

namespace persistproc::mcp {

/// Protocol revisions with an `initialize` handshake, oldest first.
enum class Revision : unsigned char { r2024_11_05 = 1, r2025_03_26, r2025_06_18, r2025_11_25 };

inline constexpr Revision newest_revision = Revision::r2025_11_25;

std::string_view revision_name(Revision revision) noexcept;
std::optional<Revision> find_revision(std::string_view name) noexcept;

}  // namespace persistproc::mcp
