#include "common/domain/readiness.hpp"

#include "common/schema/json.hpp"
#include "tests/support/catch.hpp"

namespace persistproc::domain {

namespace {

Result<Checks> read(const char* json) { return checks_form.read(schema::Json::parse(json), "ready"); }

}  // namespace

TEST_CASE("checks are read in their short forms, and written as tables") {
    const std::pair<const char*, const char*> rows[] = {
        {"3000", R"([{"port":3000}])"},
        {R"("port")", R"([{"port":"port"}])"},
        {R"("/x?a=1")", R"([{"http":"/x?a=1"}])"},
        {R"("http://localhost:80/x")", R"([{"http":"http://localhost:80/x"}])"},
        {R"("http://127.0.0.1:81")", R"([{"http":"http://localhost:81/"}])"},
        {R"("http://[::1]:81/")", R"([{"http":"http://localhost:81/"}])"},
        {R"("notify")", R"([{"notify":true}])"},
        {R"({"log": "ready", "timeout": "1m"})", R"([{"log":"ready","timeout":60.0}])"},
        {R"({"command": "pg_isready -q", "successes": 2})", R"([{"command":["pg_isready","-q"],"successes":2}])"},
        {R"({"command": "a | b", "period": 0.5})", R"([{"command":"a | b","period":0.5}])"},
        {R"({"command": ["a", "b c"]})", R"([{"command":["a","b c"]}])"},
        {R"({"file": "run.pid", "initial_delay": 2})", R"([{"file":"run.pid","initial_delay":2.0}])"},
        {R"({"socket": "s", "probe_timeout": 3, "failures": 5})",
         R"([{"socket":"s","probe_timeout":3.0,"failures":5}])"},
        {R"({"http": "/", "status": [200, "400-404"], "body": "ok"})",
         R"([{"http":"/","status":[200,"400-404"],"body":"ok"}])"},
        {R"([1, {"port": "port"}, "notify"])", R"([{"port":1},{"port":"port"},{"notify":true}])"},
        {"[]", "[]"}};
    for (const auto& [given, written] : rows) {
        CAPTURE(given);
        const auto checks = read(given);
        REQUIRE(checks);
        CHECK(checks_form.write(*checks).dump() == written);
        const auto again = checks_form.read(schema::Json::parse(written), "ready");
        REQUIRE(again);
        CHECK(*again == *checks);
    }
}

TEST_CASE("what is no check is refused with its path") {
    const std::pair<const char*, const char*> rows[] = {
        {"0", "ready: must be 1 to 65535, got 0"},
        {"1.5", "ready: expected integer, got number 1.5"},
        {R"("soon")", "ready: expected a port, \"port\", \"/path\", \"notify\" or a table, got string \"soon\""},
        {"true", "ready: expected a port, \"port\", \"/path\", \"notify\" or a table, got true"},
        {"{}", "ready: a table holds one of port, http, log, command, file, socket, notify"},
        {R"({"port": 1, "log": "x"})", "ready: a table holds one of port, http, log"},
        {R"({"log": "x", "status": 200})", "ready: status and body are of http"},
        {R"({"http": "/", "status": [99]})",
         "ready.status: expected statuses such as 200 or \"200-399\", got number 99"},
        {R"({"http": "/", "status": "300-200"})", "ready.status: expected statuses"},
        {R"({"http": "x"})", "ready.http: \"x\": expected /path or http://localhost:PORT/path"},
        {R"("http://localhost:x/")", "ready: \"http://localhost:x/\": its port is none"},
        {R"("http://example.com/")", "ready: \"http://example.com/\": only this machine is asked"},
        {R"("/a b")", "ready: \"/a b\": a path is visible ASCII"},
        {R"({"log": "x", "period": 0})", "ready.period: must be 0.05 to 86400, got 0"},
        {R"({"log": "x", "successes": 0})", "ready.successes: must be 1 to 1000, got 0"},
        {R"({"command": ""})", "ready: command: must name a program"},
        {R"([1, {"lgo": "x"}])", "ready[1].lgo: no such key; nearest: log"}};
    for (const auto& [given, told] : rows) {
        CAPTURE(given);
        const auto checks = read(given);
        REQUIRE(!checks);
        CHECK(checks.error().message.starts_with(told));
        if (!checks.error().message.starts_with(told)) CHECK(checks.error().message == told);
    }
}

TEST_CASE("given a check as it is typed, when it is read, then it is one of the file's") {
    const std::pair<const char*, const char*> rows[] = {
        {"3000", R"([{"port":3000}])"},
        {"port", R"([{"port":"port"}])"},
        {"/healthz", R"([{"http":"/healthz"}])"},
        {"http://localhost:80/x", R"([{"http":"http://localhost:80/x"}])"},
        {"log:a: \\d", R"([{"log":"a: \\d"}])"},
        {"command:pg_isready -q", R"([{"command":["pg_isready","-q"]}])"},
        {"file:run.pid", R"([{"file":"run.pid"}])"},
        {"socket:/run/x", R"([{"socket":"/run/x"}])"},
        {"notify", R"([{"notify":true}])"},
        {R"({"http":"/x","timeout":30})", R"([{"http":"/x","timeout":30.0}])"}};
    for (const auto& [given, written] : rows) {
        CAPTURE(given);
        const auto check = parse_check(given);
        REQUIRE(check);
        CHECK(checks_form.write({*check}).dump() == written);
    }
    for (const char* given : {"", "soon", "99999", "log:", "{", "[1]", "https://localhost/"}) {
        CAPTURE(given);
        CHECK(!parse_check(given));
    }
}

TEST_CASE("a check is told in a few words") {
    const std::pair<const char*, const char*> rows[] = {{"3000", "port 3000"},
                                                        {R"("/x")", "GET /x"},
                                                        {R"({"log": "up"})", "log /up/"},
                                                        {R"({"command": "a 'b c'"})", "a 'b c'"},
                                                        {R"("notify")", "notify"}};
    for (const auto& [given, told] : rows) CHECK(check_text(read(given)->front()) == told);
}

}  // namespace persistproc::domain
