#pragma once
/// Tells whoever started the daemon that it serves, and that it ends.
#include <string_view>

#include "common/base/result.hpp"

namespace persistproc::daemon::http {

/// Sends `state` (e.g. "READY=1", "STOPPING=1") to the service manager named by NOTIFY_SOCKET, a path or an
/// abstract name. Without one: nothing. Errors: io.
Result<void> notify_service_manager(std::string_view state);

/// Writes "<line>\n" to `fd` (`--ready-fd`) and closes it, unless it is a standard stream. Negative: nothing. Errors:
/// io.
Result<void> announce_ready(int fd, std::string_view line);
/// Writes "ERROR=<why>" to it: one that will not serve. No line, which some take for the word that it does. Left open:
/// when it ends, whoever reads it knows that lock and port are given up.
void announce_failure(int fd, std::string_view why);

}  // namespace persistproc::daemon::http
