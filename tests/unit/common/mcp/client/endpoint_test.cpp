#include "common/mcp/client/endpoint.hpp"

#include "tests/support/catch.hpp"

namespace endpoint_test {

using namespace persistproc;
using namespace persistproc::mcp::client;
using Catch::Matchers::Contains;

TEST_CASE("addresses of this machine are endpoints, all others are refused") {
    const auto endpoint = parse_endpoint("http://localhost:8947/mcp?x=1");
    REQUIRE(endpoint);
    CHECK(endpoint->host == "localhost");
    CHECK(endpoint->port == 8947);
    CHECK(endpoint->target == "/mcp?x=1");
    CHECK(name_of(*endpoint) == "localhost:8947");
    CHECK(parse_endpoint("http://127.0.0.1")->port == 80);
    CHECK(parse_endpoint("http://127.0.0.1:1")->target == "/");
    CHECK(parse_endpoint("http://[::1]:65535/")->host == "[::1]");
    for (const char* bad : {"", "localhost:1", "https://localhost:1/", "http://", "http://example.org/",
                            "http://localhost.evil:1/", "http://localhost:0/", "http://localhost:65536/",
                            "http://localhost:/", "http://localhost:1x/", "http://user@localhost:1/",
                            "http://localhost:1/a b", "http://localhost:1/\r\nX: y", "http://localhost:1/#x"}) {
        INFO(bad);
        const auto refused = parse_endpoint(bad);
        REQUIRE(!refused);
        CHECK(refused.error().code == ErrorCode::invalid);
    }
}

TEST_CASE("a token becomes a header, and is never shown") {
    Endpoint endpoint = *parse_endpoint("http://127.0.0.1:7/mcp");
    REQUIRE(add_bearer_token(endpoint, "s3cret"));
    CHECK_THAT(http_request(endpoint, "POST", "A: b\r\n", "{}"),
               Contains("POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:7\r\n") &&
                   Contains("Authorization: Bearer s3cret\r\nA: b\r\n\r\n{}") && Contains("Content-Length: 2\r\n"));
    for (const char* bad : {"", "a b", "s3cret\r\nX: y", "s3cret\n"}) {
        const auto refused = add_bearer_token(endpoint, bad);
        REQUIRE(!refused);
        CHECK_THAT(refused.error().message, !Contains("s3cret"));
    }
    CHECK(endpoint.headers.size() == 1);
}

}  // namespace endpoint_test
