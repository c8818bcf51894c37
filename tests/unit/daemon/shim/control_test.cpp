#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/unit/daemon/shim/keeper_driver.hpp"

namespace control_test {

using namespace persistproc;
using namespace persistproc::rundir;
using tests::child;
using tests::is_running;
using tests::KeeperDriver;

namespace {

pid_t spawned_pid(const KeeperDriver& keeper) {
    keeper.wait_for_output("\n");
    return std::atoi(keeper.output().c_str() + 8);  // "spawned N"
}

}  // namespace

TEST_CASE("a stop ends a willing program with its signal") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"on-term", "saved", "3", ",", "line", "up", ",", "wait"}));
    keeper.start();
    keeper.wait_for_output("up\n");
    keeper.send(MessageType::stop, 41, 0, 60'000);
    const auto answer = keeper.wait_for(MessageType::tree_empty);
    CHECK(answer.request == 41);
    CHECK(answer.state.phase == Phase::exited);
    CHECK(answer.state.stop_requested == 1);
    CHECK(answer.state.exit_value == 3);
    CHECK(answer.state.killed == 0);
    CHECK(keeper.wait_for_leave() == 0);
    CHECK(keeper.output() == "up\nsaved\n");
    const auto on_disk = keeper.state_on_disk();
    CHECK(on_disk.tree_empty == 1);
    CHECK(on_disk.stop_requested == 1);
    bool stopping = false;
    for (const auto& record : keeper.records())
        stopping = stopping || (record.event == logstore::Event::stopping && record.value == SIGTERM);
    CHECK(stopping);
}

TEST_CASE("a stop ends what ignores SIGTERM and what called setsid") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"ignore-term", ",", "setsid-spawn", ",", "wait"}));
    const pid_t main = keeper.start().pid;
    const pid_t grandchild = spawned_pid(keeper);
    REQUIRE(is_running(grandchild));
    keeper.send(MessageType::stop, 5, SIGTERM, 50);
    const auto answer = keeper.wait_for(MessageType::tree_empty);
    CHECK(answer.state.killed == 1);
    CHECK(answer.state.exit_value == SIGKILL);
    CHECK_FALSE(is_running(main));
    CHECK_FALSE(is_running(grandchild));
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("a second stop with force does not wait for the grace of the first") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"ignore-term", ",", "line", "up", ",", "wait"}));
    keeper.start();
    keeper.wait_for_output("up\n");
    keeper.send(MessageType::stop, 1, 0, 3'600'000);
    keeper.send(MessageType::stop, 2, 0, 0, true);
    CHECK(keeper.wait_for(MessageType::tree_empty).request == 1);
    CHECK(keeper.wait_for(MessageType::tree_empty).request == 2);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("a stopped (SIGSTOP) program obeys a stop") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"line", "up", ",", "wait"}));
    const pid_t pid = keeper.start().pid;
    keeper.wait_for_output("up\n");
    ::kill(pid, SIGSTOP);
    keeper.send(MessageType::stop, 1, 0, 3'600'000);
    CHECK(keeper.wait_for(MessageType::tree_empty).state.exit_value == SIGTERM);
}

TEST_CASE("a tree that forks while it is killed ends all the same") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"fork-bomb", "60"}));
    keeper.start();
    keeper.send(MessageType::stop, 1, 0, 0);
    CHECK(keeper.wait_for(MessageType::tree_empty).state.tree_empty == 1);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("leftovers keep the shim alive, and a later stop ends them") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"setsid-spawn", ",", "exit", "4"}));
    keeper.start();
    const auto ended = keeper.wait_for_end();
    CHECK(ended.exit_value == 4);
    const pid_t grandchild = spawned_pid(keeper);
    REQUIRE(is_running(grandchild));
    keeper.send(MessageType::stop, 9, 0, 10);
    const auto answer = keeper.wait_for(MessageType::tree_empty);
    CHECK(answer.state.exit_value == 4);
    CHECK(answer.state.stop_requested == 0);  // it had ended by itself
    CHECK_FALSE(is_running(grandchild));
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("a new run cannot begin while an earlier one still writes to the log") {
    tests::TemporaryDirectory data;
    KeeperDriver first(data.path(), child({"line", "up", ",", "fork-wait", "wait"}), 1);
    first.start();
    first.wait_for_output("up\n");
    KeeperDriver second(data.path(), child({"line", "intruder"}), 2);
    const RunState refused = second.start();
    CHECK(refused.phase == Phase::exec_failed);
    CHECK(refused.stage == Stage::log);
    CHECK(refused.os_error == EWOULDBLOCK);
    CHECK(second.wait_for_leave() == 0);
    first.send(MessageType::stop, 1, 0, 0, true);
    first.wait_for(MessageType::tree_empty);
    first.wait_for_leave();
    CHECK(first.output() == "up\n");
}

TEST_CASE("signals go to the child and are recorded; bad ones are refused") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"on-term", "got it", "0", ",", "line", "up", ",", "wait"}));
    keeper.start();
    keeper.wait_for_output("up\n");
    keeper.send(MessageType::signal, 1, 999);
    CHECK(keeper.wait_for(MessageType::done).error == EINVAL);
    keeper.send(MessageType::signal, 2, SIGTERM);
    const auto done = keeper.wait_for(MessageType::done);
    CHECK(done.request == 2);
    CHECK(done.error == 0);
    const auto ended = keeper.wait_for_end();
    CHECK(ended.exit_value == 0);
    CHECK(ended.stop_requested == 0);
    keeper.wait_for_leave();
    CHECK(keeper.output() == "up\ngot it\n");
}

TEST_CASE("what was recorded is removed on request, and what comes is recorded") {
    tests::TemporaryDirectory data;
    const auto go = (data.path() / "go").string();
    KeeperDriver keeper(data.path(), child({"line", "up", ",", "until-file", go, ",", "line", "down"}));
    keeper.start();
    keeper.wait_for_output("up\n");
    keeper.send(MessageType::flush, 7);
    const auto done = keeper.wait_for(MessageType::done);
    CHECK(done.request == 7);
    CHECK(done.error == 0);
    CHECK(keeper.output().empty());
    std::ofstream(go).flush();
    keeper.wait_for_end();
    keeper.wait_for_leave();
    CHECK(keeper.output() == "down\n");
}

TEST_CASE("the daemon's death after COMMIT harms nobody, and the next one adopts") {
    tests::TemporaryDirectory data;
    const auto go = (data.path() / "go").string();
    KeeperDriver keeper(data.path(),
                        child({"line", "up", ",", "until-file", go, ",", "line", "down", ",", "exit", "7"}));
    const RunState started = keeper.start();
    keeper.wait_for_output("up\n");
    keeper.hang_up();
    struct stat socket {};
    REQUIRE(::stat((keeper.run_directory() / "ctl").c_str(), &socket) == 0);
    CHECK((socket.st_mode & 0777) == 0600);

    keeper.connect();
    keeper.send(MessageType::signal, 1, SIGKILL, 0, false, 2);  // before hello: a stranger
    CHECK(keeper.receive().refusal == Refusal::not_greeted);
    keeper.send(MessageType::hello, 3, 0, 0, false, 2);
    const auto adopted = keeper.receive();
    CHECK(adopted.type == MessageType::state);
    CHECK(adopted.request == 3);
    CHECK(adopted.state.pid == started.pid);
    CHECK(adopted.state.epoch == 2);

    keeper.send(MessageType::stop, 4, 0, 0, true, 1);  // the old daemon, come back
    const auto refused = keeper.receive();
    CHECK(refused.type == MessageType::refused);
    CHECK(refused.refusal == Refusal::old_epoch);
    CHECK(refused.refused_type == static_cast<int>(MessageType::stop));
    CHECK(refused.error == EPERM);
    CHECK(is_running(started.pid));

    std::ofstream{go};
    CHECK(keeper.wait_for_end().exit_value == 7);
    keeper.wait_for_leave();
    CHECK(keeper.output() == "up\ndown\n");
}

TEST_CASE("a wrong nonce is refused, and many connections push out the oldest") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"wait"}));
    keeper.start();
    const Nonce right = keeper.spec.nonce;
    keeper.connect();
    keeper.spec.nonce.fill(0);
    keeper.send(MessageType::hello);
    CHECK(keeper.receive().refusal == Refusal::foreign_run);
    keeper.spec.nonce = right;
    for (int i = 0; i < 20; ++i) {
        keeper.connect();
        keeper.send(MessageType::hello);
        REQUIRE(keeper.receive().type == MessageType::state);
    }
    keeper.send(MessageType::stop, 1, 0, 0, true);
    CHECK(keeper.wait_for(MessageType::tree_empty).request == 1);
}

TEST_CASE("descriptors that nobody asked for are closed, however many come") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"line", "up", ",", "wait"}));
    keeper.start();
    keeper.wait_for_output("up\n");
    keeper.connect();
    ControlMessage hello;
    hello.epoch = 1;
    hello.nonce = keeper.spec.nonce;
    // From 17 on there is no room for them.
    for (const std::size_t count : {1u, 6u, 16u, 17u, 18u, 64u, 253u}) {
        // None of them listed, some of a kind that is unknown, all of one that a greeting has no use for.
        for (const int kind : {0, 900, 1}) {
            INFO(count << " of kind " << kind);
            int ends[2];
            REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
            const base::UniqueFd read_end(ends[0]);
            base::UniqueFd write_end(ends[1]);
            DescriptorList list;
            hello.type = kind == 0 ? MessageType::hello : MessageType::commit;
            for (std::size_t i = 0; kind != 0 && i < count; ++i)
                list.add(static_cast<DescriptorKind>(kind), static_cast<std::uint16_t>(i));
            keeper.send(hello, list, std::vector<int>(count, write_end.get()));
            const auto answer = keeper.receive();
            if (count > 16)
                CHECK(answer.refusal == Refusal::descriptors_missing);
            else
                CHECK(answer.type == (kind == 0 ? MessageType::state : MessageType::refused));
            write_end.reset();
            // The end of the pipe: nobody holds its other end any more.
            pollfd entry{read_end.get(), POLLIN, 0};
            CHECK(::poll(&entry, 1, 10'000) == 1);
        }
    }
    for (const std::size_t count : {1u, 16u, 253u}) {
        INFO(count << " with an empty packet");
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        const base::UniqueFd read_end(ends[0]);
        base::UniqueFd write_end(ends[1]);
        keeper.send_packet({}, std::vector<int>(count, write_end.get()));
        write_end.reset();
        pollfd entry{read_end.get(), POLLIN, 0};
        CHECK(::poll(&entry, 1, 10'000) == 1);
        keeper.connect();
    }
    keeper.send(MessageType::hello);
    keeper.wait_for(MessageType::state);
    keeper.send(MessageType::stop, 1, 0, 0, true);
    CHECK(keeper.wait_for(MessageType::tree_empty).request == 1);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("what a shim does not know it refuses by name, and goes on listening") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"line", "up", ",", "wait"}));
    keeper.start();
    keeper.wait_for_output("up\n");

    ControlMessage later;
    later.type = static_cast<MessageType>(77);
    later.epoch = 1;
    keeper.send(later);
    const auto unknown = keeper.receive();
    CHECK(unknown.type == MessageType::refused);
    CHECK(unknown.refused_type == 77);
    CHECK(unknown.refusal == Refusal::unknown_type);

    // Ours to say, not to hear.
    keeper.send(MessageType::tree_empty, 5);
    const auto wrong_way = keeper.receive();
    CHECK(wrong_way.request == 5);
    CHECK(wrong_way.refusal == Refusal::unknown_type);

    DescriptorList listed;
    listed.add(DescriptorKind::buffers);
    ControlMessage commit;
    commit.type = MessageType::commit;
    commit.epoch = 1;
    keeper.send(commit, listed, {});
    CHECK(keeper.receive().refusal == Refusal::descriptors_missing);
    keeper.send(commit);
    const auto twice = keeper.receive();
    CHECK(twice.refusal == Refusal::wrong_time);
    CHECK(twice.error == EALREADY);

    // A longer message of a later minor is obeyed as far as it is understood.
    Frame frame;
    ControlMessage stop;
    stop.type = MessageType::stop;
    stop.epoch = 1;
    stop.request = 9;
    stop.force = true;
    encode_frame(stop, {}, frame);
    std::string longer(frame.bytes, frame.size);
    longer += std::string("\x38\x0b\x03\x00new\x00", 8);
    longer[6] = 3;  // the minor
    longer[12] = static_cast<char>(longer.size());
    keeper.send_packet(longer, {});
    CHECK(keeper.wait_for(MessageType::tree_empty).request == 9);
    CHECK(keeper.wait_for_leave() == 0);
}

TEST_CASE("a peer of another major, or none of ours, is refused and hung up on") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"wait"}));
    keeper.start();
    Frame frame;
    encode_frame(ControlMessage{}, {}, frame);
    std::string other(frame.bytes, frame.size);
    other[4] = 3;
    const std::pair<std::string, Refusal> cases[] = {
        {other, Refusal::unknown_major}, {"?", Refusal::damaged}, {std::string(5000, 'x'), Refusal::damaged}};
    for (const auto& [packet, why] : cases) {
        keeper.connect();
        keeper.send_packet(packet, {});
        const auto answer = keeper.receive();
        CHECK(answer.type == MessageType::refused);
        CHECK(answer.refusal == why);
        CHECK_THROWS(keeper.receive());
    }
    keeper.connect();
    keeper.send(MessageType::hello);
    REQUIRE(keeper.receive().type == MessageType::state);
    keeper.send(MessageType::stop, 1, 0, 0, true);
    CHECK(keeper.wait_for(MessageType::tree_empty).request == 1);
}

TEST_CASE("signals to the shim itself do nothing") {
    tests::TemporaryDirectory data;
    KeeperDriver keeper(data.path(), child({"line", "up", ",", "wait"}));
    keeper.start();
    keeper.wait_for_output("up\n");
    for (const int signal : {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGPIPE, SIGALRM})
        ::kill(keeper.shim_pid(), signal);
    keeper.send(MessageType::stop, 1, SIGINT, 3'600'000);
    const auto answer = keeper.wait_for(MessageType::tree_empty);
    CHECK(answer.state.exit_value == SIGINT);
    CHECK(keeper.wait_for_leave() == 0);
}

}  // namespace control_test
