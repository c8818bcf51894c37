#include "common/base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "common/base/file_lock.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace persistproc;
namespace fs = std::filesystem;

TEST_CASE("a directory that no file system keeps on a disk needs no sync") { CHECK(base::sync_directory("/proc")); }

TEST_CASE("a private directory is made, tightened, or refused") {
    tests::TemporaryDirectory temporary;
    const fs::path made = temporary.path() / "a" / "b";
    REQUIRE(base::make_private_directory(made));
    struct stat info {};
    REQUIRE(::stat(made.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0700);
    ::chmod(made.c_str(), 0755);
    REQUIRE(base::make_private_directory(made));
    REQUIRE(::stat(made.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0700);

    const fs::path link = temporary.path() / "link";
    fs::create_directory_symlink(made, link);
    CHECK(base::make_private_directory(link).error().code == ErrorCode::denied);
    const fs::path file = temporary.path() / "file";
    REQUIRE(base::atomic_write(file, "x"));
    CHECK(base::make_private_directory(file).error().code == ErrorCode::denied);
}

TEST_CASE("an atomic write replaces all or nothing, and leaves no temporary file") {
    tests::TemporaryDirectory temporary;
    const fs::path file = temporary.path() / "file";
    REQUIRE(base::atomic_write(file, "one"));
    REQUIRE(base::atomic_write(file, "two"));
    CHECK(base::read_file(file).value() == "two");
    CHECK(base::read_file(file, 2).error().code == ErrorCode::invalid);
    CHECK(base::read_file(temporary.path() / "none").error().code == ErrorCode::not_found);
    CHECK(std::distance(fs::directory_iterator(temporary.path()), fs::directory_iterator()) == 1);
    CHECK(!base::atomic_write(temporary.path() / "none" / "file", "x"));
}

TEST_CASE("a file of ours that is a link is not followed, and it is said what it is") {
    tests::TemporaryDirectory temporary;
    const fs::path link = temporary.path() / "daemon.log";
    fs::create_symlink(temporary.path() / "elsewhere", link);
    const auto opened = base::open_own_file(link, O_WRONLY | O_CREAT | O_APPEND);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().message.starts_with(link.string() + " is a link"));
    CHECK_FALSE(fs::exists(temporary.path() / "elsewhere"));
    const auto entries = base::check_own_entries(temporary.path());
    REQUIRE_FALSE(entries);
    CHECK(entries.error().message == opened.error().message);
}

TEST_CASE("asking for a lock is in nobody's way") {
    tests::TemporaryDirectory temporary;
    const fs::path file = temporary.path() / "lock";
    REQUIRE(base::FileLock::take(file));
    std::atomic<bool> is_over = false;
    std::thread asks([&] {
        while (!is_over) (void)base::is_locked(file);
    });
    int refused = 0;
    for (int i = 0; i < 5000; ++i) {
        const auto lock = base::FileLock::try_take(file);
        if (!lock || !*lock) ++refused;
    }
    is_over = true;
    asks.join();
    CHECK(refused == 0);
}

TEST_CASE("a lock has one holder and vanishes with it") {
    tests::TemporaryDirectory temporary;
    const fs::path file = temporary.path() / "lock";
    CHECK(base::is_locked(file).error().code == ErrorCode::not_found);
    {
        auto lock = base::FileLock::try_take(file);
        REQUIRE((lock && *lock));
        CHECK(base::is_locked(file).value());
        auto second = base::FileLock::try_take(file);
        REQUIRE(second);
        CHECK(!*second);
        CHECK((::fcntl((*lock)->fd(), F_GETFD) & FD_CLOEXEC) != 0);
    }
    CHECK(!base::is_locked(file).value());
    CHECK(base::FileLock::take(file));
}

TEST_CASE("a directory is no safer than those above it") {
    tests::TemporaryDirectory directory;
    const auto above = directory.path() / "a b", data = above / "data";
    std::filesystem::create_directories(data);
    const auto said = [&](unsigned mode) {
        REQUIRE(::chmod(above.c_str(), mode) == 0);
        return base::open_parent_text(data);
    };
    CHECK(said(0755).empty());
    CHECK(said(01777).empty());
    CHECK(said(0777).find("others may write " + above.string() + " (mode 0777)") == 0);
    CHECK(said(0777).find("chmod go-w '" + above.string() + "'") != std::string::npos);
    if (::geteuid() != 0) return;
    REQUIRE(::chown(above.c_str(), 65534, 65534) == 0);
    CHECK(said(0755).find(above.string() + " belongs to another user (uid 65534)") == 0);
    REQUIRE(::chown(above.c_str(), 0, 65534) == 0);
    CHECK(said(0775).find("others may write") == 0);
    REQUIRE(::chown(above.c_str(), 0, ::getegid()) == 0);
    CHECK(said(0775).empty());
}
