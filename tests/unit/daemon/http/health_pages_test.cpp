#include "daemon/http/health_pages.hpp"

#include "tests/support/catch.hpp"

namespace health_pages_test {

using namespace persistproc::daemon::http;

TEST_CASE("each page says in one line how the daemon is") {
    struct Row {
        const char* path;
        Readiness readiness;
        unsigned status;
        const char* text;
    };
    const Row rows[] = {
        {"/healthz", {false, 0, 0}, 200, "ok"},
        {"/healthz", {true, 200, 200}, 200, "ok"},
        {"/readyz", {false, 0, 0}, 503, "adopting"},
        {"/readyz", {false, 120, 200}, 503, "adopting 120 of 200"},
        {"/readyz", {false, 200, 200}, 503, "adopting 200 of 200"},
        {"/readyz", {true, 199, 200}, 200, "ready"},  // a silent shim keeps nobody waiting
        {"/readyz", {true, 0, 0}, 200, "ready"},
    };
    for (const Row& row : rows) {
        INFO(row.path << " " << row.readiness.adopted << " of " << row.readiness.total);
        const auto page = find_health_page(row.path, row.readiness);
        REQUIRE(page);
        CHECK(page->status == row.status);
        CHECK(page->text == row.text);
    }
}

TEST_CASE("there are two pages and no more") {
    for (const char* path : {"/", "/mcp", "/healthz/", "/healthz?x", "/health", "/READYZ", "//readyz", ""})
        CHECK(!find_health_page(path, {}));
}

}  // namespace health_pages_test
