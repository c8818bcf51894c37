#include "common/mcp/tool.hpp"

#include "tests/support/catch.hpp"

namespace tool_test {

using namespace persistproc;
using namespace persistproc::mcp;

TEST_CASE("a failure survives the way through a tool result") {
    const ErrorCode all[] = {ErrorCode::invalid,     ErrorCode::not_found,   ErrorCode::ambiguous,
                             ErrorCode::conflict,    ErrorCode::unavailable, ErrorCode::timeout,
                             ErrorCode::exec_failed, ErrorCode::io,          ErrorCode::corrupt,
                             ErrorCode::unsupported, ErrorCode::denied};
    for (const ErrorCode code : all) {
        const Error error{code, "what to do", 13};
        const ToolResult result = tool_failure(error);
        CHECK(result.is_error);
        CHECK(result.text == std::string(base::code_name(code)) + ": what to do");
        const Error back = failure_of(result);
        CHECK(back.code == code);
        CHECK(back.message == "what to do");
        CHECK(back.os_error == 13);
    }
}

TEST_CASE("a code of a newer daemon is told as it is") {
    const Error error{ErrorCode::conflict, "what to do"};
    ToolResult result = tool_failure(error);
    result.meta["persistproc/error"]["code"] = "konflikt";
    const Error back = failure_of(result);
    CHECK(back.code == ErrorCode::other);
    CHECK(base::code_name(back) == "konflikt");
    CHECK(back.message == "what to do");
}

TEST_CASE("a failure of another server is invalid with its text") {
    ToolResult result;
    result.is_error = true;
    result.text = "went wrong";
    CHECK(failure_of(result).code == ErrorCode::invalid);
    CHECK(failure_of(result).message == "went wrong");
}

}  // namespace tool_test
