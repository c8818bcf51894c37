#include "common/mcp/http/access.hpp"

#include "tests/support/catch.hpp"

namespace access_test {

using namespace persistproc::mcp::http;

TEST_CASE("Host names this machine's loopback, with any port") {
    const struct {
        const char* host;
        int port;  // -1: refused
    } rows[] = {{"127.0.0.1", 80},
                {"127.0.0.1:8947", 8947},
                {"localhost:1", 1},
                {"LOCALHOST", 80},
                {"[::1]", 80},
                {"[::1]:65535", 65535},
                {"", -1},
                {"127.0.0.1:", -1},
                {"127.0.0.1:x", -1},
                {"127.0.0.1:1x", -1},
                {"127.0.0.1:65536", -1},
                {"127.0.0.1.evil.com", -1},
                {"localhost.evil.com", -1},
                {"evil.com", -1},
                {"evil.com:8947", -1},
                {"::1", -1},
                {"[::1", -1},
                {"[::2]:1", -1},
                {"0.0.0.0:8947", -1},
                {"127.0.0.2", -1},
                {"localhost@evil.com", -1},
                {"127.0.0.1:80:80", -1},
                {"user@localhost", -1}};
    for (const auto& row : rows) {
        INFO(row.host);
        const auto port = find_loopback_port(row.host);
        CHECK((port ? static_cast<int>(*port) : -1) == row.port);
    }
}

TEST_CASE("Origin is a page of this endpoint") {
    const std::vector<std::string> extra{"https://app.example"};
    const struct {
        const char* origin;
        OriginKind kind;
    } rows[] = {{"http://127.0.0.1:8947", OriginKind::own},
                {"http://localhost:8947", OriginKind::own},
                {"http://[::1]:8947", OriginKind::own},
                {"http://localhost:3000", OriginKind::other},
                {"http://localhost", OriginKind::other},
                {"https://localhost:8947", OriginKind::other},
                {"null", OriginKind::other},
                {"", OriginKind::other},
                {"http://evil.com:8947", OriginKind::other},
                {"http://localhost.evil:8947", OriginKind::other},
                {"https://app.example", OriginKind::extra},
                {"https://app.example.evil", OriginKind::other}};
    for (const auto& row : rows) {
        INFO(row.origin);
        CHECK(find_origin_kind(row.origin, 8947, extra) == row.kind);
    }
}

TEST_CASE("an origin is a scheme, a host and perhaps a port, and is kept as browsers send it") {
    const struct {
        const char* text;
        const char* sent;
    } rows[] = {{"http://localhost:6274", "http://localhost:6274"},
                {"https://app.example", "https://app.example"},
                {"http://127.0.0.1", "http://127.0.0.1"},
                {"vscode-webview://0a1b", "vscode-webview://0a1b"},
                {"app://obsidian.md", "app://obsidian.md"},
                {"http://x:80", "http://x"},
                {"http://[::1]:80", "http://[::1]"},
                {"https://x:443", "https://x"},
                {"http://x:443", "http://x:443"},
                {"https://x:80", "https://x:80"},
                {"app://x:80", "app://x:80"},
                {"http://x:0080", "http://x"},
                {"HTTP://App.Example:3000", "http://app.example:3000"}};
    for (const auto& row : rows) {
        INFO(row.text);
        CHECK(parse_origin(row.text) == row.sent);
    }
    for (const char* text : {"", "*", "null", "localhost:6274", "http://", "http://a/", "http://a:", "http://a:b",
                             "http://a:123456", "http://a:65536", "http://a:+1", "http://a b", "http://a\r\nX: y",
                             "://a", "http://[::1", "http://[", "http://[]", "http://[]x", "http://u@a"}) {
        INFO(text);
        CHECK_FALSE(parse_origin(text));
    }
}

TEST_CASE("the token stands behind Bearer") {
    const struct {
        const char* field;
        const char* token;
    } rows[] = {
        {"Bearer abc", "abc"}, {"bearer  abc ", "abc"}, {"BEARER a b", "a b"}, {"Basic abc", ""}, {"abc", ""}, {"", ""},
        {"Bearer", ""},        {"Bearer ", ""}};
    for (const auto& row : rows) {
        INFO(row.field);
        CHECK(find_bearer_token(row.field) == row.token);
    }
}

TEST_CASE("Accept says which answers may come") {
    const struct {
        const char* accept;
        bool json, events;
    } rows[] = {{"", true, true},
                {"*/*", true, true},
                {"application/json, text/event-stream", true, true},
                {"application/json", true, false},
                {"text/event-stream", false, true},
                {"Text/Event-Stream;q=0.5", false, true},
                {"text/html", false, false},
                {"application/*", true, false},
                {"text/event-stream;q=0, */*", true, true},
                {"application/json;q=0.0,text/event-stream", false, true}};
    for (const auto& row : rows) {
        INFO(row.accept);
        const auto got = read_accept(row.accept);
        CHECK(got.json == row.json);
        CHECK(got.events == row.events);
    }
}

TEST_CASE("only application/json is JSON") {
    CHECK(is_json_type("application/json"));
    CHECK(is_json_type("Application/JSON ; charset=utf-8"));
    CHECK(!is_json_type(""));
    CHECK(!is_json_type("text/plain"));
    CHECK(!is_json_type("application/json-rpc"));
    CHECK(!is_json_type("application/x-www-form-urlencoded"));
}

}  // namespace access_test
