#include "common/mcp/base64.hpp"

#include "tests/support/catch.hpp"

namespace base64_test {

using namespace persistproc::mcp;

TEST_CASE("base64 has the values of RFC 4648") {
    const std::pair<std::string, std::string> pairs[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"},
                                                         {"\xfb\xff", "+/8="}};
    for (const auto& [bytes, text] : pairs) {
        CHECK(base64_encode(bytes) == text);
        CHECK(base64_decode(text) == bytes);
    }
    CHECK(base64url_encode("\xfb\xff") == "-_8");
    CHECK(base64url_decode("-_8") == "\xfb\xff");
}

TEST_CASE("base64 takes one spelling of a value") {
    for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9v\n", "Zm9v!Zm9v", "====", "Zg==Zg==", "-_8="})
        CHECK(!base64_decode(text));
    for (const char* text : {"Z", "Zg==", "Zh", "+/8"}) CHECK(!base64url_decode(text));
}

}  // namespace base64_test
