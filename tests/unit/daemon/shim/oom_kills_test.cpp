#include "daemon/shim/oom_kills.hpp"

#include <string>

#include "tests/support/catch.hpp"

namespace oom_kills_test {

using namespace persistproc::shim;

namespace {

std::string path_of(std::string_view cgroups) { return oom_counter_path(cgroups).c_str(); }

}  // namespace

TEST_CASE("the counter of OOM kills is that of the memory controller") {
    CHECK(path_of("0::/user.slice/a.scope\n") == "/sys/fs/cgroup/user.slice/a.scope/memory.events");
    CHECK(path_of("0::/\n") == "/sys/fs/cgroup/memory.events");
    CHECK(path_of("9:name=systemd:/\n4:memory:/docker/ab\n0::/\n") ==
          "/sys/fs/cgroup/memory/docker/ab/memory.oom_control");
    CHECK(path_of("").empty());
    CHECK(path_of("3:cpuset:/\n").empty());
    // A path that does not fit is none.
    CHECK(path_of("0::/" + std::string(600, 'x') + "\n").empty());
}

TEST_CASE("the count of OOM kills is read from either version's file") {
    CHECK(oom_kills_in("low 0\nhigh 0\nmax 3\noom 2\noom_kill 17\noom_group_kill 0\n") == 17);
    CHECK(oom_kills_in("oom_kill_disable 0\nunder_oom 0\noom_kill 2") == 2);
    CHECK(oom_kills_in("oom_kill_disable 0\nunder_oom 0\n") == -1);
    CHECK(oom_kills_in("oom_kill many\n") == -1);
    CHECK(oom_kills_in("oom_kill \n") == -1);
    CHECK(oom_kills_in("") == -1);
}

TEST_CASE("none in the keeper's cgroup are none of the program only where the machine counts none, either") {
    CHECK(oom_kills_between({3, 10}, {3, 10}) == 0);
    CHECK(oom_kills_between({3, 10}, {5, 12}) == 2);
    // The program may have been moved to another cgroup.
    CHECK(oom_kills_between({3, 10}, {3, 11}) == -1);
    CHECK(oom_kills_between({3, -1}, {3, 10}) == -1);
    CHECK(oom_kills_between({3, -1}, {4, -1}) == 1);
    CHECK(oom_kills_between({-1, 10}, {-1, 10}) == -1);
    // The keeper was moved meanwhile.
    CHECK(oom_kills_between({3, 10}, {0, 10}) == -1);
    CHECK(oom_kills_in("numa_other 0\noom_kill 6\nballoon_inflate 0\n") == 6);
}

}  // namespace oom_kills_test
