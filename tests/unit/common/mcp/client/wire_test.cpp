#include "common/mcp/client/wire.hpp"

#include "tests/support/scripted_peer.hpp"

namespace wire_test {

using namespace persistproc;
using namespace persistproc::tests;
using mcp::client::Wire;

TEST_CASE("a peer that says nothing is known to be silent, one that comments is not") {
    ScriptedPeer p;
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    p.ends.emplace_back(pair[1]);
    auto wire = std::make_shared<Wire>(p.io.get_executor(), base::UniqueFd(pair[0]), "server");
    bool is_silent = false;
    boost::asio::co_spawn(p.io, wire->exchange("GET / HTTP/1.1\r\n\r\n", 0, mcp::client::EventSink()),
                          [](std::exception_ptr, Result<mcp::client::Answer>) {});
    boost::asio::co_spawn(p.io, until_silent(wire, *p.clock, std::chrono::seconds(10)),
                          [&](std::exception_ptr) { is_silent = true; });
    p.settle();
    CHECK(!wire->is_unsent());
    p.pass(std::chrono::seconds(9));
    p.say(0, p.stream_head);
    for (int i = 0; i < 5; ++i) {
        p.pass(std::chrono::seconds(9));
        CHECK(!is_silent);
        p.say(0, p.chunk(": ka\n\n"));
    }
    p.pass(std::chrono::seconds(10));
    p.pass(std::chrono::seconds(10));
    CHECK(is_silent);
    wire->close();
    p.settle();
}

}  // namespace wire_test
