#include "common/rundir/descriptor_shares.hpp"

#include "tests/support/catch.hpp"

namespace descriptor_shares_test {

using namespace persistproc::rundir;

TEST_CASE("what runs have of a daemon's descriptors is no connection's") {
    constexpr std::size_t of_a_run = 8;  // with an input that stays open and a check by sd_notify
    for (const std::uint64_t descriptors : {256u, 1024u, 4096u, 20'000u, 524'288u}) {
        const DescriptorShares shares = descriptor_shares(descriptors);
        INFO(descriptors);
        CHECK(shares.agents <= descriptors / 4);
        CHECK(shares.client <= descriptors / 8);
        CHECK(shares.runs * of_a_run + shares.agents <= static_cast<std::size_t>(shares.agent_descriptors));
        // Of any other use, `stop all` among them, the client has one connection for each.
        CHECK(std::min<std::size_t>(shares.runs, 512) <= shares.client);
    }
    CHECK(descriptor_shares(20'000).runs > 2000);
    CHECK(descriptor_shares(1024).runs == 56);
}

TEST_CASE("however few descriptors there are, something may run, and somebody may ask") {
    for (std::uint64_t descriptors = 0; descriptors < 300; ++descriptors) {
        const DescriptorShares shares = descriptor_shares(descriptors);
        CHECK(shares.runs >= 1);
        CHECK(shares.agents >= 16);
    }
    CHECK(descriptor_shares(UINT64_MAX).runs > 1'000'000);
}

}  // namespace descriptor_shares_test
