#include "daemon/core/probes.hpp"

#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>

#include "common/base/proc.hpp"
#include "tests/support/catch.hpp"

namespace probes_test {

using namespace persistproc::core;

namespace {

/// A child of this process that does `work`, says so, and stays until the test ends.
class Child {
public:
    explicit Child(const std::function<void()>& work) {
        int done[2];
        if (::pipe(done) != 0) throw std::runtime_error("pipe");
        pid_ = ::fork();
        if (pid_ == 0) {
            work();
            (void)!::write(done[1], "x", 1);
            for (;;) ::pause();
        }
        char byte = 0;
        (void)!::read(done[0], &byte, 1);
        ::close(done[0]);
        ::close(done[1]);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    pid_t pid() const { return pid_; }

private:
    pid_t pid_ = 0;
};

void burn(double seconds) {
    rusage used{};
    do {
        ::getrusage(RUSAGE_SELF, &used);
    } while (static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6 <
             seconds);
}

/// The tree of a program that no shim keeps.
TreeRoots tree_of(pid_t program) {
    const auto started = persistproc::base::find_start_ticks(program);
    return {.strays = {{1}, {program, started.value_or(0)}}};
}

TreeSample sample(pid_t root) { return TreeSampler().sample({tree_of(root)}).front(); }

/// Writes to each page, without a sanitizer's shadow: that every process has for itself.
__attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined"))) void touch_pages(
    void* memory, std::size_t bytes) {
    auto* const at = static_cast<volatile unsigned char*>(memory);
    for (std::size_t i = 0; i < bytes; i += 4096) at[i] = 1;
}

/// Begins so many forks, one after the other, that do `in_fork` and then stay.
void fork_workers(int forks, const std::function<void()>& in_fork) {
    for (int i = 0; i < forks; ++i) {
        int done[2];
        if (::pipe(done) != 0) ::_exit(1);
        if (::fork() == 0) {
            in_fork();
            (void)!::write(done[1], "x", 1);
            for (;;) ::pause();
        }
        char byte = 0;
        (void)!::read(done[0], &byte, 1);
    }
}

}  // namespace

TEST_CASE("the time of children that have ended is counted with those who waited for them") {
    const Child parent([] {
        const pid_t compiler = ::fork();
        if (compiler == 0) {
            burn(0.3);
            ::_exit(0);
        }
        ::waitpid(compiler, nullptr, 0);
    });
    const TreeSample tree = sample(parent.pid());
    CHECK(tree.pids.size() == 1);
    CHECK(static_cast<double>(tree.cpu_ticks) / persistproc::base::ticks_per_second() >= 0.25);
    // And what a shim reaps: as a tree of this process, whose reaped children are those of other tests.
    const TreeSample below = TreeSampler().sample({TreeRoots{.shim = ::getpid()}}).front();
    CHECK(below.cpu_ticks >= tree.cpu_ticks);
}

TEST_CASE("a keeper below another run's keeper has a tree of its own") {
    int told[2];
    REQUIRE(::pipe(told) == 0);
    struct Place {
        bool is_program;
        pid_t pid;
    };
    const auto tell = [&](Place place) { (void)!::write(told[1], &place, sizeof place); };
    const Child outer([&] {
        const pid_t keeper = ::fork();
        if (keeper == 0) {
            if (const pid_t started = ::fork(); started > 0) tell({true, started});
            for (;;) ::pause();
        }
        tell({false, keeper});
    });
    pid_t inner = 0, program = 0;
    for (int i = 0; i < 2; ++i) {
        Place place{};
        REQUIRE(::read(told[0], &place, sizeof place) == sizeof place);
        (place.is_program ? program : inner) = place.pid;
    }
    const auto trees = TreeSampler().sample({TreeRoots{.shim = outer.pid()}, TreeRoots{.shim = inner}});
    CHECK(trees[0].pids.empty());
    CHECK(trees[1].pids == std::vector<pid_t>{program});
    // The same in one walk of all processes, which so many trees are worth.
    std::vector<TreeRoots> many(persistproc::base::list_processes().size() + 100, TreeRoots{.shim = inner});
    many.back() = TreeRoots{.shim = outer.pid()};
    const auto walked = TreeSampler().sample(many);
    CHECK(walked.front().pids == trees[1].pids);
    CHECK(walked.front().memory_bytes > 0);
    CHECK(walked.back().pids.empty());
    for (const pid_t each : {program, inner}) ::kill(each, SIGKILL);
    for (const int each : told) ::close(each);
}

TEST_CASE("memory that several share counts once") {
    constexpr std::size_t bytes = 256u << 20;
    void* const shared = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED);
    const auto touch = [shared] { touch_pages(shared, bytes); };
    const Child parent([&] {
        touch();
        fork_workers(3, touch);
    });
    const TreeSample tree = sample(parent.pid());
    REQUIRE(tree.pids.size() == 4);
    CHECK(tree.memory_bytes >= static_cast<std::int64_t>(bytes));
    CHECK(tree.memory_bytes < static_cast<std::int64_t>(2 * bytes));
    for (std::size_t i = 1; i < tree.pids.size(); ++i) ::kill(tree.pids[i], SIGKILL);
    ::munmap(shared, bytes);
}

TEST_CASE("memory that forks have in common counts once, and what each has written to as its own") {
    constexpr std::size_t bytes = 128u << 20;
    constexpr int forks = 4;
    const auto whole = static_cast<std::int64_t>(bytes);
    void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    const std::size_t own = GENERATE(std::size_t{0}, bytes / 2);
    const Child parent([&] {
        touch_pages(memory, bytes);
        fork_workers(forks, [&] { touch_pages(memory, own); });
    });
    TreeSampler sampler;
    const TreeSample tree = sampler.sample({tree_of(parent.pid())}).front();
    REQUIRE(tree.pids.size() == 1 + forks);
    const auto expected = whole + forks * static_cast<std::int64_t>(own);
    CHECK(tree.memory_bytes >= expected);
    CHECK(tree.memory_bytes < expected + whole);
    // What was asked a moment ago is not asked again, and is told as it was.
    const TreeSample again = sampler.sample({tree_of(parent.pid())}).front();
    CHECK(again.memory_bytes >= expected);
    CHECK(again.memory_bytes < expected + whole);
    // Where one alone may be walked, the others are taken to be like it; where none may, nothing is known.
    std::vector<ForkedMemory::Member> members;
    for (const pid_t pid : tree.pids) {
        const auto activity = persistproc::base::activity_of(pid);
        const auto resident = persistproc::base::resident_bytes(pid);
        members.push_back({.pid = pid,
                           .start_ticks = activity.start_ticks,
                           .stack_start = activity.stack_start,
                           .resident_bytes = resident.all,
                           .own_bytes = resident.all - resident.shared});
    }
    ForkedMemory small(members.back().resident_bytes + (32 << 20)), none(1);
    small.begin();
    none.begin();
    const std::int64_t guessed = small.sum(members);
    CHECK(guessed >= whole);
    CHECK(guessed < expected + 2 * whole);
    CHECK(none.sum(members) >= (1 + forks) * whole);
    for (std::size_t i = 1; i < tree.pids.size(); ++i) ::kill(tree.pids[i], SIGKILL);
    ::munmap(memory, bytes);
}

TEST_CASE("a port is told once somebody listens, whoever was looked at before") {
    int go[2], done[2];
    REQUIRE(::pipe(go) == 0);
    REQUIRE(::pipe(done) == 0);
    const auto next = [&] {
        char byte = 0;
        (void)!::write(go[1], "x", 1);
        (void)!::read(done[0], &byte, 1);
    };
    const Child program([&] {
        if (::fork() != 0) return;
        const auto wait = [&] {
            char byte = 0;
            (void)!::read(go[0], &byte, 1);
        };
        const auto tell = [&] { (void)!::write(done[1], "x", 1); };
        const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        (void)::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
        wait();
        (void)::listen(socket, 1);
        tell();
        wait();
        const pid_t heir = ::fork();
        if (heir == 0)
            for (;;) ::pause();
        ::close(socket);
        tell();
        wait();
        ::kill(heir, SIGKILL);
        ::waitpid(heir, nullptr, 0);
        tell();
        for (;;) ::pause();
    });
    TreeSampler sampler;
    const auto ports = [&] { return sampler.sample({tree_of(program.pid())}).front().ports.size(); };
    CHECK(ports() == 0);
    next();
    CHECK(ports() == 1);
    CHECK(ports() == 1);
    next();
    CHECK(ports() == 1);  // by inheritance
    next();
    CHECK(ports() == 0);
    const TreeSample left = sample(program.pid());
    for (const pid_t each : left.pids)
        if (each != program.pid()) ::kill(each, SIGKILL);
    for (const int each : {go[0], go[1], done[0], done[1]}) ::close(each);
}

}  // namespace probes_test
