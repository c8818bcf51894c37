#include "common/mcp/tool.hpp"

namespace persistproc::mcp {

namespace {

constexpr const char* error_key = "persistproc/error";

constexpr ErrorCode codes[] = {ErrorCode::invalid,     ErrorCode::not_found,   ErrorCode::ambiguous,
                               ErrorCode::conflict,    ErrorCode::unavailable, ErrorCode::timeout,
                               ErrorCode::exec_failed, ErrorCode::io,          ErrorCode::corrupt,
                               ErrorCode::unsupported, ErrorCode::denied};

}  // namespace

ToolResult tool_failure(const Error& error) {
    const std::string code(base::code_name(error));
    ToolResult out;
    out.is_error = true;
    out.text = code + ": " + error.message;
    Json failure{{"code", code}, {"message", error.message}};
    if (error.os_error != 0) failure["os_error"] = error.os_error;
    out.meta = Json{{error_key, std::move(failure)}};
    return out;
}

Error failure_of(const ToolResult& result) {
    Error error{ErrorCode::invalid, result.text};
    const Json* found = find_member(result.meta, error_key);
    if (found == nullptr || !found->is_object()) return error;
    const std::string code = found->value("code", std::string());
    if (!code.empty()) {
        error.code = ErrorCode::other;
        error.other_code = code;
    }
    for (const ErrorCode each : codes)
        if (base::code_name(each) == code) error.code = each;
    error.message = found->value("message", result.text);
    error.os_error = found->value("os_error", 0);
    return error;
}

}  // namespace persistproc::mcp
