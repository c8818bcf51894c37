#pragma once
/// Expected failures as values. A failure carries a machine code, shown to programs, and one line for people
/// that says what is wrong, where, and what to do instead. Bugs are exceptions and never take this road.
#include <boost/system/result.hpp>
#include <string>
#include <string_view>

namespace persistproc {
namespace base {

/// Stable names (see `code_name`) appear in tool errors and in `{"error": {"code"}}`.
enum class ErrorCode {
    invalid,      // the request itself is wrong
    not_found,    // no such process, run, file
    ambiguous,    // a target names several processes
    conflict,     // the present state forbids it (a live label with another command, …)
    unavailable,  // the daemon or a resource is not there now
    timeout,      // a bound ran out
    exec_failed,  // a program could not be started; `os_error` says why
    io,           // the system refused a file operation; `os_error` says why
    corrupt,      // bytes on disk or on a channel are not what they must be
    unsupported,  // written by a newer major version
    denied,       // this caller may not
    limit,        // a bound that keeps one from harming others
    other,        // a newer program's, which `Error::other_code` names
};

struct Error {
    ErrorCode code = ErrorCode::invalid;
    std::string message;
    int os_error = 0;  // errno where the kernel refused, else 0
    std::string other_code{};
};

/// `.value()` on a failure is a bug of the caller: it throws std::logic_error with the message.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

template <class T>
using Result = boost::system::result<T, Error>;

/// The name of a code as users see it, e.g. "not_found".
std::string_view code_name(ErrorCode code) noexcept;
/// The same of an error, which may be of a newer program. Valid as long as the error.
std::string_view code_name(const Error& error) noexcept;

/// An `io` failure: "<what>: <strerror(err)>", with `os_error` kept.
Error os_failure(std::string_view what, int err);
/// What the system says of an `errno`; where it is a limit of this process that was met, how much that is and how it is
/// raised.
std::string os_error_text(int err);

/// The same error with "<context>: " before its message.
Error with_context(Error error, std::string_view context);

}  // namespace base

using base::Error;
using base::ErrorCode;
using base::Result;

}  // namespace persistproc
