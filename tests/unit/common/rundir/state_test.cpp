#include "common/rundir/state.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "common/base/file.hpp"
#include "common/rundir/state_slots.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace state_test {

using namespace persistproc;
using namespace persistproc::rundir;

namespace {

std::string bytes_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The image of a file after `commits` states with pids 101, 102, ….
std::string image_after(int commits) {
    tests::TemporaryDirectory directory;
    const auto path = directory.path() / "state";
    REQUIRE(create_state(path, base::current_boot_id()).has_value());
    const base::UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    StateWriter writer(file.get(), RunState{});
    for (int i = 1; i <= commits; ++i) {
        writer.state().phase = Phase::started;
        writer.state().pid = 100 + i;
        REQUIRE(writer.commit() == 0);
    }
    return bytes_of(path);
}

}  // namespace

TEST_CASE("a created state is of a run that has not begun, and the newest commit counts") {
    tests::TemporaryDirectory directory;
    const auto path = directory.path() / "state";
    CHECK(read_state(path).error().code == ErrorCode::not_found);
    REQUIRE(create_state(path, base::current_boot_id()).has_value());
    const auto created = read_state(path);
    REQUIRE(created.has_value());
    CHECK(created->phase == Phase::none);
    const std::string zeros(state_file_bytes, '\0');
    CHECK(decode_state(zeros.data(), zeros.size()).error().code == ErrorCode::corrupt);

    for (int commits = 1; commits <= 4; ++commits) {
        const std::string image = image_after(commits);
        CHECK(image.size() == state_file_bytes);
        const auto newest = decode_state(image.data(), image.size());
        REQUIRE(newest.has_value());
        CHECK(newest->pid == 100 + commits);
        CHECK(newest->generation == static_cast<std::uint64_t>(commits));
    }
}

TEST_CASE("a state file cut off anywhere gives the newest whole slot or corrupt, never another state") {
    const std::string image = image_after(3);  // generation 3 in the second slot, 2 in the first
    for (std::size_t size = 0; size < image.size(); ++size) {
        const auto state = decode_state(image.data(), size);
        if (!state) {
            REQUIRE(state.error().code == ErrorCode::corrupt);
            REQUIRE(size < sizeof(StateSlot));
        } else {
            REQUIRE(state->pid == (size >= slot_bytes + sizeof(StateSlot) ? 103 : 102));
        }
    }
}

TEST_CASE("a flipped bit in the newest slot leaves the one before it") {
    const std::string image = image_after(3);
    for (std::size_t at = slot_bytes; at < slot_bytes + sizeof(StateSlot); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string flipped = image;
            flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
            const auto state = decode_state(flipped.data(), flipped.size());
            REQUIRE(state.has_value());
            REQUIRE(state->pid == 102);
        }
    }
    // With one slot alone there is nothing to fall back to.
    std::string single = image_after(1);
    single[slot_bytes + 20] = static_cast<char>(single[slot_bytes + 20] ^ 1);
    CHECK(decode_state(single.data(), single.size()).error().code == ErrorCode::corrupt);
}

TEST_CASE("a state of a newer major version is unsupported, a longer one of this major is read") {
    std::string image(state_file_bytes, '\0');
    StateSlot slot;
    slot.state.major = format_major + 1;
    slot.state.generation = 4;
    slot.crc = slot_checksum(slot.size, &slot.state);
    image.replace(0, sizeof slot, reinterpret_cast<const char*>(&slot), sizeof slot);
    CHECK(decode_state(image.data(), image.size()).error().code == ErrorCode::unsupported);

    std::string payload(sizeof(RunState) + 64, 'n');
    RunState state;
    state.pid = 77;
    payload.replace(0, sizeof state, reinterpret_cast<const char*>(&state), sizeof state);
    slot.size = static_cast<std::uint32_t>(payload.size());
    slot.crc = slot_checksum(slot.size, payload.data());
    image.replace(0, 16, reinterpret_cast<const char*>(&slot), 16);
    image.replace(16, payload.size(), payload);
    const auto longer = decode_state(image.data(), image.size());
    REQUIRE(longer.has_value());
    CHECK(longer->pid == 77);
}

TEST_CASE("what a newer version wrote behind the state is kept by an older one") {
    tests::TemporaryDirectory temporary;
    const auto path = temporary.path() / "state";
    REQUIRE(create_state(path, base::current_boot_id()));
    const base::UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    RunState state;
    state.pid = 77;
    StateTail tail;
    tail.size = 40;
    std::memset(tail.bytes, 'n', tail.size);
    StateWriter newer(file.get(), state, tail);
    REQUIRE(newer.write() == 0);

    const auto read = [&](RunState& into) {
        const auto image = base::read_file(path);
        StateTail behind;
        REQUIRE(find_newest_state(image->data(), image->size(), into, &behind) == 0);
        return behind;
    };
    RunState met;
    StateWriter older(file.get(), met, read(met));
    older.state() = met;
    older.state().pid = 78;
    REQUIRE(older.write() == 0);
    RunState after;
    const StateTail kept = read(after);
    CHECK(after.pid == 78);
    CHECK(after.generation == 2);
    CHECK(kept.size == 40);
    CHECK(std::memcmp(kept.bytes, tail.bytes, 40) == 0);
    CHECK(read_state(path)->pid == 78);
}

TEST_CASE(
    "a copy of a state that was made in this boot names another, the file itself does not, wherever it is moved") {
    tests::TemporaryDirectory temporary;
    const auto path = temporary.path() / "state", copy = temporary.path() / "copy", moved = temporary.path() / "moved";
    const base::BootId boot = base::current_boot_id();
    REQUIRE(create_state(path, boot));
    // As its shim writes on.
    const base::UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    StateWriter writer(file.get(), *read_state(path));
    writer.state().pid = 77;
    REQUIRE(writer.write() == 0);
    std::filesystem::copy_file(path, copy);
    std::filesystem::rename(path, moved);
    CHECK(read_state(moved)->boot_id == boot);
    CHECK(read_state(copy)->boot_id == copied);
    CHECK(read_state(copy)->pid == 77);

    // Of an earlier boot nothing lives, be it a copy or not.
    base::BootId earlier{};
    earlier.fill(7);
    REQUIRE(create_state(path, earlier));
    std::filesystem::remove(copy);
    std::filesystem::copy_file(path, copy);
    CHECK(read_state(copy)->boot_id == earlier);
}

TEST_CASE("every stage has a name of its own") {
    for (int a = 0; a <= static_cast<int>(Stage::log); ++a)
        for (int b = 0; b < a; ++b)
            CHECK(std::string(stage_name(static_cast<Stage>(a))) != stage_name(static_cast<Stage>(b)));
}

}  // namespace state_test
