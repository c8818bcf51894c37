#include "cli/agents/config_file.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <utility>

#include "common/base/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

/// What happens during the next fsync.
static std::function<void()> during_sync;
extern "C" int fsync(int fd) {
    if (const auto happen = std::exchange(during_sync, {})) happen();
    return static_cast<int>(::syscall(SYS_fsync, fd));
}

using namespace persistproc;
using namespace persistproc::cli::agents;
namespace fs = std::filesystem;

namespace {

std::string path_of(const char* agent, ops::AgentScope scope, const Folders& folders) {
    const auto path = config_path(*ops::find_agent(agent), scope, folders);
    return path ? path->native() : "none";
}

mode_t mode_of(const fs::path& path) {
    struct stat facts {};
    REQUIRE(::stat(path.c_str(), &facts) == 0);
    return facts.st_mode & 07777u;
}

void write(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }

}  // namespace

TEST_CASE("files of the agents") {
    Folders folders;
    folders.home = "/h";
    folders.project = "/p";
    using enum ops::AgentScope;
    CHECK(path_of("claude-code", user, folders) == "/h/.claude.json");
    CHECK(path_of("claude-code", project, folders) == "/p/.mcp.json");
    CHECK(path_of("cursor", user, folders) == "/h/.cursor/mcp.json");
    CHECK(path_of("cursor", project, folders) == "/p/.cursor/mcp.json");
    CHECK(path_of("vscode", user, folders) == "/h/.config/Code/User/mcp.json");
    CHECK(path_of("vscode", project, folders) == "/p/.vscode/mcp.json");
    CHECK(path_of("codex", user, folders) == "/h/.codex/config.toml");
    CHECK(path_of("codex", project, folders) == "/p/.codex/config.toml");
    CHECK(path_of("gemini", user, folders) == "/h/.gemini/settings.json");
    CHECK(path_of("gemini", project, folders) == "/p/.gemini/settings.json");
    CHECK(path_of("zed", user, folders) == "/h/.config/zed/settings.json");
    CHECK(path_of("zed", project, folders) == "/p/.zed/settings.json");
    CHECK(path_of("windsurf", user, folders) == "/h/.codeium/windsurf/mcp_config.json");
    CHECK(path_of("windsurf", project, folders) == "none");

    folders.variables = {{"CODEX_HOME", "/c"}, {"XDG_CONFIG_HOME", "/x"}, {"CLAUDE_CONFIG_DIR", "/d"}};
    CHECK(path_of("codex", user, folders) == "/c/config.toml");
    CHECK(path_of("codex", project, folders) == "/p/.codex/config.toml");
    CHECK(path_of("zed", user, folders) == "/x/zed/settings.json");
    CHECK(path_of("vscode", user, folders) == "/x/Code/User/mcp.json");
    CHECK(path_of("claude-code", user, folders) == "/d/.claude.json");
    CHECK(path_of("cursor", user, folders) == "/h/.cursor/mcp.json");
    folders.variables = {{"CODEX_HOME", "relative"}, {"XDG_CONFIG_HOME", ""}};
    CHECK(path_of("codex", user, folders) == "/h/.codex/config.toml");
    CHECK(path_of("zed", user, folders) == "/h/.config/zed/settings.json");
}

TEST_CASE("a file is replaced with its mode kept and its link left a link") {
    tests::TemporaryDirectory directory;
    const fs::path real = directory.path() / "real.json", link = directory.path() / "link.json";
    write(real, "old");
    ::chmod(real.c_str(), 0664);
    fs::create_symlink("real.json", link);
    auto file = load_config(link);
    REQUIRE(file);
    CHECK(file->text == "old");
    const auto stored = store_config(*file, "new", file->mode);
    REQUIRE(stored);
    CHECK(*stored);
    CHECK(fs::is_symlink(link));
    CHECK(*base::read_file(real) == "new");
    CHECK(mode_of(real) == 0664);
    CHECK(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()) == 2);
}

TEST_CASE("a new file gets its folders and its mode, also behind a dangling link") {
    tests::TemporaryDirectory directory;
    for (const mode_t mode : {mode_t{0600}, mode_t{0644}}) {
        const fs::path path = directory.path() / std::to_string(mode) / "a" / "b.json";
        auto file = load_config(path);
        REQUIRE(file);
        CHECK_FALSE(file->exists);
        REQUIRE(store_config(*file, "new", mode));
        CHECK(*base::read_file(path) == "new");
        CHECK(mode_of(path) == mode);
    }
    const fs::path link = directory.path() / "link";
    fs::create_symlink("dotfiles/x.json", link);
    auto file = load_config(link);
    REQUIRE(file);
    REQUIRE(store_config(*file, "new", 0600));
    CHECK(fs::is_symlink(link));
    CHECK(*base::read_file(directory.path() / "dotfiles/x.json") == "new");
}

TEST_CASE("a file that somebody changed since is not overwritten") {
    tests::TemporaryDirectory directory;
    const fs::path path = directory.path() / "x.json";
    auto absent = load_config(path);
    REQUIRE(absent);
    write(path, "theirs");
    CHECK_FALSE(*store_config(*absent, "ours", 0600));
    auto file = load_config(path);
    REQUIRE(file);
    write(path, "theirs, longer");
    CHECK_FALSE(*store_config(*file, "ours", 0600));
    CHECK(*base::read_file(path) == "theirs, longer");
    fs::remove(path);
    CHECK_FALSE(*store_config(*file, "ours", 0600));
    CHECK_FALSE(fs::exists(path));
}

TEST_CASE("a file that somebody changes while the new one is being written is not overwritten") {
    tests::TemporaryDirectory directory;
    const fs::path path = directory.path() / "x.json";
    for (const char* before : {"", "old"}) {
        if (*before != 0) write(path, before);
        auto file = load_config(path);
        REQUIRE(file);
        during_sync = [&] { write(path, "theirs, just now"); };
        const auto stored = store_config(*file, "ours", 0600);
        REQUIRE(stored);
        CHECK_FALSE(*stored);
        CHECK(*base::read_file(path) == "theirs, just now");
        const fs::directory_iterator entries(directory.path());
        CHECK(std::distance(begin(entries), end(entries)) == 1);
        fs::remove(path);
    }
}

TEST_CASE("what is no file is refused") {
    tests::TemporaryDirectory directory;
    const fs::path pipe = directory.path() / "pipe", loop = directory.path() / "loop";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    fs::create_symlink("loop", loop);
    CHECK_FALSE(load_config(pipe));
    CHECK_FALSE(load_config(loop));
    CHECK_FALSE(load_config(directory.path()));
}
