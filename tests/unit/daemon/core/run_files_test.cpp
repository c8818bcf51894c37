#include "daemon/core/run_files.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "common/base/file.hpp"
#include "common/rundir/paths.hpp"
#include "common/rundir/state.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace persistproc;
using namespace persistproc::core;
namespace fs = std::filesystem;

namespace {

const base::BootId boot = base::current_boot_id();

rundir::RunSpec spec_of(RunId id) {
    rundir::RunSpec spec;
    spec.id = id;
    spec.argv = {"true"};
    spec.working_directory = "/";
    return spec;
}

/// While it lives this process opens nothing.
struct NoDescriptors {
    NoDescriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before);
        const rlimit none{0, before.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
    }
    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before); }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;
    rlimit before{};
};

void write(const fs::path& file, std::size_t bytes) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << std::string(bytes, 'x');
}

TEST_CASE("a link among a log's files is named where its output is to be removed") {
    tests::TemporaryDirectory data;
    const fs::path log = rundir::process_paths(data.path(), {1}).log;
    const fs::path link = log / "00000001.log";
    write(data.path() / "elsewhere", 10);
    fs::create_directories(log);
    fs::create_symlink(data.path() / "elsewhere", link);
    const auto cleared = clear_output(data.path(), {1});
    REQUIRE_FALSE(cleared);
    CHECK(cleared.error().message.starts_with(link.native() + " is a symbolic link; "));
    CHECK(fs::file_size(data.path() / "elsewhere") == 10);
}

TEST_CASE("a removal that cannot be put on record takes nothing") {
    tests::TemporaryDirectory data;
    const auto paths = rundir::process_paths(data.path(), {1});
    write(paths.log / "00000001.log", 10);
    struct rlimit before {};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const struct rlimit none { 0, before.rlim_max };
    ::setrlimit(RLIMIT_NOFILE, &none);
    const auto begun = begin_removal(data.path(), {1});
    ::setrlimit(RLIMIT_NOFILE, &before);
    REQUIRE_FALSE(begun);
    CHECK(begun.error().os_error == EMFILE);
    CHECK(fs::file_size(paths.log / "00000001.log") == 10);
    CHECK(find_directories(data.path()).value().removals.empty());
}

TEST_CASE("output of agents costs the person none while they hold more, nor where they can give none") {
    tests::TemporaryDirectory data;
    const Starters starters{{{1}, "persistproc 1"}, {{2}, "one 1"}, {{3}, "two 1"}, {{4}, "two 2"}};
    const auto file = [&](std::uint32_t process, int number) {
        return rundir::process_paths(data.path(), {process}).log / ("0000000" + std::to_string(number) + ".log");
    };
    const auto age = fs::file_time_type::clock::now();
    int hours = 100;
    // What is the person's is the oldest.
    for (std::uint32_t process = 1; process <= 4; ++process)
        for (int number = 1; number <= (process == 2 ? 4 : 3); ++number) {
            write(file(process, number), 100);
            fs::last_write_time(file(process, number), age - std::chrono::hours(hours--));
        }
    collect_garbage(data.path(), 5, 1000, starters);
    for (int number = 1; number <= 3; ++number) CHECK(fs::exists(file(1, number)));
    CHECK(!fs::exists(file(2, 1)));  // of who held most
    CHECK(!fs::exists(file(2, 2)));  // then all held the same: the oldest
    CHECK(!fs::exists(file(3, 1)));
    CHECK(fs::exists(file(4, 1)));
    // All that agents may give is not enough.
    collect_garbage(data.path(), 5, 500, starters);
    for (std::uint32_t process = 2; process <= 4; ++process) CHECK(fs::exists(file(process, process == 2 ? 4 : 3)));
    CHECK(!fs::exists(file(1, 1)));
    CHECK(fs::exists(file(1, 2)));
}

}  // namespace

TEST_CASE("a run that cannot be prepared leaves nothing behind, and what was there before untouched") {
    tests::TemporaryDirectory data;
    const RunId first{{1}, 1};
    const auto process = rundir::process_paths(data.path(), first.process);
    fs::create_directories(data.path() / "procs");
    SECTION("a new process") {
        // Its path is taken by something that is no directory.
        write(process.root, 1);
        CHECK(!prepare_run(data.path(), spec_of(first), boot));
        CHECK(fs::is_regular_file(process.root));
    }
    SECTION("one whose directory lies elsewhere, and cannot be reached now") {
        fs::create_directory_symlink(data.path() / "not mounted", process.root);
        CHECK(!prepare_run(data.path(), spec_of(first), boot));
        CHECK(fs::is_symlink(process.root));
    }
    SECTION("one that has output") {
        REQUIRE(prepare_run(data.path(), spec_of(first), boot));
        write(process.log / "00000001.log", 10);
        const RunId second{{1}, 2};
        // The name of the run is taken.
        write(rundir::run_paths(data.path(), second).root / "in the way", 1);
        CHECK(!prepare_run(data.path(), spec_of(second), boot));
        CHECK(fs::exists(process.log / "00000001.log"));
        CHECK(fs::exists(rundir::run_paths(data.path(), first).spec));
        CHECK(fs::exists(rundir::run_paths(data.path(), second).root / "in the way"));
        CHECK(!fs::exists(process.runs / ".new"));
    }
}

TEST_CASE("given a run whose lock is gone, when it is looked at, then its shim lives as long as that process does") {
    tests::TemporaryDirectory data;
    const RunId run{{1}, 1};
    fs::create_directories(data.path() / "procs");
    REQUIRE(prepare_run(data.path(), spec_of(run), boot));
    auto fd = base::open_file(rundir::run_paths(data.path(), run).state, O_RDWR);
    rundir::StateWriter writer(fd->get(), rundir::RunState{});
    writer.state().boot_id = boot;
    writer.state().phase = rundir::Phase::started;
    writer.state().shim_pid = ::getpid();
    writer.state().shim_start_ticks = base::find_start_ticks(::getpid()).value();
    const auto is_alive = [&] {
        REQUIRE(writer.commit() == 0);
        return find_run(data.path(), run, boot, false).value().shim_alive;
    };
    CHECK(is_alive());
    // Another file in its place, which nobody locks.
    write(rundir::run_paths(data.path(), run).shim_lock, 0);
    CHECK(is_alive());
    SECTION("which is about to leave") { writer.state().tree_empty = 1; }
    SECTION("or is another") { ++writer.state().shim_start_ticks; }
    SECTION("or one of before the machine's start") { writer.state().boot_id[0] ^= 1; }
    CHECK(!is_alive());
}

TEST_CASE("given a run that waits for its start, when it is prepared anew, then it is replaced as a whole") {
    tests::TemporaryDirectory data;
    const RunId run{{1}, 1};
    fs::create_directories(data.path() / "procs");
    rundir::RunSpec spec = spec_of(run);
    spec.environment = {"VERSION=1"};
    REQUIRE(prepare_run(data.path(), spec, boot));
    spec.environment = {"VERSION=2"};
    REQUIRE(prepare_run(data.path(), spec, boot));
    const auto found = load_spec(data.path(), run);
    REQUIRE(found);
    CHECK(found->environment == std::vector<std::string>{"VERSION=2"});
    CHECK(!fs::exists(rundir::process_paths(data.path(), run.process).runs / ".new"));
    // One that had a program never is.
    const auto fd = base::open_file(rundir::run_paths(data.path(), run).state, O_RDWR);
    REQUIRE(fd);
    rundir::StateWriter writer(fd->get(), rundir::RunState{});
    writer.state().phase = rundir::Phase::started;
    REQUIRE(writer.commit() == 0);
    CHECK(!prepare_run(data.path(), spec_of(run), boot));
    CHECK(load_spec(data.path(), run)->environment == std::vector<std::string>{"VERSION=2"});
}

TEST_CASE("what cannot be executed is found before it is tried") {
    tests::TemporaryDirectory directory;
    const auto write = [&](const char* name, std::string_view text, fs::perms mode = fs::perms::owner_all) {
        std::ofstream(directory.path() / name) << text;
        fs::permissions(directory.path() / name, mode);
    };
    const auto check = [&](const char* program) {
        return check_program(program, "/usr/bin:/bin:" + directory.path().string(), directory.path());
    };
    const auto os_error = [&](const char* program) {
        const auto checked = check(program);
        return checked ? 0 : checked.error().os_error;
    };
    write("good", "#! /bin/sh -e\n");
    write("env", "#!/usr/bin/env sh\n");
    write("variable", "#!/usr/bin/env A=1 nosuch\n");
    write("split", "#!/usr/bin/env -S sh -e\r\n");
    write("quoted", "#!/usr/bin/env -S 'nosuch' -e\n");
    write("split-variable", "#!/usr/bin/env -S A=1 sh\n");
    write("split-path", "#!/usr/bin/env -S PATH=/x nosuch\n");
    write("perl-crlf", "#!./good -w\r\n");
    write("shell.sh", "echo\n");
    write("binary.py", std::string("\xCA\xFE\0\n", 4));
    write("empty.py", "");
    write("nested", "#!./good\n");
    write("no-end", "#!/bin/sh");
    write("long", "#!" + std::string(300, 'x'));
    write("text", "no script\n");
    for (const char* fine :
         {"good", "./good", "./env", "./variable", "./split", "./quoted", "./split-variable", "./split-path",
          "./perl-crlf", "./shell.sh", "./binary.py", "./empty.py", "./nested", "./no-end", "./long", "./text"}) {
        INFO(fine);
        CHECK(os_error(fine) == 0);
    }
    rundir::RunSpec spec;
    spec.argv = {"good"};
    spec.working_directory = directory.path();
    spec.environment = {"PATH=/usr/bin:" + directory.path().string()};
    const auto before = find_program_file(spec);
    REQUIRE(before);
    CHECK(before->is_same(*find_program_file(spec)));
    spec.argv = {"./good"};
    CHECK(before->is_same(*find_program_file(spec)));
    write("good", "#! /bin/sh -ex\n");
    CHECK_FALSE(before->is_same(*find_program_file(spec)));
    spec.argv = {"env", "PORT=1", "sh", "-x", "nosuch", "./good", ".", "binary.py", directory.path() / "empty.py"};
    const auto files = find_argument_files(spec);
    REQUIRE(files.size() == 3);
    CHECK(files[0].argument == 5);
    CHECK(files[1].argument == 7);
    CHECK(files[2].argument == 8);
    spec.argv = {"sh", "good"};
    CHECK(files[0].file.is_same(find_argument_files(spec)[0].file));
    write("good", "#! /bin/sh -exu\n");
    CHECK_FALSE(files[0].file.is_same(find_argument_files(spec)[0].file));
    spec.argv = {"nosuch"};
    CHECK_FALSE(find_program_file(spec));
    write("crlf", "#!/bin/sh\r\n");
    write("relative", "#!./nosuch\n");
    write("folder", "#!/usr\n");
    write("closed", "", fs::perms::owner_read);
    write("by-closed", "#! ./closed\n");
    write("nothing", "#!\n");
    write("env-crlf", "#!/usr/bin/env sh\r\n");
    write("env-missing", "#!/usr/bin/env nosuch -x\n");
    write("deep", "#!./relative\n");
    write("split-missing", "#!/usr/bin/env -S  nosuch -x\n");
    write("flag-crlf", "#!/bin/sh -e\r\n");
    write("plain.py", "import time\n");
    write("split-variable-missing", "#!/usr/bin/env -S A=1 B= nosuch\n");
    write("marked", "\xEF\xBB\xBF#!/bin/sh\n");
    write("damaged", std::string("\x7f"
                                 "ELF\2\1\1\0\n",
                                 9));
    fs::create_symlink("turning", directory.path() / "turning");
    write("by-turning", "#!./turning\n");
    CHECK(os_error("nosuch") == ENOENT);
    CHECK(os_error("closed") == EACCES);
    CHECK(os_error("./turning") == ELOOP);
    CHECK(os_error("./by-turning") == ELOOP);
    CHECK(os_error(("./" + std::string(300, 'x')).c_str()) == ENAMETOOLONG);
    CHECK(os_error(std::string(300, 'x').c_str()) == ENOENT);
    for (const char* missing : {"crlf", "./relative", "./split-variable-missing", "./env-crlf", "./env-missing",
                                "./split-missing", "./deep"}) {
        INFO(missing);
        CHECK(os_error(missing) == ENOENT);
    }
    CHECK(os_error("./folder") == EACCES);
    CHECK(os_error("./by-closed") == EACCES);
    for (const char* unknown : {"./marked", "./damaged", "./nothing", "./flag-crlf", "./plain.py", "plain.py"}) {
        INFO(unknown);
        CHECK(os_error(unknown) == ENOEXEC);
    }
    CHECK(check("./plain.py").error().message ==
          "./plain.py: its first line names no interpreter; try: python3 ./plain.py");
    CHECK(check("./flag-crlf").error().message ==
          "./flag-crlf: its first line ends with CR LF, as on Windows, which \"/bin/sh\" does not take");
    CHECK(check("./damaged").error().message == "./damaged: damaged, or not all of it is there");
    CHECK(check("./marked").error().message.starts_with("./marked: a byte order mark stands before its #!; try: sed"));
    CHECK(check("./relative").error().message == "./relative: \"./nosuch\", which its first line names, is missing");
    fs::create_symlink("nosuch", directory.path() / "dangling");
    write("closed.py", "import time\n", fs::perms::owner_read);
    CHECK(check("./nosuch").error().message == "./nosuch: no such file");
    CHECK(check("./dangling").error().message == "./dangling: a link that leads to no file");
    CHECK(check("./closed").error().message ==
          "./closed: not executable; try: chmod +x " + (directory.path() / "closed").native());
    CHECK(check("./closed.py").error().message == "./closed.py: not executable; try: python3 ./closed.py");
    CHECK(check("/").error().message == "/: is a directory");
    CHECK(check("nosuch").error().message.empty());  // the caller knows PATH
}

TEST_CASE("what the kernel has refused is told by its file, or by what its first line names") {
    tests::TemporaryDirectory directory;
    const auto write = [&](const char* name, std::string_view text) {
        std::ofstream(directory.path() / name) << text;
        fs::permissions(directory.path() / name, fs::perms::owner_all);
    };
    Elf64_Ehdr header{};
    std::ifstream own("/proc/self/exe", std::ios::binary);
    REQUIRE(own.read(reinterpret_cast<char*>(&header), sizeof header));
    header.e_machine = EM_S390;
    write("foreign", std::string_view(reinterpret_cast<const char*>(&header), sizeof header));
    write("windows.exe", std::string_view("MZ\0\0", 4));
    write("by-foreign", "#!./foreign\n");
    write("by-windows", "#!./windows.exe\n");
    const auto message = [&](const char* program) {
        const auto checked = check_program(program, "/usr/bin", directory.path(), true);
        CHECK((checked ? 0 : checked.error().os_error) == ENOEXEC);
        return checked ? std::string() : checked.error().message;
    };
    CHECK(message("./foreign") == "./foreign: built for another machine (s390x)");
    CHECK(message("./by-foreign") ==
          "./by-foreign: ./foreign, which its first line names, is built for another machine (s390x)");
    CHECK(message("./by-windows") ==
          "./by-windows: ./windows.exe, which its first line names, is no program that this "
          "machine can execute");
    // Whether the kernel has an interpreter for it is not known before.
    CHECK(check_program("./by-windows", "/usr/bin", directory.path()));
}

TEST_CASE("starts that came to nothing push no run out that had a program") {
    tests::TemporaryDirectory data;
    const auto leave = [&](std::uint32_t number, rundir::Phase phase, std::uint16_t major) {
        const auto paths = rundir::run_paths(data.path(), RunId{{1}, number});
        fs::create_directories(paths.root);
        REQUIRE(rundir::create_state(paths.state, base::current_boot_id()));
        const auto file = base::open_file(paths.state, O_RDWR);
        REQUIRE(file);
        rundir::StateWriter writer(file->get(), rundir::RunState{});
        writer.state().phase = phase;
        writer.state().major = major;
        REQUIRE(writer.commit() == 0);
    };
    const auto is_there = [&](std::uint32_t number) {
        return fs::exists(rundir::run_paths(data.path(), RunId{{1}, number}).root);
    };
    leave(1, rundir::Phase::exited, rundir::format_major + 1);
    leave(2, rundir::Phase::exited, rundir::format_major);
    leave(3, rundir::Phase::exited, rundir::format_major);
    leave(4, rundir::Phase::exec_failed, rundir::format_major);
    for (std::uint32_t number = 5; number < 9; ++number) leave(number, rundir::Phase::prepared, rundir::format_major);
    collect_garbage(data.path(), 2, 1 << 20, {});
    CHECK(is_there(1));  // of another version: not to be touched
    CHECK_FALSE(is_there(2));
    for (std::uint32_t number = 3; number < 9; ++number) CHECK(is_there(number));
}

TEST_CASE("what puts a removal on record is kept while nothing of its name is there, and is a leftover beside that") {
    tests::TemporaryDirectory data;
    const fs::path procs = data.path() / "procs";
    for (const char* name : {"p7", ".removed-p7", ".removed-p12", ".removed-p3", ".removed-00ff"})
        write(procs / name / "log" / "00000001.log", 1);
    const auto found = find_directories(data.path());
    REQUIRE(found);
    CHECK(found->processes == std::vector<ProcessId>{{7}});
    CHECK(found->removals == std::vector<ProcessId>{{3}, {12}});
    collect_garbage(data.path(), 5, 1000, {});
    std::set<std::string> left;
    for (const auto& each : fs::directory_iterator(procs)) left.insert(each.path().filename().native());
    CHECK(left == std::set<std::string>{"p7", ".removed-p3", ".removed-p12"});
    REQUIRE(begin_removal(data.path(), {7}));
    CHECK(!fs::exists(procs / "p7"));
}

TEST_CASE("a process whose directory is a link is removed with that link alone") {
    tests::TemporaryDirectory data;
    const fs::path root = rundir::process_paths(data.path(), {1}).root, mark = data.path() / "procs/.removed-p1";
    write(data.path() / "elsewhere/log/00000001.log", 10);
    fs::create_directories(root.parent_path());
    fs::create_directory_symlink(data.path() / "elsewhere", root);
    // The second goes on with what the first has begun.
    for (int times = 0; times < 2; ++times) {
        CHECK(begin_removal(data.path(), {1}));
        CHECK(!fs::is_symlink(root));
        CHECK(fs::is_symlink(mark));
    }
    end_removal(data.path(), {1});
    CHECK(!fs::is_symlink(mark));
    CHECK(fs::exists(data.path() / "elsewhere/log/00000001.log"));
}

TEST_CASE("a removal that cannot be made durable leaves what it found") {
    tests::TemporaryDirectory data;
    const fs::path root = rundir::process_paths(data.path(), {1}).root, mark = data.path() / "procs/.removed-p1";
    fs::create_directories(root.parent_path());
    SECTION("a process") { write(root / "log/00000001.log", 1); }
    SECTION("one without a directory") {}
    SECTION("one whose removal had begun") { write(mark / "log/00000001.log", 1); }
    const bool was_there = fs::exists(root), was_begun = fs::exists(mark);
    {
        // Renames and makes directories, but cannot open one to sync it.
        const NoDescriptors none;
        CHECK(!begin_removal(data.path(), {1}));
    }
    CHECK(fs::exists(root) == was_there);
    CHECK(fs::exists(mark) == was_begun);
    CHECK(fs::exists((was_there ? root : mark) / "log/00000001.log") == (was_there || was_begun));
}

TEST_CASE("output is given up from its beginning, whatever the clock said when it was written") {
    tests::TemporaryDirectory data;
    const auto web = rundir::process_paths(data.path(), {1});
    const auto other = rundir::process_paths(data.path(), {2});
    const auto hours_ago = [](int hours) { return fs::file_time_type::clock::now() - std::chrono::hours(hours); };
    // The clock of `web` was set back by ten hours after its first two segments.
    const int ages[] = {2, 1, 11, 10};
    for (int i = 0; i < 4; ++i) {
        const auto file = web.log / ("0000000" + std::to_string(i + 1) + ".log");
        write(file, 100);
        fs::last_write_time(file, hours_ago(ages[i]));
    }
    write(other.log / "00000001.log", 100);
    fs::last_write_time(other.log / "00000001.log", hours_ago(20));
    write(other.log / "00000002.log", 100);
    collect_garbage(data.path(), 5, 400, {});
    // The oldest of all that may go was the other's first; then web's, by number.
    CHECK(!fs::exists(other.log / "00000001.log"));
    CHECK(!fs::exists(web.log / "00000001.log"));
    CHECK(fs::exists(web.log / "00000002.log"));
    CHECK(fs::exists(web.log / "00000003.log"));
    collect_garbage(data.path(), 5, 0, {});
    // The newest of each stays.
    CHECK(fs::exists(web.log / "00000004.log"));
    CHECK(!fs::exists(web.log / "00000003.log"));
    CHECK(fs::exists(other.log / "00000002.log"));
}
