#include "common/ops/error.hpp"

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

}  // namespace persistproc::ops
