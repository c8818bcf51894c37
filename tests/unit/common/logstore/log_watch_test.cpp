#include "common/logstore/log_watch.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "common/base/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/written_log.hpp"

using namespace persistproc;
using namespace persistproc::logstore;
using tests::WrittenLog;
namespace fs = std::filesystem;
using Watches = std::vector<int>;

namespace {

/// More notifications than the kernel keeps for one instance. They alternate: it joins equal ones.
void flood(const fs::path& directory) {
    const auto limit = base::read_file("/proc/sys/fs/inotify/max_queued_events").value();
    std::vector<base::UniqueFd> files;
    for (const char* name : {"flood1", "flood2"})
        files.push_back(base::open_file(directory / name, O_WRONLY | O_CREAT).value());
    for (int i = 0; i < std::stoi(limit) + 10; ++i)
        REQUIRE(::pwrite(files[static_cast<std::size_t>(i % 2)].get(), "x", 1, 0) == 1);
}

}  // namespace

TEST_CASE("many logs are watched as one, and each is told of alone") {
    tests::TemporaryDirectory folder;
    WrittenLog a(folder.path() / "a"), b(folder.path() / "b");
    auto opened = LogWatches::open();
    REQUIRE(opened.has_value());
    LogWatches watches = std::move(*opened);
    const auto first = watches.add(a.path()), second = watches.add(b.path());
    REQUIRE((first.has_value() && second.has_value()));
    CHECK(watches.add(a.path()).value() == *first);
    CHECK(watches.take().changed.empty());
    a.out("one\n");
    a.out("two\n");
    CHECK(watches.take().changed == Watches{*first});
    b.out("one\n");
    a.out("three\n");
    CHECK(watches.take().changed == Watches{*first, *second});
    watches.remove(*first);
    watches.take();
    a.out("four\n");
    const auto changes = watches.take();
    CHECK(changes.changed.empty());
    CHECK_FALSE(changes.overflowed);
    CHECK(!watches.add(folder.path() / "none").has_value());
}

TEST_CASE("a watch says when its directory is gone") {
    tests::TemporaryDirectory directory;
    const fs::path path = directory.path() / "log";
    fs::create_directory(path);
    auto one = LogWatch::open(path);
    auto many = LogWatches::open();
    REQUIRE(one);
    REQUIRE(many);
    const int watch = many->add(path).value();
    CHECK(one->drain());
    CHECK(many->take().gone.empty());
    fs::remove(path);
    CHECK_FALSE(one->drain());
    CHECK(many->take().gone == Watches{watch});
}

TEST_CASE("what the kernel dropped concerns everybody") {
    tests::TemporaryDirectory folder;
    WrittenLog quiet(folder.path() / "quiet");
    fs::create_directory(folder.path() / "loud");
    auto watches = LogWatches::open();
    REQUIRE(watches);
    const int loud = watches->add(folder.path() / "loud").value();
    watches->add(quiet.path()).value();
    flood(folder.path() / "loud");
    quiet.out("nobody hears of this\n");
    auto changes = watches->take();
    CHECK(changes.overflowed);
    CHECK(changes.changed == Watches{loud});
    quiet.out("but of this\n");
    changes = watches->take();
    CHECK_FALSE(changes.overflowed);
    CHECK(changes.changed.size() == 1);
}

TEST_CASE("a watch that missed the end of its directory looks for itself") {
    tests::TemporaryDirectory folder;
    const fs::path path = folder.path() / "log";
    fs::create_directory(path);
    auto watch = LogWatch::open(path);
    REQUIRE(watch);
    CHECK(watch->patience_ms() == -1);
    flood(path);
    fs::rename(path, folder.path() / "elsewhere");
    fs::create_directory(path);
    CHECK_FALSE(watch->drain());
    CHECK(watch->patience_ms() > 0);
}

TEST_CASE("the stamp of a log changes with everything that is recorded") {
    tests::TemporaryDirectory folder;
    const fs::path path = folder.path() / "log";
    CHECK(find_log_stamp(path) == LogStamp{});
    WrittenLog log(path);
    log.out("one\n");
    auto before = find_log_stamp(path);
    CHECK(before.segment == 1);
    CHECK(find_log_stamp(path) == before);
    log.out("two\n");
    CHECK(find_log_stamp(path) != before);
    before = find_log_stamp(path);
    log.begin_segment();
    log.out("three\n");
    CHECK(find_log_stamp(path) != before);
}
