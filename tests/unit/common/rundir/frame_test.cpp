// The wire between daemon and shim, where either may be the older one.
#include "common/rundir/frame.hpp"

#include <cstring>
#include <filesystem>
#include <string>

#include "common/base/file.hpp"
#include "tests/support/catch.hpp"

namespace frame_test {

using namespace persistproc;
using namespace persistproc::rundir;

namespace {

constexpr MessageType types[] = {MessageType::hello,   MessageType::commit,    MessageType::stop,  MessageType::signal,
                                 MessageType::ended,   MessageType::ready,     MessageType::state, MessageType::done,
                                 MessageType::refused, MessageType::tree_empty};

ControlMessage filled(MessageType type) {
    ControlMessage message;
    message.type = type;
    message.epoch = 7;
    message.request = 1234567890123;
    message.nonce.fill(42);
    message.capabilities = capability_spares;
    message.signal = 15;
    message.grace_ms = 2500;
    message.force = true;
    message.end = {ProgramEnd::How::exited, 3};
    message.error = 71;
    message.refused_type = 999;
    message.refusal = Refusal::unknown_type;
    message.state.phase = Phase::started;
    message.state.pid = 4001;
    message.state.log_end = 555;
    return message;
}

std::string encoded(const ControlMessage& message, const DescriptorList& descriptors = {}) {
    Frame frame;
    encode_frame(message, descriptors, frame);
    return {frame.bytes, frame.size};
}

struct Decoded {
    explicit Decoded(const std::string& bytes) { why = decode_frame(bytes.data(), bytes.size(), message, descriptors); }
    ControlMessage message;
    DescriptorList descriptors;
    Refusal why;
};

void put_size(std::string& frame) {
    const auto size = static_cast<std::uint32_t>(frame.size());
    std::memcpy(frame.data() + offsetof(FrameHeader, size), &size, sizeof size);
}

void add_field(std::string& frame, std::uint16_t number, std::string value) {
    const std::uint16_t header[] = {number, static_cast<std::uint16_t>(value.size())};
    frame.append(reinterpret_cast<const char*>(header), sizeof header);
    value.resize((value.size() + 3) / 4 * 4, '\0');
    frame += value;
    put_size(frame);
}

std::string frozen(const char* name) {
    const auto bytes = base::read_file(std::filesystem::path(PERSISTPROC_TEST_DATA) / "v2.0" / "frames" / name);
    REQUIRE(bytes.has_value());
    return *bytes;
}

Decoded decode_frozen(const char* name) {
    Decoded out(frozen(name));
    REQUIRE(out.why == Refusal::none);
    CHECK(out.message.epoch == 7);
    return out;
}

const Nonce frozen_nonce = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

}  // namespace

TEST_CASE("each message brings what belongs to its type and nothing else") {
    for (const MessageType type : types) {
        const ControlMessage sent = filled(type);
        const Decoded read(encoded(sent));
        INFO(static_cast<int>(type));
        REQUIRE(read.why == Refusal::none);
        const ControlMessage& got = read.message;
        CHECK(got.type == type);
        CHECK(got.epoch == sent.epoch);
        CHECK(got.request == sent.request);
        const bool from_daemon = type <= MessageType::ended;
        const auto either = [](bool holds, auto yes, auto no) { return holds ? yes : no; };
        CHECK(got.nonce == either(from_daemon, sent.nonce, Nonce{}));
        const bool stops = type == MessageType::stop;
        CHECK(got.signal == either(stops || type == MessageType::signal, 15, 0));
        CHECK(got.grace_ms == either(stops, 2500u, 0u));
        CHECK(got.force == stops);
        CHECK(got.end.value == either(type == MessageType::ended, 3, 0));
        CHECK(got.error == either(type == MessageType::done || type == MessageType::refused, 71, 0));
        CHECK(got.refusal == either(type == MessageType::refused, Refusal::unknown_type, Refusal::none));
        CHECK(got.refused_type == either(type == MessageType::refused, 999, 0));
        const bool tells_state =
            type == MessageType::ready || type == MessageType::state || type == MessageType::tree_empty;
        CHECK(got.state.pid == either(tells_state, 4001, 0));
        CHECK(got.state.log_end == either(tells_state, 555u, 0u));
    }
}

TEST_CASE("descriptors are listed by kind, in the order in which they travel") {
    DescriptorList list;
    list.add(DescriptorKind::buffers);
    list.add(DescriptorKind::source, 1);
    list.add(static_cast<DescriptorKind>(900), 7);
    const Decoded read(encoded(filled(MessageType::commit), list));
    REQUIRE(read.why == Refusal::none);
    REQUIRE(read.descriptors.count == 3);
    CHECK(read.descriptors.names[0].kind == DescriptorKind::buffers);
    CHECK(read.descriptors.names[1].kind == DescriptorKind::source);
    CHECK(read.descriptors.names[1].index == 1);
    CHECK(static_cast<int>(read.descriptors.names[2].kind) == 900);

    std::string crowded = encoded(filled(MessageType::commit));
    add_field(crowded, 12, std::string(4 * 500, '\1'));
    const Decoded bounded(crowded);
    CHECK(bounded.why == Refusal::none);
    CHECK(bounded.descriptors.count == most_descriptors);
}

TEST_CASE("a frame that was cut anywhere is damaged") {
    for (const MessageType type : types) {
        const std::string whole = encoded(filled(type));
        for (std::size_t size = 0; size < whole.size(); ++size) {
            std::string cut = whole.substr(0, size);
            CHECK(Decoded(cut).why == Refusal::damaged);
            // One whose size says so may end between two fields, and nowhere else.
            if (size < sizeof(FrameHeader)) continue;
            put_size(cut);
            const Decoded shorter(cut);
            CHECK((shorter.why == Refusal::damaged || shorter.why == Refusal::none));
        }
    }
    CHECK(Decoded("").why == Refusal::damaged);
    CHECK(Decoded("?").why == Refusal::damaged);
    CHECK(Decoded(std::string(192, '\0')).why == Refusal::damaged);
    std::string huge = encoded(filled(MessageType::hello));
    add_field(huge, 500, std::string(most_frame_bytes, 'x'));
    CHECK(Decoded(huge).why == Refusal::damaged);
    std::string twice = encoded(filled(MessageType::hello));
    add_field(twice, 1, std::string(8, '\1'));
    CHECK(Decoded(twice).why == Refusal::damaged);
}

TEST_CASE("any bytes are read without harm") {
    const std::string whole = encoded(filled(MessageType::state));
    for (std::size_t at = 0; at < whole.size(); ++at)
        for (const int flip : {0x01, 0x80, 0xff}) {
            std::string odd = whole;
            odd[at] = static_cast<char>(odd[at] ^ flip);
            const Decoded read(odd);
            CHECK(read.descriptors.count <= most_descriptors);
        }
}

TEST_CASE("an older reader passes over what a newer writer adds") {
    std::string newer = encoded(filled(MessageType::stop));
    const std::uint16_t minor = 9;
    std::memcpy(newer.data() + offsetof(FrameHeader, minor), &minor, sizeof minor);
    add_field(newer, 13, "a field of later");
    add_field(newer, 60000, "x");
    const Decoded read(newer);
    REQUIRE(read.why == Refusal::none);
    CHECK(read.message.grace_ms == 2500);

    // A field that has grown at its end: the state is read as far as it is known.
    ControlMessage tells = filled(MessageType::ready);
    std::string bytes = encoded(tells);
    const std::uint16_t size = sizeof(RunState);
    const std::size_t state_at =
        bytes.find(std::string("\x05\x00", 2) + std::string(reinterpret_cast<const char*>(&size), sizeof size));
    REQUIRE(state_at != bytes.npos);
    const std::uint16_t longer = sizeof(RunState) + 8;
    std::memcpy(bytes.data() + state_at + 2, &longer, sizeof longer);
    bytes.insert(state_at + 4 + sizeof(RunState), 8, '\7');
    put_size(bytes);
    const Decoded grown(bytes);
    REQUIRE(grown.why == Refusal::none);
    CHECK(grown.message.state.pid == 4001);
    CHECK(grown.message.state.log_end == 555);
}

TEST_CASE("a newer reader takes what an older writer left out for zero") {
    std::string older;
    const FrameHeader header{.type = static_cast<std::uint16_t>(MessageType::state)};
    older.append(reinterpret_cast<const char*>(&header), sizeof header);
    put_size(older);
    // A state of fewer members.
    const RunState state = filled(MessageType::state).state;
    add_field(older, 5, std::string(reinterpret_cast<const char*>(&state), offsetof(RunState, log_begin)));
    const Decoded read(older);
    REQUIRE(read.why == Refusal::none);
    CHECK(read.message.epoch == 0);
    CHECK(read.message.capabilities == 0);
    CHECK(read.message.state.pid == 4001);
    CHECK(read.message.state.log_end == 0);
}

TEST_CASE("what is unknown is told by name") {
    std::string unknown = encoded(filled(MessageType::signal));
    const std::uint16_t type = 77;
    std::memcpy(unknown.data() + offsetof(FrameHeader, type), &type, sizeof type);
    const Decoded of_later(unknown);
    CHECK(of_later.why == Refusal::unknown_type);
    CHECK(static_cast<int>(of_later.message.type) == 77);
    CHECK(of_later.message.request == 1234567890123);

    const auto with_major = [](MessageType each, std::uint16_t major) {
        std::string bytes = encoded(filled(each));
        std::memcpy(bytes.data() + offsetof(FrameHeader, major), &major, sizeof major);
        return bytes;
    };
    for (const int major : {0, 1, 3, 65535}) {
        const Decoded other(with_major(MessageType::signal, static_cast<std::uint16_t>(major)));
        CHECK(other.why == Refusal::unknown_major);
        CHECK(other.message.type == MessageType::signal);
        const Decoded refusal(with_major(MessageType::refused, static_cast<std::uint16_t>(major)));
        CHECK(refusal.why == Refusal::none);
        CHECK(refusal.message.refused_type == 999);
    }
}

TEST_CASE("frames of version 2.0 are read") {
    const auto hello = decode_frozen("hello").message;
    CHECK(hello.type == MessageType::hello);
    CHECK(hello.request == 1);
    CHECK(hello.nonce == frozen_nonce);
    CHECK(hello.capabilities == capability_spares);

    const auto commit = decode_frozen("commit");
    CHECK(commit.message.type == MessageType::commit);
    REQUIRE(commit.descriptors.count == 5);
    CHECK(commit.descriptors.names[1].kind == DescriptorKind::source);
    CHECK(commit.descriptors.names[1].index == 1);
    CHECK(commit.descriptors.names[2].kind == DescriptorKind::child);
    CHECK(commit.descriptors.names[3].kind == DescriptorKind::report);
    CHECK(commit.descriptors.names[4].kind == DescriptorKind::buffers);

    const auto stop = decode_frozen("stop").message;
    CHECK(stop.type == MessageType::stop);
    CHECK(stop.signal == 15);
    CHECK(stop.grace_ms == 2500);
    CHECK(stop.force);
    CHECK(decode_frozen("signal").message.signal == 10);
    const auto ended = decode_frozen("ended").message;
    CHECK(ended.end.how == ProgramEnd::How::killed);
    CHECK(ended.end.value == 9);

    CHECK(decode_frozen("ready").message.state.phase == Phase::prepared);
    const auto state = decode_frozen("state");
    CHECK(state.message.state.phase == Phase::started);
    CHECK(state.message.state.exec_confirmed == 1);
    CHECK(state.message.state.nonce == frozen_nonce);
    CHECK(state.message.state.shim_pid == 4000);
    CHECK(state.message.state.pid == 4001);
    CHECK(state.message.state.start_ticks == 222);
    CHECK(state.message.state.log_begin == 444);
    CHECK(state.descriptors.count == 4);
    const auto empty = decode_frozen("tree_empty").message.state;
    CHECK(empty.tree_empty == 1);
    CHECK(empty.killed == 1);
    CHECK(empty.exit_value == 15);
    CHECK(empty.log_end == 555);
    CHECK(decode_frozen("done").message.error == 3);
    const auto refused = decode_frozen("refused").message;
    CHECK(refused.refusal == Refusal::unknown_type);
    CHECK(refused.refused_type == 77);
    CHECK(refused.error == 71);
}

}  // namespace frame_test
