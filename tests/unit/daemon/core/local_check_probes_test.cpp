#include "daemon/core/local_check_probes.hpp"

#include "daemon/core/readiness_driver.hpp"
#include "tests/support/catch.hpp"

namespace local_check_probes_test {

using namespace persistproc;
using namespace persistproc::core;

TEST_CASE("given an answer cut at every byte, when it is read, then it is whole at its end and not before") {
    const std::pair<std::string, std::string> rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
        {"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", "hello"},
        {"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"}};
    for (const auto& [bytes, body] : rows) {
        CAPTURE(bytes);
        const HttpAnswer whole = read_http_answer(bytes);
        CHECK(whole.is_whole);
        CHECK(whole.body == body);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const HttpAnswer part = read_http_answer(std::string_view(bytes).substr(0, size));
            CHECK((part.status == 0 || part.status == whole.status));
            CHECK(body.starts_with(part.body));
        }
    }
    CHECK(read_http_answer("HTTP/1.0 404 Not Found\r\n\r\nno").status == 404);
    for (const char* other : {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 abc x\r\n\r\n", "\r\n\r\n"})
        CHECK(read_http_answer(other).status == 0);
}

TEST_CASE("given what programs print, when addresses of this machine are looked for, then they can be opened") {
    const std::pair<const char*, const char*> rows[] = {
        {"  Local:   http://localhost:5173/", "http://localhost:5173/"},
        {"Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)", "http://localhost:8000"},
        {"ready at https://127.0.0.1:3000/app?x=1.", "https://127.0.0.1:3000/app?x=1"},
        {"listening (http://[::]:4000)", "http://localhost:4000"},
        {"<a href='http://[::1]:1/'>", "http://[::1]:1/"},
        {"see http://example.com:80/ or http://localhost/", ""},
        {"http://localhost:99999/ http://localhost:x/", ""},
        {"Network: http://192.168.0.7:5173/", ""}};
    for (const auto& [line, url] : rows) {
        CAPTURE(line);
        const auto found = find_urls(line);
        CHECK((found.empty() ? std::string() : found.front().text) == url);
    }
}

TEST_CASE("given a debugger's port, when a program is looked for, then it is none of its") {
    CHECK(application_ports({3000, 5005, 5678, 9229, 9230, 9239, 9240, 24678}) == std::vector<int>{3000, 9240});
}

}  // namespace local_check_probes_test
