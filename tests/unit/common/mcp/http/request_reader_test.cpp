#include "common/mcp/http/request_reader.hpp"

#include "tests/support/catch.hpp"

namespace request_reader_test {

using namespace persistproc::mcp::http;
using Progress = RequestReader::Progress;

namespace {

constexpr std::string_view two_requests =
    "\r\nPOST /mcp?x=1 HTTP/1.1\r\nHost: localhost:1\r\nContent-Type: application/json\r\nmcp-session-id:  abc \r\n"
    "Content-Length: 5\r\n\r\nhello"
    "POST /mcp HTTP/1.1\r\nhost: [::1]\r\nTransfer-Encoding: chunked\r\nConnection: "
    "close\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n";

/// Status of the refusal of `request`; 0: read to its end; -1: it wants more.
int refusal(std::string_view request, const Limits& limits = {}) {
    RequestReader reader(limits);
    reader.feed(request);
    for (;;) {
        switch (reader.advance()) {
            case Progress::need_more: return -1;
            case Progress::head: continue;
            case Progress::body: return 0;
            case Progress::failed: return static_cast<int>(reader.failure().status);
        }
    }
}

std::string get(std::string_view headers, std::string_view line = "GET /mcp HTTP/1.1") {
    return std::string(line) + "\r\n" + std::string(headers) + "\r\n";
}

}  // namespace

TEST_CASE("two requests read the same split at every byte") {
    for (std::size_t cut = 0; cut <= two_requests.size(); ++cut) {
        INFO(cut);
        RequestReader reader{Limits{}};
        std::vector<std::string> seen;
        for (const auto piece : {two_requests.substr(0, cut), two_requests.substr(cut)}) {
            reader.feed(piece);
            for (;;) {
                const auto progress = reader.advance();
                REQUIRE(progress != Progress::failed);
                if (progress == Progress::need_more) break;
                const auto& head = reader.head();
                if (progress == Progress::head) {
                    seen.push_back(std::string(head.method) + " " + std::string(head.target) + " " +
                                   std::string(head.host) + " " + std::string(head.session_id) +
                                   (head.keep_alive ? " keep" : " close"));
                } else {
                    seen.push_back(reader.body());
                    reader.next();
                }
            }
        }
        CHECK(seen == std::vector<std::string>{"POST /mcp?x=1 localhost:1 abc keep", "hello", "POST /mcp [::1]  close",
                                               "abcde"});
        CHECK(!reader.is_started());
    }
}

TEST_CASE("one byte at a time") {
    RequestReader reader{Limits{}};
    int bodies = 0;
    for (const char c : two_requests) {
        reader.feed(std::string_view(&c, 1));
        for (auto progress = reader.advance(); progress != Progress::need_more; progress = reader.advance()) {
            REQUIRE(progress != Progress::failed);
            if (progress == Progress::body) ++bodies, reader.next();
        }
    }
    CHECK(bodies == 2);
}

TEST_CASE("what two parties could read in two ways is refused") {
    const std::string host = "Host: localhost\r\n";
    CHECK(refusal(get(host)) == 0);
    CHECK(refusal(get("")) == 400);
    CHECK(refusal(get(host + host)) == 400);
    CHECK(refusal(get(host + "Content-Length: 1\r\ncontent-length: 1\r\n") + "x") == 400);
    CHECK(refusal(get(host + "Content-Length: 1\r\nContent-Length: 2\r\n") + "xx") == 400);
    CHECK(refusal(get(host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n") == 400);
    CHECK(refusal(get(host + "Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n") == 400);
    CHECK(refusal(get(host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n") == 400);
    CHECK(refusal(get(host + "Origin: a\r\nOrigin: b\r\n")) == 400);
    CHECK(refusal(get(host + "Authorization: a\r\nAuthorization: b\r\n")) == 400);
    CHECK(refusal(get(host + "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n")) == 400);
    CHECK(refusal(get(host + "Content-Length: -1\r\n")) == 400);
    CHECK(refusal(get(host + "Content-Length: 0x1\r\n")) == 400);
    CHECK(refusal(get(host + "Content-Length: 1, 1\r\n")) == 400);
    CHECK(refusal(get(host + "X: a\r\n b\r\n")) == 400);
    CHECK(refusal(get(host + "X: a\r\n\tb\r\n")) == 400);
    CHECK(refusal(get(host + "X: a\rb\r\n")) == 400);
    CHECK(refusal(get(host + "X : a\r\n")) == 400);
    CHECK(refusal(get(host + std::string("X: a\0b\r\n", 9))) == 400);
    CHECK(refusal(get(host + "no colon\r\n")) == 400);
    CHECK(refusal("GET /mcp HTTP/1.1\nHost: localhost\n\n") == 400);
    CHECK(refusal("GET /mcp HTTP/1.1\r\nHost: localhost\r\nX: y\n\r\n") == 400);
    CHECK(refusal(get(host, "GET /mcp")) == 400);
    CHECK(refusal(get(host, "GET /mcp HTTP/2.0")) == 400);
    CHECK(refusal(get(host, "GET  /mcp HTTP/1.1")) == 400);
    CHECK(refusal(get(host, "G(T /mcp HTTP/1.1")) == 400);
    CHECK(refusal(get(host + "Transfer-Encoding: chunked\r\n") + "zz\r\n") == 400);
    CHECK(refusal("\x16\x03\x01\x02\x01\n") == 400);
}

TEST_CASE("a last chunk that comes first may come in any pieces") {
    const std::string head = get("Host: localhost\r\nTransfer-Encoding: chunked\r\n"), body = "0\r\n\r\n";
    for (std::size_t first = 1; first < body.size(); ++first) {
        for (std::size_t second = first; second < body.size(); ++second) {
            RequestReader reader{Limits{}};
            reader.feed(head);
            CHECK(reader.advance() == Progress::head);
            reader.feed(body.substr(0, first));
            CHECK(reader.advance() == Progress::need_more);
            reader.feed(body.substr(first, second - first));
            CHECK(reader.advance() == Progress::need_more);
            reader.feed(body.substr(second));
            CHECK(reader.advance() == Progress::body);
        }
    }
}

TEST_CASE("what stands beside chunks is bounded, however it arrives") {
    const std::string head = get("Host: localhost\r\nTransfer-Encoding: chunked\r\n");
    const auto arrives = [&](const std::string& body, std::size_t piece) {
        RequestReader reader{Limits{}};
        reader.feed(head);
        for (std::size_t at = 0; at < body.size(); at += piece) {
            reader.feed(std::string_view(body).substr(at, piece));
            for (auto progress = reader.advance(); progress != Progress::need_more; progress = reader.advance()) {
                if (progress == Progress::failed) return static_cast<int>(reader.failure().status);
                if (progress == Progress::body) return 0;
            }
        }
        return -1;
    };
    const std::string end = "0\r\n\r\n";
    std::string trailers;
    for (int i = 0; i < 3500; ++i) trailers += "A: 1\r\n";
    for (const std::size_t piece : {std::size_t{1} << 20, std::size_t{1000}}) {
        INFO(piece);
        CHECK(arrives("1;" + std::string(8000, 'x') + "\r\na\r\n" + end, piece) == 0);
        CHECK(arrives("1;" + std::string(17000, 'x') + "\r\na\r\n" + end, piece) == 400);
        CHECK(arrives("0\r\nA: " + std::string(8000, 'x') + "\r\n\r\n", piece) == 0);
        CHECK(arrives("0\r\nA: " + std::string(20000, 'x') + "\r\n\r\n", piece) == 400);
        CHECK(arrives("0\r\n" + trailers + "\r\n", piece) == 400);
    }
}

TEST_CASE("a target may name the host, which then counts") {
    const struct {
        const char *target, *host, *path;
    } rows[] = {{"/mcp?a", "localhost", "/mcp?a"},
                {"http://127.0.0.1:1/mcp?a", "127.0.0.1:1", "/mcp?a"},
                {"HTTP://evil.example/mcp", "evil.example", "/mcp"},
                {"http://127.0.0.1", "127.0.0.1", "/"},
                {"http://127.0.0.1?a", "127.0.0.1", "?a"},
                {"https://127.0.0.1/mcp", "localhost", "https://127.0.0.1/mcp"}};
    for (const auto& row : rows) {
        INFO(row.target);
        RequestReader reader{Limits{}};
        reader.feed(get("Host: localhost\r\n", "GET " + std::string(row.target) + " HTTP/1.1"));
        REQUIRE(reader.advance() == Progress::head);
        CHECK(reader.head().host == row.host);
        CHECK(reader.head().target == row.path);
    }
}

TEST_CASE("sizes are bounded") {
    const std::string host = "Host: localhost\r\n";
    Limits limits;
    CHECK(refusal(get(host, "GET /" + std::string(8000, 'a') + " HTTP/1.1")) == 0);
    CHECK(refusal(get(host, "GET /" + std::string(8192, 'a') + " HTTP/1.1")) == 414);
    CHECK(refusal(std::string(8193, 'a')) == 414);
    CHECK(refusal(get(host + "X: " + std::string(16000, 'a') + "\r\n")) == 0);
    CHECK(refusal(get(host + "X: " + std::string(16384, 'a') + "\r\n")) == 431);
    CHECK(refusal("GET /mcp HTTP/1.1\r\nX: " + std::string(16384, 'a')) == 431);
    std::string lines;
    for (int i = 0; i < 8192; ++i) lines += "\r\n";
    CHECK(refusal(lines) == -1);
    CHECK(refusal(lines.substr(0, 1000) + get(host)) == 0);
    CHECK(refusal(lines.substr(0, 1000) + get(host + "X: " + std::string(15384, 'a') + "\r\n")) == 431);
    CHECK(refusal(lines + "\r\n") == 431);
    std::string fields = host;
    for (int i = 0; i < 63; ++i) fields += "X" + std::to_string(i) + ": y\r\n";
    CHECK(refusal(get(fields)) == 0);
    CHECK(refusal(get(fields + "Y: z\r\n")) == 431);
    limits.body_bytes = 4;
    CHECK(refusal(get(host + "Content-Length: 4\r\n") + "abcd", limits) == 0);
    CHECK(refusal(get(host + "Transfer-Encoding: chunked\r\n") + "4\r\nabcd\r\n0\r\n\r\n", limits) == 0);
    CHECK(refusal(get(host + "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n2\r\nde\r\n", limits) == 413);
    RequestReader reader(limits);
    reader.feed(get(host + "Content-Length: 5\r\n"));
    REQUIRE(reader.advance() == Progress::head);
    CHECK(reader.head().body_too_large);
}

TEST_CASE("empty lines before a request are a part of it, but a few") {
    RequestReader reader{Limits()};
    for (int i = 1; i <= 8192; ++i) {
        reader.feed("\r\n");
        REQUIRE(reader.advance() == Progress::need_more);
        REQUIRE(reader.is_started() == (i > 4));
    }
    reader.feed("\r\n");
    CHECK(reader.advance() == Progress::failed);
}

TEST_CASE("a request cut anywhere wants more or is refused, never read") {
    const std::string whole = get("Host: localhost\r\nContent-Length: 3\r\n", "POST /mcp HTTP/1.1") + "abc";
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK(refusal(std::string_view(whole).substr(0, size)) == -1);
}

}  // namespace request_reader_test
