#include "common/mcp/http/sse.hpp"

#include "common/mcp/http/stream.hpp"
#include "tests/support/catch.hpp"

namespace sse_test {

using namespace persistproc::mcp::http;

namespace {

std::vector<SseEvent> read(const std::vector<std::string_view>& pieces) {
    SseReader reader;
    std::vector<SseEvent> out;
    for (const auto piece : pieces) REQUIRE(reader.feed(piece, out));
    return out;
}

}  // namespace

TEST_CASE("events are written as the standard says") {
    CHECK(sse_text({.id = "s3-0", .data = "", .retry_ms = 1000}) == "id: s3-0\nretry: 1000\ndata: \n\n");
    CHECK(sse_text({.id = "s3-1", .data = "{}", .retry_ms = {}}) == "id: s3-1\nevent: message\ndata: {}\n\n");
}

TEST_CASE("an event stream reads the same cut anywhere") {
    const std::string text =
        std::string(sse_comment) + sse_text({.id = "a-1", .data = "", .retry_ms = 500}) +
        "event: message\r\ndata: one\r\ndata:two\r\n\r\nid: b\rdata:  x\r\r: c\nunknown: y\ndata\n\n" + "retry: 5x\n\n";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        for (std::size_t second = cut; second <= text.size(); second += 7) {
            const std::string_view whole = text;
            const auto events = read({whole.substr(0, cut), whole.substr(cut, second - cut), whole.substr(second)});
            REQUIRE(events.size() == 4);
            CHECK(events[0].id == "a-1");
            CHECK(events[0].data.empty());
            CHECK(events[0].retry_ms == 500u);
            CHECK(events[1].data == "one\ntwo");
            CHECK(events[1].id == "a-1");
            CHECK(!events[1].retry_ms);
            CHECK(events[2].data == " x");
            CHECK(events[2].id == "b");
            CHECK(events[3].data.empty());
        }
    }
}

TEST_CASE("a cut stream gives the events that were whole") {
    const std::string text =
        sse_text({.id = "1", .data = "a", .retry_ms = {}}) + sse_text({.id = "2", .data = "b", .retry_ms = {}});
    const std::size_t first = text.size() / 2;
    for (std::size_t size = 0; size <= text.size(); ++size) {
        const auto events = read({std::string_view(text).substr(0, size)});
        CHECK(events.size() == (size >= text.size() ? 2u : size >= first ? 1u : 0u));
    }
}

TEST_CASE("an endless event is refused") {
    SseReader reader(10);
    std::vector<SseEvent> out;
    CHECK(reader.feed("data: 1234", out));
    CHECK(!reader.feed("5", out));
}

TEST_CASE("event ids are read back, and nothing else is") {
    const auto id = find_event_id(to_string(EventId{12, 345}));
    REQUIRE(id);
    CHECK(id->stream == 12);
    CHECK(id->position == 345);
    for (const char* bad : {"", "s", "s1", "s1-", "s-1", "1-1", "s1-1x", "s1--1", "s99999999999999999999-1"}) {
        INFO(bad);
        CHECK(!find_event_id(bad));
    }
}

}  // namespace sse_test
