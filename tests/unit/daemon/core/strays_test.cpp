#include "daemon/core/strays.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "common/base/random.hpp"
#include "common/base/unique_fd.hpp"
#include "common/rundir/run_mark.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/no_descriptors.hpp"

namespace strays_test {

using namespace persistproc;
using core::find_strays;

namespace {

/// Three programs in one session: its leader, which has the run's mark or not; one with the mark; and one with an empty
/// environment. The last two have lost their parent.
class Session {
public:
    Session(const rundir::Nonce& mark, bool leader_has_mark)
        : variable_(std::string(rundir::run_mark_name) + "=" + base::to_hex(mark)) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
        const base::UniqueFd told(ends[0]);
        {
            const base::UniqueFd telling(ends[1]);
            leader = ::fork();
            if (leader == 0) {
                ::setsid();
                begin_orphans(telling.get());
                execute(leader_has_mark);
            }
        }
        if (::read(told.get(), orphans_, sizeof orphans_) != sizeof orphans_) throw std::runtime_error("no orphans");
        char end = 0;  // once all have executed sleep
        while (::read(told.get(), &end, 1) > 0) {
        }
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() {
        for (const pid_t pid : {marked(), bare()}) ::kill(pid, SIGKILL);
        end_leader();
    }

    pid_t leader = 0;
    pid_t marked() const { return orphans_[0]; }
    pid_t bare() const { return orphans_[1]; }
    void end_leader() {
        if (leader <= 0) return;
        ::kill(leader, SIGKILL);
        ::waitpid(std::exchange(leader, 0), nullptr, 0);
    }

private:
    void begin_orphans(int telling) {
        const pid_t between = ::fork();
        if (between != 0) {
            ::waitpid(between, nullptr, 0);
            return;
        }
        pid_t pids[2];
        for (const bool has_mark : {true, false}) {
            pid_t& pid = pids[has_mark ? 0 : 1];
            pid = ::fork();
            if (pid == 0) execute(has_mark);
        }
        ::_exit(::write(telling, pids, sizeof pids) == sizeof pids ? 0 : 1);
    }
    [[noreturn]] void execute(bool has_mark) {
        char name[] = "/bin/sleep", how_long[] = "1000";
        char* const argv[] = {name, how_long, nullptr};
        char* const environment[] = {has_mark ? variable_.data() : nullptr, nullptr};
        ::execve(name, argv, environment);
        ::_exit(127);
    }

    std::string variable_;
    pid_t orphans_[2] = {};
};

std::vector<pid_t> found(const rundir::Nonce& mark, PidIdentity program) {
    const core::StrayRoots roots{mark, program};
    std::vector<pid_t> out;
    const auto all = find_strays({&roots, 1});
    REQUIRE(all);
    for (const PidIdentity& each : all->front()) out.push_back(each.pid);
    std::sort(out.begin(), out.end());
    return out;
}

std::vector<pid_t> sorted(std::vector<pid_t> pids) {
    std::sort(pids.begin(), pids.end());
    return pids;
}

}  // namespace

TEST_CASE("what has lost its parent and its environment is known by its session") {
    rundir::Nonce mark{}, other{};
    base::fill_random(mark);
    base::fill_random(other);
    Session session(mark, GENERATE(true, false));
    const PidIdentity program{session.leader, base::find_start_ticks(session.leader).value_or(0)};
    CHECK(found(mark, program) == sorted({session.leader, session.marked(), session.bare()}));
    // One with its mark proves whose the session is, whoever leads it; without any a number proves nothing.
    session.end_leader();
    CHECK(found(mark, program) == sorted({session.marked(), session.bare()}));
    CHECK(found(other, program).empty());
    CHECK(found(mark, {}) == sorted({session.marked()}));
}

TEST_CASE("what cannot be looked for is not taken for dead") {
    rundir::Nonce mark{};
    base::fill_random(mark);
    Session session(mark, true);
    const core::StrayRoots roots{mark, {session.leader, base::find_start_ticks(session.leader).value_or(0)}};
    core::StraySweep sweep(roots);
    {
        const tests::NoDescriptors none;
        CHECK_FALSE(find_strays({&roots, 1}));
        CHECK(sweep.walk() == core::StraySweep::Left::living);
    }
    auto left = sweep.walk();
    while (left == core::StraySweep::Left::dying) left = sweep.walk();
    CHECK(left == core::StraySweep::Left::nothing);
}

TEST_CASE("what may not be signalled is not taken for dead") {
    if (::geteuid() != 0) return;  // nobody else can make a program another's
    rundir::Nonce mark{};
    base::fill_random(mark);
    Session session(mark, true);
    const core::StrayRoots roots{mark, {session.leader, base::find_start_ticks(session.leader).value_or(0)}};
    const pid_t stranger = ::fork();
    if (stranger == 0) {
        constexpr uid_t nobody = 65534;
        core::StraySweep sweep(roots);
        ::_exit(::setuid(nobody) == 0 && sweep.walk() == core::StraySweep::Left::living ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(stranger, &status, 0) == stranger);
    CHECK(status == 0);
}

TEST_CASE("a time of start that is another's proves no session") {
    rundir::Nonce other{};
    base::fill_random(other);
    rundir::Nonce mark{};
    Session session(mark, false);
    const PidIdentity program{session.leader, base::find_start_ticks(session.leader).value_or(0)};
    CHECK(found(other, program).size() == 3);
    CHECK(found(other, {program.pid, program.start_ticks + 1}).empty());
}

}  // namespace strays_test
