#include "common/base/result.hpp"

#include <sys/resource.h>

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
    return Error{ErrorCode::io, shown + ": " + os_error_text(err), err};
}

std::string os_error_text(int err) {
    std::string out = std::strerror(err);
    if (err != EMFILE && err != EFBIG) return out;
    rlimit limit{};
    const bool is_known = ::getrlimit(err == EMFILE ? RLIMIT_NOFILE : RLIMIT_FSIZE, &limit) == 0;
    // A file system may have a bound of its own.
    if (!is_known || limit.rlim_cur == RLIM_INFINITY) return out;
    const std::string most = std::to_string(limit.rlim_cur);
    return out + (err == EMFILE ? " (the limit is " + most + ": ulimit -n raises it where this is started from)"
                                : " (the limit is " + most + " bytes: ulimit -f raises it where this is started from)");
}

Error with_context(Error error, std::string_view context) {
    error.message = std::string(context) + ": " + error.message;
    return error;
}

}  // namespace persistproc::base
