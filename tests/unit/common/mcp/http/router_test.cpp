#include "common/mcp/http/router.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/http_machine.hpp"

namespace router_test {

using namespace persistproc;
using mcp::http::PlainAnswer;
using mcp::http::PlainRequest;

namespace {

void add_pages(mcp::http::Router& router) {
    router.add("GET", "/page", [](const PlainRequest& request) {
        return PlainAnswer{200, std::string(request.path) + "?" + std::string(request.query)};
    });
    router.add("POST", "/page", [](const PlainRequest& request) {
        return PlainAnswer{200, std::string(request.body), "application/json"};
    });
    router.add("POST", "/form", [](const PlainRequest&) { return PlainAnswer{503, "later"}; });
}

std::string request(const std::string& method, const std::string& target, const std::string& more = "") {
    return method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n";
}

}  // namespace

TEST_CASE("a path has its methods, and GET has HEAD with it") {
    mcp::http::Router router;
    add_pages(router);
    CHECK(router.find("GET", "/page").handler != nullptr);
    CHECK(router.find("HEAD", "/page").handler != nullptr);
    CHECK(router.find("PUT", "/page").handler == nullptr);
    CHECK(router.find("PUT", "/page").allow == "GET, HEAD, POST");
    CHECK(router.find("HEAD", "/form").allow == "POST");
    for (const char* path : {"/", "/page/", "/PAGE", "//page", ""}) {
        INFO(path);
        CHECK(router.find("GET", path).handler == nullptr);
        CHECK(router.find("GET", path).allow.empty());
    }
}

TEST_CASE("an open page is shown without a token, and nothing else of its path") {
    mcp::http::Router router;
    add_pages(router);
    router.add_open("/open", [](const PlainRequest&) { return PlainAnswer{200, "ok"}; });
    router.add("POST", "/open", [](const PlainRequest&) { return PlainAnswer{200, "done"}; });
    CHECK(router.find("HEAD", "/open").handler != nullptr);
    CHECK((router.is_open("GET", "/open") && router.is_open("HEAD", "/open")));
    CHECK_FALSE(router.is_open("POST", "/open"));
    CHECK_FALSE(router.is_open("GET", "/open/"));
    CHECK_FALSE(router.is_open("GET", "/page"));
}

TEST_CASE("pages are answered on a connection that goes on") {
    tests::HttpMachine machine;
    add_pages(machine.router);
    const std::string body = "{\"a\":1}";
    const std::string json =
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    std::string text =
        machine.send(request("GET", "/page?a=b&c") + request("HEAD", "/page") + request("POST", "/page", json) + body +
                     request("DELETE", "/page") + request("GET", "/nowhere") + request("POST", "/form", json) + body);
    auto got = tests::take_answer(text);
    CHECK(got.status == 200);
    CHECK(got.body == "/page?a=b&c");
    CHECK(text.starts_with("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n"));
    text.erase(0, text.find("\r\n\r\n") + 4);
    got = tests::take_answer(text);
    CHECK(got.body == body);
    CHECK(*got.find("Content-Type") == "application/json");
    got = tests::take_answer(text);
    CHECK(got.status == 405);
    CHECK(*got.find("Allow") == "GET, HEAD, POST");
    CHECK(tests::take_answer(text).status == 404);
    CHECK(tests::take_answer(text).status == 503);
    CHECK(text.empty());
}

TEST_CASE("a page takes no form of a browser's") {
    tests::HttpMachine machine;
    add_pages(machine.router);
    CHECK(machine.answer(request("POST", "/page", "Content-Type: text/plain\r\nContent-Length: 2\r\n") + "{}").status ==
          415);
}

TEST_CASE("where the token is asked for, nothing is told without it") {
    tests::HttpMachine machine;
    add_pages(machine.router);
    machine.token = "0123456789abcdef";
    machine.admission.needs_token = true;
    const std::string right = "Authorization: Bearer " + machine.token + "\r\n";
    CHECK(machine.answer(request("GET", "/page", right)).status == 200);
    const std::string wrong[] = {"",
                                 "Authorization: Bearer 0123456789abcdee\r\n",
                                 "Authorization: Bearer 0123456789abcdef0\r\n",
                                 "Authorization: Bearer \r\n",
                                 "Authorization: Basic 0123456789abcdef\r\n",
                                 "Cookie: token=0123456789abcdef\r\n"};
    for (const std::string& field : wrong)
        for (const char* target : {"/page", "/mcp", "/nowhere", "/page?token=0123456789abcdef"}) {
            INFO(field << target);
            const auto got = machine.answer(request("GET", target, field));
            CHECK(got.status == 401);
            CHECK(*got.find("WWW-Authenticate") == "Bearer");
        }
    // Clients look for OAuth there, and must find nothing.
    CHECK(machine.answer(request("GET", "/.well-known/oauth-protected-resource")).status == 404);
    // Who may not come in at all is not asked.
    CHECK(machine.answer(request("GET", "/page", right + "Origin: http://evil.example\r\n")).status == 403);
    machine.admission.needs_token = false;
    CHECK(machine.answer(request("GET", "/page")).status == 200);
    // There is none, and it is asked for: nobody comes in.
    machine.token.clear();
    machine.admission.needs_token = true;
    for (const char* field : {"", "Authorization: Bearer \r\n", "Authorization:\r\n"})
        CHECK(machine.answer(request("GET", "/page", field)).status == 401);
}

TEST_CASE("a page of an allowed origin is answered so that its browser shows it") {
    tests::HttpMachine machine;
    const std::string origin = "Origin: https://ok.example\r\nSec-Fetch-Site: cross-site\r\n";
    auto got = machine.answer(request("OPTIONS", "/mcp", origin + "Access-Control-Request-Method: POST\r\n"));
    CHECK(got.status == 200);
    CHECK(*got.find("Access-Control-Allow-Origin") == "https://ok.example");
    CHECK(got.find("Access-Control-Allow-Headers")->find("Mcp-Session-Id") != std::string::npos);
    got = machine.answer(request("GET", "/mcp", origin));
    CHECK(got.status == 405);
    CHECK(*got.find("Access-Control-Allow-Origin") == "https://ok.example");
    CHECK(*got.find("Vary") == "Origin");
    for (const char* other : {"Origin: https://evil.example\r\n", "Origin: http://localhost\r\n", ""}) {
        INFO(other);
        got = machine.answer(request("OPTIONS", "/mcp", other));
        CHECK((got.status == 403 || got.status == 405));
        CHECK(got.find("Access-Control-Allow-Origin") == nullptr);
    }
    // The browser sends no token with its question; the page does with the request.
    machine.token = "0123456789abcdef";
    machine.admission.needs_token = true;
    CHECK(machine.answer(request("OPTIONS", "/mcp", origin)).status == 200);
    CHECK(machine.answer(request("GET", "/mcp", origin)).status == 401);
}

}  // namespace router_test
