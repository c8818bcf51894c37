#include "common/mcp/signature.hpp"

#include "common/mcp/base64.hpp"
#include "tests/support/catch.hpp"

namespace signature_test {

using namespace persistproc;
using namespace persistproc::mcp;

namespace {

const SigningKey key{1, 2, 3};
const std::string payload("a\0b \xff payload", 12);

}  // namespace

TEST_CASE("what was signed opens again, for the same key and purpose alone") {
    for (const std::string& purpose : {std::string(), std::string("state"), std::string("st\0ate", 6)}) {
        for (const std::string& text : {std::string(), payload, std::string(10000, 'x')}) {
            const std::string signed_text = sign_text(key, purpose, text);
            CHECK(open_signed(key, purpose, signed_text) == text);
            CHECK(signed_text == sign_text(key, purpose, text));
            for (const char c : signed_text) CHECK((c > 0x20 && c < 0x7f));
            CHECK(!open_signed(key, purpose + "x", signed_text));
            CHECK(!open_signed(SigningKey{1, 2, 4}, purpose, signed_text));
        }
    }
    CHECK(!open_signed(key, {}, sign_text(key, "state", payload)));
    CHECK(!open_signed(key, "state", sign_text(key, {}, payload)));
    // A purpose is no part of the payload.
    CHECK(!open_signed(key, "ab", sign_text(key, "a", "b")));
    const std::string mac = sign_text(key, "a", "b").substr(2);
    for (const std::string& text : {std::string("ab"), std::string("a\0b", 3)})
        CHECK(!open_signed(key, {}, mcp::base64url_encode(text) + mac));
}

TEST_CASE("a signed text that was cut, lengthened or changed in any bit does not open") {
    const std::string good = sign_text(key, "state", payload);
    for (std::size_t cut = 0; cut < good.size(); ++cut) {
        INFO(cut);
        CHECK(!open_signed(key, "state", good.substr(0, cut)));
        CHECK(!open_signed(key, "state", good.substr(good.size() - cut)));
        for (int bit = 0; bit < 8; ++bit) {
            std::string bad = good;
            bad[cut] = static_cast<char>(static_cast<unsigned char>(bad[cut]) ^ (1u << bit));
            CHECK(!open_signed(key, "state", bad));
        }
    }
    for (const char* more : {"A", "=", ".", " ", "\n", "AAAA"}) {
        CHECK(!open_signed(key, "state", good + more));
        CHECK(!open_signed(key, "state", more + good));
    }
    CHECK(!open_signed(key, "state", good + '.' + good));
    for (const char* bad : {"", ".", "..", "a.b", "AAAA.AAAA"}) CHECK(!open_signed(key, "state", bad));
}

}  // namespace signature_test
