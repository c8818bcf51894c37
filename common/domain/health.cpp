#include "common/domain/health.hpp"

#include <fmt/format.h>

namespace persistproc::domain {

Result<void> check_health(const Checks& checks) {
    for (const auto& each : checks)
        if (std::holds_alternative<LogCheck>(each.subject) || std::holds_alternative<NotifyCheck>(each.subject))
            return Error{ErrorCode::invalid,
                         fmt::format("{}: what a program has said is no sign that it still works; give a port, http "
                                     "or command",
                                     check_text(each))};
    return {};
}

}  // namespace persistproc::domain
