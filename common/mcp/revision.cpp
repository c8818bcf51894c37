#include "common/mcp/revision.hpp"

#include <array>
#include <utility>

namespace persistproc::mcp {

namespace {

constexpr std::array<std::pair<Revision, std::string_view>, 5> names{{{Revision::r2024_11_05, "2024-11-05"},
                                                                      {Revision::r2025_03_26, "2025-03-26"},
                                                                      {Revision::r2025_06_18, "2025-06-18"},
                                                                      {Revision::r2025_11_25, "2025-11-25"},
                                                                      {Revision::r2026_07_28, "2026-07-28"}}};

}  // namespace

std::string_view revision_name(Revision revision) noexcept {
    for (const auto& [each, name] : names)
        if (each == revision) return name;
    return {};
}

std::optional<Revision> find_revision(std::string_view name) noexcept {
    for (const auto& [each, known] : names)
        if (known == name) return each;
    return std::nullopt;
}

std::optional<Revision> find_session_revision(std::string_view name) noexcept {
    const auto found = find_revision(name);
    return found && has_sessions(*found) ? found : std::nullopt;
}

}  // namespace persistproc::mcp
