#include "common/project/digest.hpp"

#include "tests/unit/common/project/world.hpp"

namespace persistproc::project {

namespace {

constexpr const char* before = "[process.a]\nrun = 'npm start'\nport = 3000\nenv = {A = '1'}\nenv_file = '.env'\n";

World world() {
    World out = world_of(before);
    out.files["/shop/.env"] = "B=1\n";
    return out;
}
Digests digests(World& of) { return digests_of(of.good().processes[0], "secret"); }

/// What an edit of the file changes.
Changes changed(const std::string& text) {
    World old = world(), now = world();
    now.files["/shop/persistproc.toml"] = text;
    return compare(digests(old), digests(now));
}

const std::string usual = before;

}  // namespace

TEST_CASE("given an edit, when definitions are compared, then it is told what restarts and what holds at once") {
    CHECK(changed(usual) == Changes{});
    CHECK(changed("# another file, the same project\n" + usual) == Changes{});
    CHECK(changed(usual + "ready = 3000\n") == Changes{});  // as it was without saying so
    CHECK(changed(usual + "cwd = 'api'\n") == Changes{{"cwd"}, {}});
    CHECK(changed(usual + "ready = '/x'\nhealth = '/x'\n") == Changes{{}, {"ready", "health"}});
    CHECK(changed(usual + "restart = 'always'\nwatch = ['*']\ngrace = 3\nautostart = false\n") ==
          Changes{{}, {"grace", "restart", "watch", "autostart"}});
    CHECK(changed("[process.a]\nrun = ['npm', 'start']\nport = 3000\nenv = {A = '1'}\nenv_file = '.env'\n") ==
          Changes{});
    CHECK(changed("[process.a]\nrun = 'npm start;'\nport = 3000\nenv = {A = '1'}\nenv_file = '.env'\n") ==
          Changes{{"run"}, {}});
    CHECK(changed("[process.a]\nrun = 'npm start'\nport = 3001\nenv = {A = '1'}\nenv_file = '.env'\n") ==
          Changes{{"env", "port"}, {"ready"}});
    CHECK(changed("env = {A = '1'}\n[process.a]\nrun = 'npm start'\nport = 3000\nenv_file = '.env'\n") == Changes{});
}

TEST_CASE("given one byte of an environment file, when definitions are compared, then that process restarts") {
    World old = world(), now = world();
    now.files["/shop/.env"] = "B=2\n";
    CHECK(compare(digests(old), digests(now)) == Changes{{"env"}, {}});
    CHECK(consent_digest(old.load(), "k") != consent_digest(now.load(), "k"));
    now.files["/shop/.env"] = "B=1\n# B\n";
    CHECK(compare(digests(old), digests(now)) == Changes{});
    CHECK(consent_digest(old.load(), "k") != consent_digest(now.load(), "k"));
}

TEST_CASE("given another terminal, when definitions are compared, then nothing has changed") {
    World old = world(), now = world();
    now.variables["PATH"] = "/elsewhere";
    CHECK(digests(old) == digests(now));
    CHECK(consent_digest(old.load(), "k") == consent_digest(now.load(), "k"));
}

TEST_CASE("given the same bytes at another path, or a local file, when consent is looked for, then it is another") {
    World here = world(), there = world();
    there.files["/else/persistproc.toml"] = here.files["/shop/persistproc.toml"];
    there.files["/else/.env"] = here.files["/shop/.env"];
    CHECK(consent_digest(here.load(), "k") != consent_digest(there.load("/else/persistproc.toml"), "k"));
    World local = world();
    local.files["/shop/persistproc.local.toml"] = "[process.a]\nrun = 'evil'\n";
    CHECK(consent_digest(here.load(), "k") != consent_digest(local.load(), "k"));
    CHECK(consent_digest(here.load(), "k") != consent_digest(here.load(), "other"));
}

TEST_CASE("given a digest, when it is looked at, then no value is to be found in it") {
    World of = world();
    of.files["/shop/.env"] = "B=s3cret\n";
    for (const auto& [key, digest] : digests(of)) {
        CHECK(digest.size() == 64);
        CHECK(digest.find_first_not_of("0123456789abcdef") == std::string::npos);
    }
}

TEST_CASE("given digests of another version, when definitions are compared, then only what both know counts") {
    World of = world();
    Digests old = digests(of);
    old.erase("watch");
    old["spin"] = "1";
    CHECK(compare(old, digests(of)) == Changes{});
}

}  // namespace persistproc::project
