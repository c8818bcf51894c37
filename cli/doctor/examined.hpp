#pragma once
/// What several checks of `doctor` look at, found out once.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/client.hpp"
#include "cli/context.hpp"
#include "common/domain/process.hpp"
#include "common/ops/client_operations.hpp"

namespace persistproc::cli::doctor {

struct Examined {
    CommonOptions common;
    std::filesystem::path data;
    std::optional<ops::DaemonInfo> daemon;
    Error daemon_failure;  // without a daemon: why
    pid_t holder = 0;      // who has the data directory, by its own word; 0: nobody
    std::optional<std::vector<ProcessView>> processes;
    std::string endpoint;                        // the daemon's, or where one would be
    Result<std::string> server = std::string();  // the name of who answers at the daemon's
    std::uint16_t port = 0;
};

/// Asks the daemon and who answers at its endpoint. A daemon that does not run while it is asked is not waited for; all
/// takes a few times 10 s at most.
Task<Examined> examine(Context context);

/// Whether a data directory is there and another user's, of which one check tells.
bool is_anothers(const std::filesystem::path& data);

}  // namespace persistproc::cli::doctor
