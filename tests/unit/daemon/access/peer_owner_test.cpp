#include "daemon/access/peer_owner.hpp"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <fstream>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace peer_owner_test {

using boost::asio::ip::tcp;
using persistproc::daemon::access::find_in_table;
using persistproc::daemon::access::PeerOwner;

namespace {

tcp::endpoint at(const char* address, unsigned short port) { return {boost::asio::ip::make_address(address), port}; }

constexpr const char* table =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:22F3 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0 100 0 0 10 0\n"
    "   1: 0100007F:22F3 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 12 1 0 20 4 30 10 -1\n"
    "   2: 0100007F:D431 0100007F:22F3 01 00000000:00000000 00:00000000 00000000  1001        0 13 1 0 20 4 30 10 -1\n"
    "   3: 0100007F:D432 0100007F:22F3 05 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1\n";

}  // namespace

TEST_CASE("the kernel's table names the peer's owner") {
    const auto local = at("127.0.0.1", 8947);
    CHECK(find_in_table(table, at("127.0.0.1", 0xD431), local, 1001) == 13);
    CHECK(find_in_table(table, at("127.0.0.1", 0xD431), local, 1000) == 0);
    // A peer that has closed: no inode, and a uid that means nothing.
    CHECK(find_in_table(table, at("127.0.0.1", 0xD432), local, 0) == 0);
    CHECK(find_in_table(table, at("127.0.0.1", 0xD433), local, 1001) == 0);
    CHECK(find_in_table(table, at("127.0.0.2", 0xD431), local, 1001) == 0);
    const std::string whole = table;
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto cut = std::string_view(whole).substr(0, size);
        if (find_in_table(cut, at("127.0.0.1", 0xD431), local, 1001) != 0) CHECK(size > whole.find(" 13 "));
    }
}

TEST_CASE("the kernel says whose a live connection is, and that a closed one is nobody's") {
    boost::asio::io_context io;
    for (const char* address : {"127.0.0.1", "::1"}) {
        INFO(address);
        boost::system::error_code failed;
        tcp::acceptor acceptor(io);
        const auto endpoint = at(address, 0);
        acceptor.open(endpoint.protocol(), failed);
        if (!failed) acceptor.bind(endpoint, failed);
        if (failed) continue;  // no IPv6 here
        acceptor.listen();
        tcp::socket client(io);
        client.connect(acceptor.local_endpoint());
        tcp::socket accepted = acceptor.accept();
        PeerOwner owner;
        const auto peer = accepted.remote_endpoint();
        const auto local = accepted.local_endpoint();
        CHECK(owner.find_socket(peer, local, ::geteuid()) != 0);
        CHECK(owner.find_socket(peer, local, ::geteuid() + 1) == 0);
        CHECK(owner.find_socket(local, local, ::geteuid()) == 0);
        CHECK(!owner.has_left(peer, local));
        client.shutdown(tcp::socket::shutdown_send);
        CHECK(!owner.has_left(peer, local));
        client.close();
        CHECK(owner.has_left(peer, local));
        CHECK(owner.find_socket(peer, local, ::geteuid()) == 0);
        CHECK(owner.find_socket(peer, local, 0) == 0);
    }
}

TEST_CASE("a kernel that neither way tells is known to") {
    CHECK(PeerOwner().can_tell());
    CHECK(PeerOwner("/proc/net", false).can_tell());
    persistproc::tests::TemporaryDirectory empty;
    CHECK(!PeerOwner(empty.path(), false).can_tell());
    std::ofstream(empty.path() / "tcp") << "";
    CHECK(!PeerOwner(empty.path(), false).can_tell());
    std::ofstream(empty.path() / "tcp") << table;
    CHECK(PeerOwner(empty.path(), false).can_tell());
}

}  // namespace peer_owner_test
