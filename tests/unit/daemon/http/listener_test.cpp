// The listener, the server and the client on real sockets: a unix socket in a temporary directory, a free TCP port.
#include "daemon/http/listener.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <map>
#include <optional>
#include <set>

#include "common/async/notifier.hpp"
#include "common/mcp/client/client.hpp"
#include "daemon/http/serving_state.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/http_machine.hpp"
#include "tests/support/temporary_directory.hpp"

namespace listener_test {

using namespace persistproc;
using boost::asio::ip::tcp;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using mcp::Json;
using mcp::ToolResult;
using mcp::client::Client;

namespace {

class MemoryGraveyard final : public mcp::http::SessionGraveyard {
public:
    bool contains(const std::string& id) const override { return ids_.count(id) > 0; }
    void bury(const std::string& id) override { ids_.insert(id); }

private:
    std::set<std::string> ids_;
};

/// Whether the other end has closed, or reset, this connection.
bool is_closed(tcp::socket& socket) {
    char byte = 0;
    const auto got = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN);
}

/// What has come; empty: nothing, or it is closed.
std::string read_now(tcp::socket& socket) {
    std::string out(1 << 20, '\0');
    const ssize_t got = ::recv(socket.native_handle(), out.data(), out.size(), MSG_DONTWAIT);
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
}

std::string large_call(std::string_view tool, std::size_t bytes) {
    return tests::HttpMachine::modern_call(tool, R"({"text":")" + std::string(bytes, 'x') + R"("})");
}

std::uint64_t inode_of(tcp::socket& socket) {
    struct ::stat facts {};
    REQUIRE(::fstat(socket.native_handle(), &facts) == 0);
    return facts.st_ino;
}

/// The same behind what it has sent before.
bool is_closed_after_reading(tcp::socket& socket) {
    char bytes[4096];
    ssize_t got = 0;
    while ((got = ::recv(socket.native_handle(), bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
    }
    return got == 0 || errno != EAGAIN;
}

struct Fixture {
    tests::TemporaryDirectory directory;
    boost::asio::io_context io{1};
    async::SystemClock clock;
    MemoryGraveyard graveyard;
    std::optional<mcp::Server> server;
    std::optional<mcp::http::HttpServer> http;
    daemon::access::PeerOwner peers;
    std::unique_ptr<daemon::http::Listener> listener;
    async::Notifier gate{io.get_executor()};
    int holding = 0;
    mcp::http::Limits limits;
    std::function<bool(bool)> on_full;
    std::function<void(std::uint64_t, std::function<void(pid_t)>)> find_process;

    explicit Fixture(std::string sub = "run") : socket_directory(directory.path() / sub) { start(); }
    ~Fixture() {
        stop_abruptly();
        gate.notify_all();
        io.restart();
        io.poll();
    }
    std::filesystem::path socket_directory;

    void start() {
        server.emplace(io.get_executor(), clock, mcp::ServerInfo{"srv", "Server", "4.5", ""});
        add("echo",
            [](Json arguments, mcp::CallContext context) { return echo(std::move(arguments), std::move(context)); });
        add("hold", [this](Json, mcp::CallContext context) { return hold(std::move(context)); });
        mcp::http::HttpOptions options;
        options.limits = limits;
        options.on_full = on_full;
        options.find_process = find_process;
        http.emplace(*server, clock, options, graveyard);
        daemon::http::ListenOptions where;
        where.socket_directory = socket_directory;
        auto opened = daemon::http::Listener::open(*http, io.get_executor(), peers, where);
        REQUIRE(opened.has_value());
        listener = std::move(*opened);
        listener->start();
    }
    void stop_abruptly() {
        listener.reset();
        http.reset();
        server.reset();
    }
    void add(std::string name, mcp::ToolHandler handler) {
        mcp::ToolDefinition tool;
        tool.name = std::move(name);
        tool.input_schema = Json{{"type", "object"}};
        server->add_tool(std::move(tool), std::move(handler));
    }
    static Task<ToolResult> echo(Json arguments, mcp::CallContext context) {
        ToolResult out;
        out.text = context.principal.audience() == mcp::Audience::client ? context.caller->name : "agent";
        out.structured = std::move(arguments);
        co_return out;
    }
    Task<ToolResult> hold(mcp::CallContext context) {
        context.progress(1, 2.0, "half");
        ++holding;
        co_await gate.wait();
        ToolResult out;
        out.text = "held";
        co_return out;
    }
    /// Runs the loop until `task` ends; its value.
    template <class T>
    T run(Task<std::optional<T>> task) {
        std::optional<T> out;
        boost::asio::co_spawn(io, std::move(task), [&](std::exception_ptr failed, std::optional<T> value) {
            if (failed) std::rethrow_exception(failed);
            out = std::move(value);
        });
        run_until([&] { return out.has_value(); });
        return std::move(*out);
    }
    template <class Done>
    void run_until(Done done) {
        io.restart();
        while (!done()) REQUIRE(io.run_one() > 0);
    }
    std::unique_ptr<Client> connect();
    /// Talks plain TCP: sends, then reads until the server closes.
    /// An agent's request that has come as far as `body`, of `size` bytes.
    tcp::socket connect_tcp() {
        tcp::socket out(io);
        out.connect(tcp::endpoint(boost::asio::ip::address_v4::loopback(), listener->port()));
        return out;
    }
    static void begin_post(tcp::socket& to, std::size_t size, const std::string& body) {
        boost::asio::write(to, boost::asio::buffer("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                                   "application/json\r\nContent-Length: " +
                                                   std::to_string(size) + "\r\n\r\n" + body));
    }
    tcp::socket begin_post(std::size_t size, const std::string& body) {
        tcp::socket out = connect_tcp();
        begin_post(out, size, body);
        return out;
    }
    /// Runs the loop until something has come.
    std::string read_answer(tcp::socket& from) {
        std::string out;
        run_until([&] {
            out = read_now(from);
            return !out.empty();
        });
        return out;
    }
    /// Leaves more and more large requests unfinished until the first of them is answered; with what.
    std::string fill_until_refused(std::vector<tcp::socket>& senders) {
        std::string said;
        while (said.empty() && senders.size() < 100) {
            senders.push_back(begin_post(200'000, std::string(100'000, ' ')));
            poll();
            said = read_now(senders.front());
        }
        return said;
    }
    /// What can be done now.
    void poll() {
        io.restart();
        io.poll();
    }
    std::string talk(std::string bytes) {
        tcp::socket socket(io);
        const tcp::endpoint endpoint(boost::asio::ip::address_v4::loopback(), listener->port());
        std::string answer;
        bool done = false;
        socket.connect(endpoint);
        boost::asio::write(socket, boost::asio::buffer(bytes));
        socket.shutdown(tcp::socket::shutdown_send);
        boost::asio::async_read(socket, boost::asio::dynamic_buffer(answer),
                                [&](boost::system::error_code, std::size_t) { done = true; });
        run_until([&] { return done; });
        return answer;
    }
};

Task<std::optional<Result<ToolResult>>> calling(Client& client, std::string tool, Json arguments,
                                                mcp::client::ProgressHandler progress = {}) {
    mcp::client::CallOptions options;
    options.on_progress = std::move(progress);
    auto result = co_await client.call_tool(std::move(tool), std::move(arguments), std::move(options));
    std::optional<Result<ToolResult>> out;
    out.emplace(std::move(result));
    co_return out;
}

Task<std::optional<Result<std::unique_ptr<Client>>>> connecting(boost::asio::any_io_executor executor,
                                                                std::filesystem::path path) {
    mcp::client::Options options;
    options.name = "cli";
    options.version = "7";
    options.quick = true;
    options.return_patience = std::chrono::nanoseconds(0);
    auto endpoint = mcp::client::socket_endpoint(path);
    auto result = co_await Client::connect(executor, std::move(endpoint), std::move(options));
    std::optional<Result<std::unique_ptr<Client>>> out;
    out.emplace(std::move(result));
    co_return out;
}

std::unique_ptr<Client> Fixture::connect() {
    auto client = run(connecting(io.get_executor(), listener->socket_path()));
    REQUIRE(client.has_value());
    return std::move(*client);
}

int mode_of(const std::filesystem::path& path) {
    struct ::stat found {};
    return ::lstat(path.c_str(), &found) == 0 ? static_cast<int>(found.st_mode & 07777) : -1;
}

}  // namespace

TEST_CASE("the client connects and calls over the unix socket") {
    Fixture f;
    CHECK(mode_of(f.socket_directory) == 0700);
    CHECK(mode_of(f.listener->socket_path()) == 0600);
    const auto client = f.connect();
    CHECK(client->server().version == "4.5");
    for (int i = 0; i < 3; ++i) {
        auto result = f.run(calling(*client, "echo", Json{{"n", i}, {"t", "é\n"}}));
        REQUIRE(result.has_value());
        CHECK(result->text == "cli 7");
        CHECK(result->structured->dump() == Json{{"n", i}, {"t", "é\n"}}.dump());
    }
    CHECK(f.http->connections() == 1);
    const auto refused = f.run(calling(*client, "nothing", Json::object()));
    REQUIRE(!refused.has_value());
    CHECK(refused.error().code == ErrorCode::invalid);
    CHECK_THAT(refused.error().message, Contains("nothing"));
}

TEST_CASE("large answers and arguments pass whole") {
    Fixture f;
    const auto client = f.connect();
    const std::string large(3u << 20, 'x');
    auto result = f.run(calling(*client, "echo", Json{{"t", large}}));
    REQUIRE(result.has_value());
    CHECK((*result->structured)["t"] == large);
}

TEST_CASE("a path longer than a socket address serves all the same") {
    Fixture f(std::string(150, 'd'));
    const auto client = f.connect();
    CHECK(f.run(calling(*client, "echo", Json::object())).has_value());
}

TEST_CASE("calls of one client run side by side, with progress") {
    Fixture f;
    const auto client = f.connect();
    std::string seen;
    std::optional<Result<ToolResult>> held;
    const auto on_progress = [&](double at, std::optional<double> total, const std::string& text) {
        seen = text + std::to_string(static_cast<int>(at)) + std::to_string(static_cast<int>(total.value_or(0)));
    };
    boost::asio::co_spawn(
        f.io, calling(*client, "hold", Json::object(), on_progress),
        [&](std::exception_ptr, std::optional<Result<ToolResult>> value) { held = std::move(value); });
    f.run_until([&] { return f.holding == 1 && !seen.empty(); });
    CHECK(seen == "half12");
    CHECK(f.run(calling(*client, "echo", Json::object())).has_value());
    CHECK(!held);
    f.gate.notify_all();
    f.run_until([&] { return held.has_value(); });
    REQUIRE(held->has_value());
    CHECK((*held)->text == "held");
}

TEST_CASE("a server that goes away is unavailable; its successor is reached with the same session") {
    Fixture f;
    const auto client = f.connect();
    std::optional<Result<ToolResult>> held;
    boost::asio::co_spawn(
        f.io, calling(*client, "hold", Json::object()),
        [&](std::exception_ptr, std::optional<Result<ToolResult>> value) { held = std::move(value); });
    f.run_until([&] { return f.holding == 1; });
    f.stop_abruptly();
    f.run_until([&] { return held.has_value(); });
    REQUIRE(!held->has_value());
    CHECK(held->error().code == ErrorCode::unavailable);
    const auto nobody = f.run(calling(*client, "echo", Json::object()));
    REQUIRE(!nobody.has_value());
    CHECK(nobody.error().code == ErrorCode::unavailable);
    f.start();
    CHECK(f.run(calling(*client, "echo", Json::object())).has_value());
}

TEST_CASE("nobody listens: unavailable, and the path is named") {
    Fixture f;
    const auto result = f.run(connecting(f.io.get_executor(), f.directory.path() / "no" / "daemon.sock"));
    REQUIRE(!result.has_value());
    CHECK(result.error().code == ErrorCode::unavailable);
    CHECK_THAT(result.error().message, Contains("daemon.sock"));
}

TEST_CASE("closing lets calls finish and answers them") {
    Fixture f;
    auto client = f.connect();
    std::optional<Result<ToolResult>> held;
    bool closed = false;
    boost::asio::co_spawn(
        f.io, calling(*client, "hold", Json::object()),
        [&](std::exception_ptr, std::optional<Result<ToolResult>> value) { held = std::move(value); });
    f.run_until([&] { return f.holding == 1; });
    f.listener->stop();
    CHECK(mode_of(f.socket_directory / "daemon.sock") == -1);
    boost::asio::co_spawn(f.io, f.http->close(f.clock.now() + std::chrono::hours(1)),
                          [&](std::exception_ptr) { closed = true; });
    f.gate.notify_all();
    f.run_until([&] { return held.has_value(); });
    REQUIRE(held->has_value());
    CHECK((*held)->text == "held");
    client.reset();
    f.run_until([&] { return closed; });
    CHECK(f.http->connections() == 0);
}

TEST_CASE("agents come in by TCP") {
    Fixture f;
    const std::string body =
        R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}})";
    const std::string answer =
        f.talk("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n" + body);
    CHECK_THAT(answer, StartsWith("HTTP/1.1 200 OK") && Contains("Mcp-Session-Id: ") && Contains("2025-06-18"));
    CHECK_THAT(f.talk("BREW / HTTP/1.1\r\nHost: evil\r\n\r\n"), StartsWith("HTTP/1.1 403"));
}

TEST_CASE("beyond the bound on connections the idle one makes room") {
    Fixture f;
    f.stop_abruptly();
    f.limits.client_connections = 1;
    f.start();
    const auto first = f.connect();
    const auto second = f.connect();
    CHECK(f.run(calling(*second, "echo", Json::object())).has_value());
    CHECK(f.run(calling(*first, "echo", Json::object())).has_value());
}

TEST_CASE("however many a client has at once, beyond the bound none is lost that it is about to ask by") {
    Fixture f;
    f.stop_abruptly();
    f.limits.client_connections = 2;
    f.start();
    const auto client = f.connect();
    constexpr int calls = 40;
    int answered = 0, ended = 0;
    for (int i = 0; i < calls; ++i)
        boost::asio::co_spawn(f.io, calling(*client, "echo", Json::object()),
                              [&](std::exception_ptr, std::optional<Result<ToolResult>> value) {
                                  ++ended;
                                  answered += value && value->has_value() ? 1 : 0;
                              });
    f.run_until([&] { return ended == calls; });
    CHECK(answered == calls);
}

TEST_CASE("requests that never come whole give way, the oldest first, and keep the client's own places free") {
    Fixture f;
    f.stop_abruptly();
    f.limits.agent_connections = 2;
    f.start();
    std::vector<tcp::socket> stuck;
    for (std::size_t i = 0; i < 5; ++i) {
        stuck.push_back(f.begin_post(100, "{"));
        if (i >= 2) f.run_until([&] { return is_closed(stuck[i - 2]); });
    }
    CHECK(f.http->connections() == 2);
    const auto client = f.connect();
    CHECK(f.run(calling(*client, "echo", Json::object())).has_value());
    CHECK_THAT(f.talk("BREW / HTTP/1.1\r\nHost: evil\r\n\r\n"), StartsWith("HTTP/1.1 403"));
    CHECK(is_closed(stuck[3]));
    CHECK(!is_closed(stuck[4]));
}

TEST_CASE("the process that has most connections makes room, however young they are") {
    std::map<std::uint64_t, pid_t> owners;  // by inode; asked until the fixture is gone
    Fixture f;
    f.stop_abruptly();
    f.limits.agent_connections = 4;
    f.find_process = [&](std::uint64_t socket, std::function<void(pid_t)> then) { then(owners.at(socket)); };
    f.start();
    tcp::socket modest = f.connect_tcp();
    owners[inode_of(modest)] = 1;
    std::vector<tcp::socket> greedy;
    for (std::size_t i = 0; i < 10; ++i) {
        greedy.push_back(f.connect_tcp());
        owners[inode_of(greedy.back())] = 2;
        f.begin_post(greedy.back(), 100, "{");
        f.poll();
        if (i >= 3) f.run_until([&] { return is_closed(greedy[i - 3]); });
    }
    CHECK(f.http->connections() == 4);
    CHECK(!is_closed(modest));
    boost::asio::write(modest, boost::asio::buffer(large_call("echo", 10)));
    CHECK_THAT(f.read_answer(modest), StartsWith("HTTP/1.1 200"));
}

TEST_CASE("a process that has many connections makes room for several at once, its oldest first") {
    std::map<std::uint64_t, pid_t> owners;  // by inode; asked until the fixture is gone
    Fixture f;
    f.stop_abruptly();
    f.limits.agent_connections = 20;
    f.find_process = [&](std::uint64_t socket, std::function<void(pid_t)> then) { then(owners.at(socket)); };
    f.start();
    tcp::socket modest = f.connect_tcp();
    owners[inode_of(modest)] = 1;
    std::vector<tcp::socket> greedy;
    for (std::size_t i = 0; i < 19; ++i) {
        greedy.push_back(f.connect_tcp());
        owners[inode_of(greedy.back())] = 2;
        f.begin_post(greedy.back(), 100, "{");
    }
    f.run_until([&] { return f.http->connections() == 20; });
    CHECK(f.http->make_room(mcp::Audience::agent, 9));
    CHECK(f.http->connections() == 17);  // an eighth of its connections, and one
    f.run_until([&] { return is_closed(greedy[0]) && is_closed(greedy[1]) && is_closed(greedy[2]); });
    CHECK(!is_closed(greedy[3]));
    CHECK(f.http->make_room(mcp::Audience::agent));
    CHECK(f.http->connections() == 16);
    CHECK(!is_closed(modest));
}

TEST_CASE("who knocks while all owe answers comes in as soon as one rests") {
    Fixture f;
    f.stop_abruptly();
    f.limits.agent_connections = 1;
    f.limits.idle = std::chrono::hours(1);
    f.start();
    tcp::socket busy(f.io);
    busy.connect(tcp::endpoint(boost::asio::ip::address_v4::loopback(), f.listener->port()));
    boost::asio::write(busy, boost::asio::buffer(tests::HttpMachine::modern_call("hold")));
    f.run_until([&] { return f.holding == 1; });
    auto waiting = f.begin_post(100, "{");
    f.io.poll();
    CHECK(!is_closed(busy));
    f.gate.notify_all();
    f.run_until([&] { return is_closed_after_reading(busy) && f.http->connections() == 1; });
}

TEST_CASE("a GET's stream gives its place to who asks, a call does not") {
    Fixture f;
    f.stop_abruptly();
    f.limits.agent_connections = 2;
    f.start();
    const std::string initialize =
        R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}})";
    const std::string opened = f.talk(tests::HttpMachine::post(initialize));
    const std::string_view name = "Mcp-Session-Id: ";
    const auto at = opened.find(name) + name.size();
    const std::string session = opened.substr(at, opened.find('\r', at) - at);
    const tcp::endpoint door(boost::asio::ip::address_v4::loopback(), f.listener->port());
    tcp::socket stream(f.io), call(f.io);
    stream.connect(door);
    boost::asio::write(stream, boost::asio::buffer(tests::HttpMachine::request(tests::HttpMachine::in(session))));
    call.connect(door);
    boost::asio::write(call, boost::asio::buffer(tests::HttpMachine::modern_call("hold")));
    f.run_until([&] { return f.holding == 1 && f.http->connections() == 2; });
    CHECK_THAT(f.talk("BREW / HTTP/1.1\r\nHost: evil\r\n\r\n"), StartsWith("HTTP/1.1 403"));
    CHECK(is_closed_after_reading(stream));
    CHECK(!is_closed(call));
}

TEST_CASE("agents leave descriptors to the person's client") {
    Fixture f;
    f.stop_abruptly();
    const int next = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    ::close(next);
    // Each connection takes one descriptor on either side, and the doors take theirs.
    f.limits.agent_descriptors = next + 20;
    f.start();
    std::vector<tcp::socket> stuck;
    for (std::size_t i = 0; i < 40; ++i) {
        stuck.push_back(f.begin_post(100, "{"));
        f.io.restart();
        f.io.poll();
    }
    f.run_until([&] { return is_closed(stuck.front()); });
    CHECK(f.http->connections() < 20);
    const auto client = f.connect();
    CHECK(f.run(calling(*client, "echo", Json::object())).has_value());
}

TEST_CASE("what agents' requests hold in all is bounded, and the oldest go and are told why") {
    Fixture f;
    f.stop_abruptly();
    f.limits.held_bytes = 500'000;
    f.start();
    std::vector<tcp::socket> senders;
    const std::string said = f.fill_until_refused(senders);
    CHECK_THAT(said, StartsWith("HTTP/1.1 503") && Contains("limit: "));
    CHECK(read_now(senders.back()).empty());
    CHECK(!is_closed(senders.back()));
    senders.clear();
    f.run_until([&] { return f.http->connections() == 0; });
}

TEST_CASE("of what agents' requests hold the process that holds most gives, however young its connections are") {
    std::map<std::uint64_t, pid_t> owners;  // by inode; asked until the fixture is gone
    Fixture f;
    f.stop_abruptly();
    f.limits.held_bytes = 500'000;
    std::vector<std::function<void()>> asked;
    f.find_process = [&](std::uint64_t socket, std::function<void(pid_t)> then) {
        asked.push_back([&owners, socket, then = std::move(then)] { then(owners.at(socket)); });
    };
    f.start();
    const auto tell = [&] {
        for (const auto& each : std::exchange(asked, {})) each();
    };
    const std::string body = large_call("echo", 80'000);
    tcp::socket modest(f.io);
    modest.connect(tcp::endpoint(boost::asio::ip::address_v4::loopback(), f.listener->port()));
    owners[inode_of(modest)] = 1;
    boost::asio::write(modest, boost::asio::buffer(body.data(), body.size() - 1));
    std::vector<tcp::socket> greedy;
    std::string said;
    while (said.empty()) {
        greedy.push_back(f.connect_tcp());
        owners[inode_of(greedy.back())] = 2;
        f.begin_post(greedy.back(), 200'000, std::string(100'000, ' '));
        f.poll();
        tell();
        f.poll();
        said = read_now(greedy.front());
    }
    CHECK_THAT(said, StartsWith("HTTP/1.1 503") && Contains("this agent's process most of them"));
    boost::asio::write(modest, boost::asio::buffer(body.data() + body.size() - 1, 1));
    CHECK_THAT(f.read_answer(modest), StartsWith("HTTP/1.1 200"));
}

TEST_CASE("while much is held no large request is read on before it is known whose it is") {
    Fixture f;
    f.stop_abruptly();
    f.limits.held_bytes = 500'000;
    std::function<void(pid_t)> told;
    f.find_process = [&](std::uint64_t, std::function<void(pid_t)> then) { told = std::move(then); };
    f.start();
    std::vector<tcp::socket> senders;
    for (std::size_t i = 0; i < 3; ++i) senders.push_back(f.begin_post(200'000, std::string(100'000, ' ')));
    f.run_until([&] { return told != nullptr; });
    for (std::size_t i = 0; i < 20; ++i) {
        senders.push_back(f.begin_post(200'000, std::string(100'000, ' ')));
        f.poll();
    }
    for (auto& each : senders) {
        CHECK(read_now(each).empty());
        CHECK(!is_closed(each));
    }
    CHECK_THAT(f.talk(tests::HttpMachine::modern_call("echo")), StartsWith("HTTP/1.1 200"));
}

TEST_CASE("a call that waits for its answer holds nothing of its request, and is not closed for room") {
    Fixture f;
    f.stop_abruptly();
    f.limits.held_bytes = 500'000;
    f.start();
    tcp::socket call = f.connect_tcp();
    boost::asio::write(call, boost::asio::buffer(large_call("hold", 20'000)));
    f.run_until([&] { return f.holding == 1; });
    std::vector<tcp::socket> senders;
    CHECK_THAT(f.fill_until_refused(senders), StartsWith("HTTP/1.1 503"));
    f.gate.notify_all();
    CHECK_THAT(f.read_answer(call), StartsWith("HTTP/1.1 200"));
}

TEST_CASE("agents whose answers fill the room are told of, and those that take none go") {
    Fixture f;
    f.stop_abruptly();
    f.limits.held_bytes = 64u << 20;
    f.limits.unsent_bytes = 1u << 20;
    f.limits.stalled_of_full = std::chrono::seconds(0);
    std::string told;
    bool somebody_waits = false;
    f.on_full = [&](bool is_full) {
        told += is_full ? '+' : '-';
        return somebody_waits;
    };
    f.start();
    f.add("large", [](Json, mcp::CallContext) -> Task<ToolResult> {
        ToolResult out;
        out.text.assign(32u << 20, 'x');  // more than the kernel takes
        co_return out;
    });
    const std::string body = tests::HttpMachine::modern_call("large");
    tcp::socket unread(f.io);
    unread.connect(tcp::endpoint(boost::asio::ip::address_v4::loopback(), f.listener->port()));
    boost::asio::write(unread, boost::asio::buffer(body));
    // Nobody needs the room yet.
    f.run_until([&] { return told == "+++"; });
    CHECK(f.http->connections() == 1);
    somebody_waits = true;
    f.run_until([&] { return told.ends_with('-'); });
    CHECK(f.http->connections() == 0);
}

TEST_CASE("a port that is taken is a conflict with one line") {
    Fixture f;
    daemon::http::ListenOptions where;
    where.port = f.listener->port();
    const auto second = daemon::http::Listener::open(*f.http, f.io.get_executor(), f.peers, where);
    REQUIRE(!second.has_value());
    CHECK(second.error().code == ErrorCode::conflict);
    CHECK(second.error().message == "port " + std::to_string(where.port) + " is in use; use --port with a free one");
}

TEST_CASE("a socket directory that is a symbolic link is refused") {
    Fixture f;
    const auto link = f.directory.path() / "link";
    std::filesystem::create_directory_symlink(f.socket_directory, link);
    daemon::http::ListenOptions where;
    where.socket_directory = link;
    CHECK(!daemon::http::Listener::open(*f.http, f.io.get_executor(), f.peers, where).has_value());
}

TEST_CASE("readiness is announced on the descriptor, which is closed") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    REQUIRE(daemon::http::announce_ready(ends[1], "http://x").has_value());
    char bytes[32];
    REQUIRE(::read(ends[0], bytes, sizeof(bytes)) == 9);
    CHECK(std::string(bytes, 9) == "http://x\n");
    CHECK(::read(ends[0], bytes, sizeof(bytes)) == 0);
    ::close(ends[0]);
    CHECK(daemon::http::announce_ready(-1, "x").has_value());
}

TEST_CASE("the service manager is told on its socket") {
    tests::TemporaryDirectory directory;
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = (directory.path() / "notify").string();
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    ::unsetenv("NOTIFY_SOCKET");
    CHECK(daemon::http::notify_service_manager("READY=1").has_value());
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    CHECK(daemon::http::notify_service_manager("READY=1").has_value());
    ::setenv("NOTIFY_SOCKET", (path + "x").c_str(), 1);
    CHECK(!daemon::http::notify_service_manager("READY=1").has_value());
    ::unsetenv("NOTIFY_SOCKET");
    char bytes[32];
    CHECK(::recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) == 7);
    ::close(fd);
}

}  // namespace listener_test
