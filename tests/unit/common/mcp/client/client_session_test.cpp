#include "common/mcp/client/client_session.hpp"

#include "tests/support/catch.hpp"

namespace client_session_test {

using namespace persistproc;
using namespace persistproc::mcp::client;
using Catch::Matchers::Contains;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

mcp::http::SseEvent event(std::string id, std::optional<std::uint64_t> retry_ms = std::nullopt, std::string data = "") {
    mcp::http::SseEvent out;
    out.id = std::move(id);
    out.data = std::move(data);
    out.retry_ms = retry_ms;
    return out;
}

Answer answered(unsigned status, bool is_stream = false) {
    Answer out;
    out.status = status;
    out.is_stream = is_stream;
    return out;
}

}  // namespace

TEST_CASE("a track knows the last event and the pause that was asked for") {
    Track track;
    CHECK(track.retry == seconds(1));
    track.see(event("a", 250));
    track.see(event(""));
    CHECK(track.last_event == "a");
    CHECK(track.events == 2);
    CHECK(track.pause(0, seconds(5)) == milliseconds(250));
    CHECK(track.pause(2, seconds(5)) == seconds(1));
    CHECK(track.pause(4, seconds(5)) == seconds(4));
    CHECK(track.pause(99, seconds(5)) == seconds(4));
    CHECK(track.pause(3, seconds(1)) == seconds(1));
    track.see(event("", 0));
    CHECK(track.retry == milliseconds(10));
    track.see(event("", ~std::uint64_t(0)));
    CHECK(track.retry == seconds(60));
}

TEST_CASE("a sink with a track takes messages, and notes what has none") {
    Track track;
    std::string taken;
    const EventSink sink = tracked(&track, [&](std::string message) {
        taken += message;
        return message == "last";
    });
    CHECK(!sink(event("1")));
    CHECK(!sink(event("2", std::nullopt, "one")));
    CHECK(sink(event("3", std::nullopt, "last")));
    CHECK(taken == "onelast");
    CHECK(track.last_event == "3");
}

TEST_CASE("a stream is asked for with what is known of it") {
    ClientSession session;
    session.begin("s-1", mcp::Json{{"protocolVersion", "2025-06-18"}});
    Track track;
    const std::string first = stream_request(Endpoint(), session, track);
    CHECK_THAT(first, Contains("GET /mcp HTTP/1.1\r\n") && Contains("Accept: text/event-stream\r\n") &&
                          Contains("MCP-Protocol-Version: 2025-06-18\r\nMcp-Session-Id: s-1\r\n") &&
                          !Contains("Last-Event-ID"));
    track.last_event = "g1-7";
    CHECK_THAT(stream_request(Endpoint(), session, track), Contains("Last-Event-ID: g1-7\r\n"));
}

TEST_CASE("what comes of a stream") {
    const struct {
        Result<Answer> answer;
        bool was_resumed;
        Heard heard;
        bool is_forgotten;
    } rows[] = {
        {answered(200, true), true, Heard::ended, false},
        {Error{ErrorCode::unavailable, "lost"}, true, Heard::cut, false},
        {answered(404), true, Heard::unknown_session, false},
        {answered(405), false, Heard::not_offered, false},
        {answered(400), true, Heard::ended, true},
        {answered(400), false, Heard::refused, false},
        {answered(503), true, Heard::refused, true},
    };
    for (const auto& row : rows) {
        Track track;
        if (row.was_resumed) track.last_event = "x";
        CHECK(heard(row.answer, track) == row.heard);
        CHECK(track.last_event.empty() == (row.is_forgotten || !row.was_resumed));
    }
}

}  // namespace client_session_test
