#include "daemon/access/token.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>

#include "common/base/file.hpp"
#include "common/base/random.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::daemon::access {

Result<std::string> load_token(const std::filesystem::path& data) {
    auto found = rundir::read_token(data);
    if (found || found.error().code != ErrorCode::not_found) return found;
    std::array<std::uint8_t, 32> bytes;
    base::fill_random(bytes);
    std::string token = base::to_hex(bytes);
    if (auto written = base::atomic_write(rundir::token_path(data), token + "\n"); !written) return written.error();
    return token;
}

}  // namespace persistproc::daemon::access
