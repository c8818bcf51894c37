#include "common/base/result.hpp"

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "common/base/text.hpp"

namespace persistproc::base {

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
    throw std::logic_error(std::string(where.file_name()) + ":" + std::to_string(where.line()) +
                           ": unchecked error: " + error.message);
}

std::string_view code_name(ErrorCode code) noexcept {
    switch (code) {
        case ErrorCode::invalid: return "invalid";
        case ErrorCode::not_found: return "not_found";
        case ErrorCode::ambiguous: return "ambiguous";
        case ErrorCode::conflict: return "conflict";
        case ErrorCode::unavailable: return "unavailable";
        case ErrorCode::timeout: return "timeout";
        case ErrorCode::exec_failed: return "exec_failed";
        case ErrorCode::io: return "io";
        case ErrorCode::corrupt: return "corrupt";
        case ErrorCode::unsupported: return "unsupported";
        case ErrorCode::denied: return "denied";
        case ErrorCode::limit: return "limit";
        case ErrorCode::other: return "other";
    }
    return "invalid";
}

std::string_view code_name(const Error& error) noexcept {
    return error.code == ErrorCode::other && !error.other_code.empty() ? std::string_view(error.other_code)
                                                                       : code_name(error.code);
}

Error os_failure(std::string_view what, int err) {
    // What is no path is of any length.
    const std::string shown = err == ENAMETOOLONG ? excerpt(what) : std::string(what);
    return Error{ErrorCode::io, shown + ": " + std::strerror(err), err};
}

Error with_context(Error error, std::string_view context) {
    error.message = std::string(context) + ": " + error.message;
    return error;
}

}  // namespace persistproc::base
