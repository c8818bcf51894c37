#include "common/mcp/http/header_value.hpp"

#include "tests/support/catch.hpp"

namespace header_value_test {

using namespace persistproc::mcp::http;

TEST_CASE("header values are plain where they can be") {
    for (const char* text : {"", "web", "us west 1", "=?base64?abc", "abc?=", "=?BASE64?abc?=", "a\"b~!"}) {
        INFO(text);
        CHECK(encode_header_value(text) == text);
        CHECK(decode_header_value(text) == std::string(text));
    }
}

TEST_CASE("header values that cannot travel are wrapped, and come back") {
    CHECK(encode_header_value("Hello, 世界") == "=?base64?SGVsbG8sIOS4lueVjA==?=");
    CHECK(encode_header_value(" padded ") == "=?base64?IHBhZGRlZCA=?=");
    for (const char* text : {" a", "a ", "\ta", "a\tb", "line1\nline2", "a\r\nb", "\x7f",
                             "=?base64?YQ==?=", "=?base64?=", "\xc3\xa9", "\xff"}) {
        INFO(text);
        const std::string wrapped = encode_header_value(text);
        CHECK_THAT(wrapped, Catch::Matchers::StartsWith("=?base64?") && Catch::Matchers::EndsWith("?="));
        CHECK(decode_header_value(wrapped) == std::string(text));
    }
}

TEST_CASE("header values are read as written, blanks around them aside") {
    CHECK(decode_header_value(" \tweb \t") == "web");
    CHECK(decode_header_value("=?base64?SGVsbG8=?=") == "Hello");
    CHECK(decode_header_value("=?base64?"
                              "?=") == "");
    CHECK(decode_header_value("=?base64?=") == "=?base64?=");
    for (const char* bad : {"=?base64?SGVsbG8?=", "=?base64?SGVs!!!bG8=?=", "=?base64?-_8=?="}) {
        INFO(bad);
        CHECK(!decode_header_value(bad));
    }
}

}  // namespace header_value_test
