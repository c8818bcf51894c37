#include "common/logstore/fold.hpp"

#include <fmt/format.h>

#include "tests/support/catch.hpp"

namespace fold_test {

using namespace persistproc::logstore;

namespace {

std::vector<std::string> shapes_of(const std::vector<std::string>& lines) {
    std::vector<std::string> out;
    for (const auto& line : lines) out.push_back(shape_of(line));
    return out;
}

/// "2+3*4": two lines, then three that are shown for four more rounds of them.
std::string folded(const std::vector<std::string>& lines) {
    std::string out;
    std::size_t at = 0;
    for (const auto& fold : find_folds(shapes_of(lines))) {
        out += fmt::format("{}+{}*{} ", fold.first - at, fold.period, fold.times());
        at = fold.shown() + fold.period;
    }
    return out + fmt::format("{}", lines.size() - at);
}

std::vector<std::string> repeat(const std::vector<std::string>& block, int times) {
    std::vector<std::string> out;
    for (int i = 0; i < times; ++i) out.insert(out.end(), block.begin(), block.end());
    return out;
}

}  // namespace

TEST_CASE("lines are equal but for numbers, times, addresses and ids") {
    const std::pair<const char*, const char*> same[] = {
        {"took 12 ms", "took 950 ms"},
        {"took 12.5ms", "took 1.2s"},
        {"took 1m3s", "took 950ms"},
        {"2026-11-29T19:51:51.123Z ready", "2026-12-01T01:02:03.4Z ready"},
        {"[19:51:51] ready", "[00:00:00] ready"},
        {"at 0x7ffe12ab", "at 0xdeadbeef"},
        {"commit 1a2b3c4 built", "commit ffeeddcc00 built"},
        {"req 123e4567-e89b-12d3-a456-426614174000 done", "req abcdabcd-abcd-abcd-abcd-abcdabcdabcd done"},
        {"peer 10.0.0.1:8080", "peer 192.168.10.20:99"},
        {"peer [2001:db8::1]:80", "peer [fe80:0:12::ab:3]:99"},
        {"<6>unit 4 did it", "<6>unit 5 did it"},
        {"part <6> done", "part <3> done"},
        {"mac 00:1b:44:11:3a:b7 up", "mac aa:bb:cc:00:11:22 up"},
        {"worker3 started", "worker17 started"},
        {"1,234 rows", "7 rows"},
        {"GET /items/17 200 3ms", "GET /items/404 304 12ms"},
        {"pid 7 exited", "pid 12345 exited"},
        {"INFO: 127.0.0.1:51234 - \"GET / HTTP/1.1\" 200 OK", "INFO: 127.0.0.1:51999 - \"GET / HTTP/1.1\" 200 OK"},
        {"connection from 10.0.0.5 port 51234", "connection from 10.0.0.9 port 40022"},
        {"Error: timed out after 1203 ms", "Error: timed out after 1303 ms"},
        {"\"GET / HTTP/1.1\" 200 431 \"-\" \"curl\"", "\"GET / HTTP/1.1\" 200 512 \"-\" \"curl\""},
        {"GET /items?id=404&n=1 200 433 ms - 512", "GET /items?id=405&n=1 200 57 ms - 1"},
        {"GET /items 200 404", "GET /items 304 17"},
        {"POST http://localhost/a?b=1 201 433", "POST http://localhost/a?b=1 201 12"},
        {"ValueError: x1", "ValueError: x25"},
        {"Error: user1 not found", "Error: user404 not found"},
        {"Error: order QX1234 is gone", "Error: order QX99 is gone"},
        {"handling req_000009ab", "handling req_00000a1b"},
        {"Error: req_000009ab failed", "Error: req_0a0b0c0d failed"},
        {"ok request 431", "ok request 17"},
        {"loaded 433 rows", "loaded 57 rows"},
        {"worker on 17 cores", "worker on 4000 cores"},
        {"POST /api 201 -> sent 433 bytes", "POST /api 201 -> sent 12 bytes"},
        {"paid by cus_9s6XKzkNRiz8i3", "paid by cus_4f7Ab1kQmn0x2y"},
        {"request aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee done", "request ffffffff-bbbb-cccc-dddd-eeeeeeeeeeee done"},
    };
    for (const auto& [a, b] : same) {
        INFO(a << " | " << b);
        CHECK(shape_of(a) == shape_of(b));
    }
}

TEST_CASE("what differs in words or in an outcome is not equal") {
    const std::pair<const char*, const char*> different[] = {
        {"GET /a 200", "GET /b 200"},
        {"GET /a 200 3ms", "GET /a 500 3ms"},
        {"GET /a 404 3ms", "GET /a 500 3ms"},
        {"\"GET / HTTP/1.1\" 200 12", "\"GET / HTTP/1.1\" 503 12"},
        {"\"GET / HTTP/1.1\" 404 431", "\"GET / HTTP/1.1\" 200 431"},
        {"GET /a took 433 ms: 404", "GET /a took 433 ms: 200"},
        {"GET /a?id=433 404 12 ms", "GET /a?id=433 200 12 ms"},
        {"GET 404 /a", "GET 200 /a"},
        {"404 GET /a (127.0.0.1) 433.12ms", "200 GET /a (127.0.0.1) 433.12ms"},
        {"| 404 |  433 ms | 127.0.0.1 | GET \"/a\"", "| 200 |  433 ms | 127.0.0.1 | GET \"/a\""},
        {"{\"method\":\"GET\",\"bytes\":433,\"statusCode\":404}",
         "{\"method\":\"GET\",\"bytes\":433,\"statusCode\":200}"},
        {"{\"method\":\"GET\",\"status\":404,\"ms\":17}", "{\"method\":\"GET\",\"status\":200,\"ms\":17}"},
        {"{\"code\":3}", "{\"code\":4}"},
        {"{\"level\":30,\"time\":1764500000,\"msg\":\"done\"}", "{\"level\":50,\"time\":1764500000,\"msg\":\"done\"}"},
        {"level=30 done", "level=50 done"},
        {"prio=1 done", "prio=5 done"},
        {"sev: 6 done", "sev: 3 done"},
        {"<6>unit 4 did it", "<3>unit 5 did it"},
        {"web-1  | <6>unit 4 did it", "web-1  | <3>unit 5 did it"},
        {"<30>Nov 30 10:00:00 a: done", "<27>Nov 30 10:00:01 a: done"},
        {"1015 bound to 0.0.0.0:3000", "1016 bound to 0.0.0.0:3005"},
        {"bound to [::]:3000", "bound to [::]:3005"},
        {"Completed 200 OK in 3ms", "Completed 500 OK in 3ms"},
        {"Completed 200 in 3ms", "Completed 500 in 3ms"},
        {"answered 200 OK", "answered 500 Internal Server Error"},
        {"GET /a 200, then GET /b 404", "GET /a 200, then GET /b 200"},
        {"POST /api 201 -> upstream 200", "POST /api 201 -> upstream 500"},
        {"proxy: backend answered 200", "proxy: backend answered 500"},
        {"fetch https://api.x/a 200", "fetch https://api.x/a 404"},
        {"Response: 200", "Response: 500"},
        {"webhook delivered: 200", "webhook delivered: 500"},
        {"crawl 200 https://x/a", "crawl 500 https://x/a"},
        {"upstream=10.0.0.1 200 0.003", "upstream=10.0.0.1 500 0.003"},
        {"-> 200 in 3ms", "-> 404 in 3ms"},
        {"Server on :3000", "Server on :3001"},
        {"running on 3000", "running on 3001"},
        {"App is up on 3000 (pid 7)", "App is up on 3001 (pid 7)"},
        {"health check: 0/3 up", "health check: 3/3 up"},
        {"Found 0 errors.", "Found 3 errors."},
        {"failed: 0", "failed: 2"},
        {"exited with code 1", "exited with code 137"},
        {"status=3", "status=4"},
        {"signal: 9", "signal: 15"},
        {"took 12 ms", "took 12 s"},
        {"user anna logged in", "user bert logged in"},
        {"cafe: open", "face: open"},
        {"facade built", "decade built"},
        {"42", "43"},
        {"12:30:01", "12:30:02"},
        {"1 2 3", "1 2 4"},
        {"a::b", "a::c"},
        {"x  y", "x y"},
        {"src/a1.ts(1,7): error TS2322: Type 'string' is not assignable",
         "src/a2.ts(1,7): error TS2322: Type 'string' is not assignable"},
        {"src/a.ts(1,7): error TS2322: no", "src/a.ts(2,7): error TS2322: no"},
        {"error TS2322: no", "error TS2304: no"},
        {"error[E0382]: no", "error[E0499]: no"},
        {"./a.py:3:1: E501 no", "./a.py:3:1: F401 no"},
        {"Error: (P2002) no", "Error: (P2025) no"},
        {"    at total (/srv/app.js:5:48)", "    at total (/srv/app.js:6:48)"},
        {"ready on http://localhost:3000", "ready on http://localhost:3001"},
        {"listening on port 3000", "listening on port 3001"},
        {"Port: 8080 taken", "Port: 8081 taken"},
        {"Z\xC3\xA4hler 1", "Z\xC3\xB6hler 1"},
    };
    for (const auto& [a, b] : different) {
        INFO(a << " | " << b);
        CHECK(shape_of(a) != shape_of(b));
    }
}

TEST_CASE("blocks that repeat in a row are folded onto the newest") {
    const std::vector<std::string> crash = {"Server starting on port 3000", "    at listen (net.js:12)",
                                            "Error: refused"};
    CHECK(folded(repeat(crash, 5)) == "0+3*4 0");
    // What is cut at its beginning is still whole rounds.
    auto cut = repeat(crash, 5);
    cut.erase(cut.begin());
    CHECK(folded(cut) == "2+3*3 0");
    auto then = repeat(crash, 5);
    then.push_back("Server starting on port 3000");
    then.push_back("    at another (net.js:12)");
    CHECK(folded(then) == "1+3*4 1");
    // Too little to be worth a mark.
    CHECK(folded(repeat({"once more, with feeling"}, 3)) == "3");
    CHECK(folded(repeat({"y"}, 16)) == "16");
    CHECK(folded(repeat({""}, 100)) == "0+1*99 0");
    CHECK(folded({}) == "0");
    std::vector<std::string> block;
    for (std::size_t i = 0; i < longest_block; ++i) block.push_back("line " + std::string(i + 1, 'x'));
    CHECK(folded(repeat(block, 3)) == "0+60*2 0");
    block.push_back("one too many");
    CHECK(folded(repeat(block, 3)) == "183");
    // A block that ends in lines of one kind.
    std::vector<std::string> stack = {"panic: oops", "goroutine 1"};
    for (int i = 0; i < 9; ++i) stack.push_back(fmt::format("    frame of it, {}", i + 1));
    CHECK(folded(repeat(stack, 4)) == "0+11*3 0");
    // Two kinds, one after the other.
    auto both = repeat(crash, 5);
    const auto more = repeat({"GET /health 200 in 3 ms"}, 20);
    both.insert(both.end(), more.begin(), more.end());
    CHECK(folded(both) == "0+3*4 0+1*19 0");
}

TEST_CASE("a counter that goes up is folded, a failure among requests is not") {
    std::vector<std::string> lines;
    for (int i = 1; i <= 100; ++i) lines.push_back(fmt::format("downloaded {} of 100 parts", i));
    CHECK(folded(lines) == "0+1*99 0");
    for (auto& line : lines) line = "GET /api/items 200 12 ms";
    lines[50] = "GET /api/items 500 12 ms";
    CHECK(folded(lines) == "0+1*49 1+1*48 0");
}

TEST_CASE("whatever the lines are, time grows with them alone") {
    // What is quadratic in any of these takes minutes.
    std::vector<std::string> almost;
    for (std::size_t i = 0; i < 20000; ++i) almost.push_back(i % 60 < 59 ? "a word" : std::string(i / 60 % 7, 'b'));
    CHECK_FALSE(folded(almost).empty());
    for (const char* part : {"a:", "400 ", "1m", "1.", "0x", "0a", "a_", "a1b2c3d4_", "GET /", "GET 404 "}) {
        std::string line;
        for (int i = 0; i < 60000; ++i) line += part;
        CHECK_FALSE(shape_of(line + "z").empty());
    }
}

}  // namespace fold_test
