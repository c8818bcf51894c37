// What a successor finds in the memory of a keeper that was killed, at each place where that can be.
#include "daemon/shim/output_buffers.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "tests/support/catch.hpp"

namespace output_buffers_test {

using namespace persistproc;
using shim::OutputBuffers;

namespace {

/// A keeper's memory after `leave` has been done with it, as its successor sees it.
class Inherited {
public:
    template <class Leave>
    explicit Inherited(Leave leave) {
        OutputBuffers before;
        before.create();
        REQUIRE(before.is_shared());
        leave(before);
        REQUIRE(now.attach(::dup(before.descriptor())) == 0);
    }
    std::string held() {
        const std::uint64_t span = now.marks(0).span.load();
        const auto begin = static_cast<std::uint32_t>(span);
        return {now.data(0) + begin, static_cast<std::uint32_t>(span >> 32) - begin};
    }
    OutputBuffers now;
};

void hold(OutputBuffers& buffers, const std::string& text) {
    std::memcpy(buffers.data(0), text.data(), text.size());
    buffers.marks(0).span.store(OutputBuffers::pack(0, text.size()));
}

const std::string carried = "an unfinished li";
const std::string fresh = "ne, and much of what came after it\n";

}  // namespace

TEST_CASE("what a killed keeper held is there, whole") {
    Inherited inherited([](OutputBuffers& buffers) { hold(buffers, carried); });
    CHECK(inherited.now.settle(0, 1000) == 0);
    CHECK(inherited.held() == carried);
    CHECK(inherited.now.settle(1, 1000) == 0);
}

TEST_CASE("a read that was about to be done is told from one that was done") {
    const auto size =
        static_cast<std::uint32_t>(GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{15}, fresh.size()));
    const auto at = static_cast<std::uint32_t>(carried.size());
    const std::string came = fresh.substr(0, size);
    const auto begun = [&](OutputBuffers& buffers) {
        hold(buffers, carried);
        buffers.begin_read(0, at, size);
    };
    SECTION("not done: the bytes are still in the pipe") {
        Inherited inherited(begun);
        CHECK(inherited.now.settle(0, 0) == 0);
        CHECK(inherited.held() == carried);
    }
    SECTION("done, and not noted") {
        Inherited inherited([&](OutputBuffers& buffers) {
            begun(buffers);
            std::memcpy(buffers.data(0) + at, came.data(), came.size());
        });
        CHECK(inherited.now.settle(0, 0) == 0);
        CHECK(inherited.held() == carried + came);
    }
    SECTION("done and noted, its mark still there") {
        Inherited inherited([&](OutputBuffers& buffers) {
            begun(buffers);
            std::memcpy(buffers.data(0) + at, came.data(), came.size());
            buffers.marks(0).span.store(OutputBuffers::pack(0, at + size));
        });
        CHECK(inherited.now.settle(0, 0) == 0);
        CHECK(inherited.held() == carried + came);
    }
    SECTION("broken off in the middle: lost, and said so") {
        if (size < 16) return;
        Inherited inherited([&](OutputBuffers& buffers) {
            begun(buffers);
            std::memcpy(buffers.data(0) + at, came.data(), came.size() / 2);
        });
        CHECK(inherited.now.settle(0, 0) == size);
        CHECK(inherited.held() == carried);
    }
}

TEST_CASE("the log says how much of a piece it has") {
    const std::string text = "first line\nrest";
    constexpr std::uint32_t piece = 11;
    const std::uint64_t position = 5000;
    const auto begun = [&](OutputBuffers& buffers) {
        hold(buffers, text);
        buffers.begin_write(0, 0, piece, position);
    };
    SECTION("nothing, a part, all of it") {
        const std::uint32_t written = GENERATE(0u, 1u, 5u, 11u);
        Inherited inherited(begun);
        CHECK(inherited.now.settle(0, position + written) == 0);
        CHECK(inherited.held() == text.substr(written));
    }
    SECTION("all of it, and the keeper had noted that") {
        Inherited inherited([&](OutputBuffers& buffers) {
            begun(buffers);
            buffers.marks(0).span.store(OutputBuffers::pack(piece, text.size()));
        });
        CHECK(inherited.now.settle(0, position + piece) == 0);
        CHECK(inherited.held() == "rest");
    }
    SECTION("and once it has been settled it stays so, whoever comes next") {
        Inherited inherited(begun);
        CHECK(inherited.now.settle(0, position + piece) == 0);
        CHECK(inherited.now.settle(0, position + 2 * piece) == 0);
        CHECK(inherited.held() == "rest");
    }
}

TEST_CASE("memory of another layout is not taken for ours") {
    OutputBuffers buffers;
    const int wrong_size = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK(buffers.attach(wrong_size) != 0);
    ::close(wrong_size);
    CHECK_FALSE(buffers.is_shared());
}

}  // namespace output_buffers_test
