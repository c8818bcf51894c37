#include "common/ops/error.hpp"

#include <fmt/format.h>

#include <cerrno>

namespace persistproc::ops {

int exit_status(const Error& error) noexcept {
    switch (error.code) {
        case ErrorCode::invalid: return 2;
        case ErrorCode::timeout: return 124;
        case ErrorCode::exec_failed: return error.os_error == ENOENT || error.os_error == ENOTDIR ? 127 : 126;
        default: return 125;
    }
}

Error no_such_run(RunId run, std::uint32_t newest) {
    return {ErrorCode::not_found, fmt::format("{} has no run {}; its newest is {}", to_string(run.process), run.number,
                                              newest == 0 ? "none" : to_string(RunId{run.process, newest}))};
}

}  // namespace persistproc::ops
