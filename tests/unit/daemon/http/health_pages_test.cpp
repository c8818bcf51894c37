#include "daemon/http/health_pages.hpp"

#include "tests/support/catch.hpp"

namespace health_pages_test {

using namespace persistproc;
using namespace persistproc::daemon::http;

TEST_CASE("each page says in one line how the daemon is") {
    struct Row {
        const char* path;
        Readiness readiness;
        unsigned status;
        const char* text;
    };
    const Row rows[] = {
        {"/healthz", {false, 0, 0}, 200, "ok\n"},
        {"/healthz", {true, 200, 200}, 200, "ok\n"},
        {"/readyz", {false, 0, 0}, 503, "adopting\n"},
        {"/readyz", {false, 120, 200}, 503, "adopting 120 of 200\n"},
        {"/readyz", {false, 200, 200}, 503, "adopting 200 of 200\n"},
        {"/readyz", {true, 199, 200}, 200, "ready\n"},  // a silent shim keeps nobody waiting
        {"/readyz", {true, 0, 0}, 200, "ready\n"},
    };
    for (const Row& row : rows) {
        INFO(row.path << " " << row.readiness.adopted << " of " << row.readiness.total);
        mcp::http::Router router;
        add_health_pages(router, [&row] { return row.readiness; });
        const auto found = router.find("GET", row.path);
        REQUIRE(found.handler != nullptr);
        const auto page = (*found.handler)({});
        CHECK(page.status == row.status);
        CHECK(page.body == row.text);
    }
}

}  // namespace health_pages_test
