#include "daemon/core/writeback.hpp"

#include <fstream>
#include <thread>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace writeback_test {

using namespace persistproc;
using namespace std::chrono_literals;
using core::Writeback;

TEST_CASE("what was added together is made durable in one pass, at the latest with its owner's end") {
    tests::TemporaryDirectory data;
    const auto file = data.path() / "file";
    std::ofstream(file) << "text";
    SECTION("after the delay") {
        Writeback writeback(0ms);
        const auto pass = writeback.add({{file, file}, {data.path()}});
        while (!writeback.is_durable(pass)) std::this_thread::yield();
        // Nothing of what comes is covered by what was.
        CHECK_FALSE(writeback.is_durable(writeback.add({{file}, {}})));
    }
    SECTION("what joins before the delay is over joins the pass") {
        Writeback writeback(24h);
        const auto pass = writeback.add({{file}, {}});
        CHECK(writeback.add({{}, {data.path()}}) == pass);
        CHECK_FALSE(writeback.is_durable(pass));
    }
    SECTION("and whoever asked is told, also at that end") {
        std::vector<bool> told;
        {
            Writeback writeback(24h);
            for (int times = 0; times < 2; ++times)
                writeback.add({.files = {file}, .directories = {}, .told = [&](bool done) { told.push_back(done); }});
        }
        CHECK(told == std::vector<bool>{true, true});
    }
    SECTION("of nothing there is nothing to wait for") { Writeback writeback(24h); }
}

TEST_CASE("what was removed meanwhile is not missed, what cannot be synced is not called durable") {
    tests::TemporaryDirectory data;
    const auto file = data.path() / "file";
    Writeback writeback(0ms);
    const auto wait_for = [&](std::uint64_t pass) {
        while (!writeback.is_over(pass)) std::this_thread::yield();
        return writeback.is_durable(pass);
    };
    CHECK(wait_for(writeback.add({{file}, {data.path() / "directory"}})));
    // No file of ours: a link.
    std::filesystem::create_symlink("/etc/hostname", file);
    CHECK_FALSE(wait_for(writeback.add({{file}, {}})));
    std::filesystem::remove(file);
    CHECK(wait_for(writeback.add({{file}, {}})));
}

}  // namespace writeback_test
