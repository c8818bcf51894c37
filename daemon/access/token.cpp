#include "daemon/access/token.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "common/base/diagnostics.hpp"
#include "common/base/file.hpp"
#include "common/base/random.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::daemon::access {

Result<std::string> load_token(const std::filesystem::path& data) {
    auto found = rundir::read_token(data);
    if (found || found.error().code != ErrorCode::not_found) return found;
    std::array<std::uint8_t, 32> bytes;
    base::fill_random(bytes);
    return base::to_hex(bytes);
}

Result<void> keep_token(const std::filesystem::path& data, const std::string& token) {
    if (has_token(data)) return boost::system::in_place_value;
    const auto written = base::atomic_write(rundir::token_path(data), token + "\n");
    if (!written && !base::is_lack_of_room(written.error())) return written.error();
    // The person's client needs none. Agents have to wait for a daemon that can tell them one.
    if (!written)
        base::report(base::Severity::warning, "{}: agents over TCP have no token to show", written.error().message);
    return boost::system::in_place_value;
}

bool has_token(const std::filesystem::path& data) {
    struct stat facts {};
    return ::lstat(rundir::token_path(data).c_str(), &facts) == 0;
}

Result<void> drop_token(const std::filesystem::path& data) {
    const auto file = rundir::token_path(data);
    // Of a read-only file system even what is not there cannot be removed.
    if (!has_token(data)) return boost::system::in_place_value;
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) return base::os_failure(file.native(), errno);
    return boost::system::in_place_value;
}

}  // namespace persistproc::daemon::access
