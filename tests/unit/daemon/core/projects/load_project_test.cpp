#include "daemon/core/projects/load_project.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <limits>
#include <utility>

#include "tests/support/directory_tree.hpp"

namespace load_project_test {

using namespace persistproc;
using namespace core::projects;
using tests::DirectoryTree;

namespace {

const char* const shop = R"(
env_file = ".env"
[process.web]
run = "node server.js -p ${web.port}"
port = "3000+"
env = { COLOUR = "${env.COLOUR}", ROOT = "${project.root}" }
)";

/// With one project.
struct Machine {
    DirectoryTree tree;
    PortBook book;
    std::set<int> listening;
    std::vector<std::string> environment = {"HOME=" + tree.path(), "COLOUR=blue"};

    Machine() {
        tree.make_repository("shop");
        tree.write("shop/persistproc.toml", shop);
        tree.write("shop/.env", "TOKEN=abc\n");
    }

    Result<LoadedPtr> try_load(const std::string& directory) const {
        const Surroundings surroundings{environment, "secret", [this] { return listening; }};
        return load_project({tree.path(directory), {}, {}}, book, surroundings);
    }
    LoadedPtr load(const std::string& directory) const {
        auto loaded = try_load(directory);
        REQUIRE(loaded);
        for (const auto& each : (*loaded)->loaded.problems) UNSCOPED_INFO((*loaded)->loaded.text(each));
        REQUIRE((*loaded)->is_good());
        return *loaded;
    }
    std::string consent(const std::string& directory) const { return load(directory)->consent; }
    /// What the book has for it once it was started.
    LoadedPtr load_and_book(const std::string& directory) {
        auto out = load(directory);
        book.set(out->file, out->ports);
        return out;
    }
};

}  // namespace

TEST_CASE("a project is what its files say at their place") {
    const Machine machine;
    const auto loaded = machine.load("shop");
    CHECK(loaded->file == machine.tree.path("shop/persistproc.toml"));
    CHECK(loaded->project().name == "shop");
    const auto& web = loaded->project().processes.front();
    CHECK(web.definition.command == std::vector<std::string>{"node", "server.js", "-p", "3000"});
    CHECK(web.environment.at("COLOUR") == "blue");
    CHECK(web.environment.at("TOKEN") == "abc");
    CHECK(loaded->digests.contains("web"));
}

TEST_CASE("nothing is read further for somebody who has gone") {
    const Machine machine;
    int asked = 0;
    Surroundings surroundings{machine.environment, "secret", [] { return std::set<int>(); }};
    // Before anything is read; between two files.
    const int until = GENERATE(0, 1);
    surroundings.end = [&]() -> std::optional<Error> {
        return asked++ < until ? std::nullopt : std::optional(Error{ErrorCode::unavailable, "gone"});
    };
    const auto loaded = load_project({machine.tree.path("shop"), {}, {}}, machine.book, surroundings);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == ErrorCode::unavailable);
}

TEST_CASE("a load is asked before each of its steps whether it goes on") {
    const Machine machine;
    constexpr int processes = 40, patterns = 4;
    std::string text =
        "env_file = '.env'\n[groups]\nsome = ['q0', 'q1', 'q2', 'q3', 'q4', 'q5', 'q6', 'q7', 'q8', 'q9']\n";
    for (int i = 0; i < processes; ++i) {
        text += fmt::format("[process.q{}]\nrun = 'x'\nready = [", i);
        for (int each = 0; each < patterns; ++each) text += fmt::format("{{ log = 'line {} of {}' }},", each, i);
        text += "]\n";
    }
    machine.tree.write("shop/persistproc.toml", text);
    Surroundings surroundings{machine.environment, "secret", [] { return std::set<int>(); }};
    const auto load = [&] { return load_project({machine.tree.path("shop"), {}, {}}, machine.book, surroundings); };
    int asked = 0;
    surroundings.end = [&]() -> std::optional<Error> {
        ++asked;
        return std::nullopt;
    };
    REQUIRE(load().value()->is_good());
    const int in_all = asked;
    CHECK(in_all > 3 * processes * (patterns + 3));
    for (int until = 0; until < in_all; until += 7) {
        asked = 0;
        surroundings.end = [&]() -> std::optional<Error> {
            return ++asked > until ? std::optional(Error{ErrorCode::limit, "it takes too long"}) : std::nullopt;
        };
        const auto loaded = load();
        REQUIRE_FALSE(loaded);
        CHECK(loaded.error().code == ErrorCode::limit);
        CHECK(asked == until + 1);
    }
}

TEST_CASE("a load is asked within one text whether it goes on") {
    const Machine machine;
    constexpr int expansions = 100;
    const auto repeated = [](std::string_view text) {
        std::string out;
        for (int i = 0; i < expansions; ++i) out += text;
        return out;
    };
    const bool is_file = GENERATE(true, false);
    if (is_file) machine.tree.write("shop/.env", "ALL=" + repeated("${COLOUR}"));
    machine.tree.write("shop/persistproc.toml",
                       "env_file = { path = '.env', expand = true }\n[process.web]\nrun = 'x'\n" +
                           (is_file ? "" : "env = { ALL = '" + repeated("${env.COLOUR}") + "' }\n"));
    int asked = 0, until = std::numeric_limits<int>::max();
    Surroundings surroundings{machine.environment, "secret", [] { return std::set<int>(); }};
    surroundings.end = [&]() -> std::optional<Error> {
        return ++asked > until ? std::optional(Error{ErrorCode::limit, "too long"}) : std::nullopt;
    };
    const auto load = [&] { return load_project({machine.tree.path("shop"), {}, {}}, machine.book, surroundings); };
    REQUIRE(load().value()->is_good());
    CHECK(asked > expansions);
    until = std::exchange(asked, 0) / 2;
    const auto loaded = load();
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == ErrorCode::limit);
    CHECK(asked == until + 1);
}

TEST_CASE("a load is asked before each directory that it follows links of, once") {
    const Machine machine;
    constexpr int processes = 40;
    const auto questions = [&](auto directory_of) {
        std::string text;
        for (int i = 0; i < processes; ++i)
            text += fmt::format("[process.q{}]\nrun = 'x'\ncwd = '{}'\n", i, directory_of(i));
        machine.tree.write("shop/persistproc.toml", text);
        int asked = 0;
        Surroundings surroundings{machine.environment, "secret", [] { return std::set<int>(); }};
        surroundings.end = [&asked]() -> std::optional<Error> {
            ++asked;
            return std::nullopt;
        };
        REQUIRE(load_project({machine.tree.path("shop"), {}, {}}, machine.book, surroundings).value()->is_good());
        return asked;
    };
    const auto own = [](int i) { return fmt::format("d{}", i); };
    const auto same = [](int) { return std::string("d0"); };
    CHECK(questions(own) - questions(same) == processes - 1);
}

TEST_CASE("what is consented to is every byte at its path") {
    const Machine machine;
    const std::string before = machine.consent("shop");
    CHECK(machine.consent("shop") == before);

    machine.tree.make_repository("copy");
    machine.tree.write("copy/persistproc.toml", shop);
    machine.tree.write("copy/.env", "TOKEN=abc\n");
    CHECK(machine.consent("copy") != before);

    machine.tree.write("shop/.env", "TOKEN=abd\n");
    CHECK(machine.consent("shop") != before);
    machine.tree.write("shop/.env", "TOKEN=abc\n");
    CHECK(machine.consent("shop") == before);

    machine.tree.write("shop/persistproc.local.toml", "[process.web]\nrun = 'node server.js'\n");
    CHECK(machine.consent("shop") != before);
}

TEST_CASE("neither what else is inherited nor the number of a port is consented to") {
    Machine machine;
    const std::string before = machine.consent("shop");
    machine.environment.push_back("SIZE=large");
    machine.listening = {3000};
    CHECK(machine.load("shop")->project().processes.front().environment.at("PORT") == "3001");
    CHECK(machine.consent("shop") == before);
}

TEST_CASE("values of variables that the files name are consented to") {
    Machine machine;
    machine.tree.write("fix/persistproc.toml", shop);
    machine.tree.write("fix/.env", "TOKEN=abc\n");
    machine.tree.link_worktree("shop", "fix");
    const std::string before = machine.consent("shop");
    machine.environment.back() = "COLOUR=green";
    const std::string other = machine.consent("shop");
    CHECK(other != before);
    CHECK(machine.load("fix")->main_copy->consent == other);
    machine.environment.back() = "COLOUR=blue";
    CHECK(machine.consent("shop") == before);
}

TEST_CASE("what a person consents to is consented to with the daemon's values, too") {
    Machine machine;
    const std::string of_agent = machine.consent("shop");
    const std::vector<std::string> terminal = {"HOME=" + machine.tree.path(), "COLOUR=green"};
    const auto load = [&] {
        const Surroundings surroundings{machine.environment, "secret", [] { return std::set<int>(); }};
        return load_project({machine.tree.path("shop"), {}, terminal}, machine.book, surroundings).value();
    };
    const auto of_person = load();
    CHECK(of_person->consent != of_agent);
    CHECK(of_person->inherited_consent == of_agent);
    const core::Consent consent{
        .digest = of_person->consent, .inherited_digest = of_agent, .at = {}, .by = {}, .unknown = {}};
    CHECK(consent.is_to(of_agent));
    CHECK(consent.is_to(of_person->consent));
    machine.environment.back() = "COLOUR=red";
    CHECK_FALSE(consent.is_to(machine.consent("shop")));
    // Where the daemon does not have it, it comes to nothing.
    machine.environment.pop_back();
    CHECK(load()->inherited_consent.empty());
    CHECK_FALSE(consent.is_to(""));
}

TEST_CASE("where links lead the directory of a process is consented to") {
    const Machine machine;
    machine.tree.write("shop/persistproc.toml", "[process.web]\nrun = 'x'\ncwd = 'app/web'\n");
    machine.tree.write("fix/persistproc.toml", "[process.web]\nrun = 'x'\ncwd = 'app/web'\n");
    machine.tree.write("shop/one/web/x", "");
    machine.tree.write("shop/app/web/x", "");
    machine.tree.write("fix/one/web/x", "");
    machine.tree.link_worktree("shop", "fix");
    const std::string without = machine.consent("shop");
    const auto lead = [&](const std::string& copy, const std::string& to) {
        std::filesystem::remove_all(machine.tree.path(copy + "/app"));
        std::filesystem::create_symlink(to, machine.tree.path(copy + "/app"));
    };
    lead("shop", "one");
    const std::string one = machine.consent("shop");
    CHECK(one != without);
    lead("shop", machine.tree.path("shop/one"));
    CHECK(machine.consent("shop") == one);
    lead("fix", "one");
    CHECK(machine.load("fix")->main_copy->consent == one);
    for (const char* other : {"two", "/", "app"}) {
        lead("shop", other);
        CHECK(machine.consent("shop") != one);
        lead("fix", other);
        CHECK(machine.load("fix")->main_copy->consent != one);
    }
}

TEST_CASE("a port that one insists on is not another's of the same project") {
    Machine machine;
    machine.tree.write("shop/persistproc.toml", "[process.a]\nrun = 'x'\nport = '3000+'\n");
    CHECK(machine.load_and_book("shop")->ports.front().number == 3000);
    machine.tree.write("shop/persistproc.toml",
                       "[process.a]\nrun = 'x'\nport = '3000+'\n[process.b]\nrun = 'y'\nport = 3000\n");
    const auto project = machine.load_and_book("shop")->project();
    CHECK(project.find("b")->port_numbers.at("") == 3000);
    CHECK(project.find("a")->port_numbers.at("") == 3001);
}

TEST_CASE("a linked worktree with the same bytes is what its main working copy is") {
    const Machine machine;
    machine.tree.write("fix/persistproc.toml", shop);
    machine.tree.write("fix/.env", "TOKEN=abc\n");
    machine.tree.link_worktree("shop", "fix");
    const auto main = machine.load("shop"), fix = machine.load("fix");
    CHECK(fix->project().name == "shop@fix");
    CHECK_FALSE(main->main_copy);
    REQUIRE(fix->main_copy);
    CHECK(fix->main_copy->file == main->file);
    CHECK(fix->main_copy->consent == main->consent);
    CHECK(fix->consent != main->consent);

    machine.tree.write("fix/.env", "TOKEN=abd\n");
    CHECK(machine.load("fix")->main_copy->consent != main->consent);
    machine.tree.write("shop/.git/worktrees/fix/gitdir", machine.tree.path("other/.git") + "\n");
    CHECK_FALSE(machine.load("fix")->main_copy);
}

TEST_CASE("what a link leads to outside of the repository is not read") {
    const Machine machine;
    machine.tree.write("elsewhere/secrets", "TOKEN=abc\n");
    std::filesystem::remove(machine.tree.path("shop/.env"));
    std::filesystem::create_symlink(machine.tree.path("elsewhere/secrets"), machine.tree.path("shop/.env"));
    const auto loaded = machine.try_load("shop");
    REQUIRE(loaded);
    REQUIRE((*loaded)->loaded.problems.size() == 1);
    CHECK((*loaded)->loaded.text((*loaded)->loaded.problems.front()).find("leads out of the repository") !=
          std::string::npos);

    // What a worktree shares with its main working copy is read.
    machine.tree.write("fix/persistproc.toml", shop);
    machine.tree.link_worktree("shop", "fix");
    std::filesystem::remove(machine.tree.path("shop/.env"));
    machine.tree.write("shop/.env", "TOKEN=abc\n");
    std::filesystem::create_symlink(machine.tree.path("shop/.env"), machine.tree.path("fix/.env"));
    CHECK(machine.load("fix")->project().processes.front().environment.at("TOKEN") == "abc");
}

TEST_CASE("an environment is known by how it is written, too, whatever variables have") {
    Machine machine;
    const auto digests = [&] { return machine.load("shop")->digests.at("web"); };
    const auto before = digests();
    const std::string as_written(project::written_key), colour = project::written_key_of("COLOUR");
    CHECK(before.contains(colour));
    CHECK_FALSE(before.contains(project::written_key_of("ROOT")));

    machine.environment.back() = "COLOUR=green";
    CHECK(digests().at("env") != before.at("env"));
    CHECK(digests().at(as_written) == before.at(as_written));
    machine.listening = {3000};
    CHECK(digests().at(as_written) != before.at(as_written));  // its PORT is no variable's value
    machine.listening.clear();
    machine.tree.write("shop/.env", "TOKEN=abd\n");
    CHECK(digests().at(as_written) != before.at(as_written));
    CHECK(digests().at(colour) == before.at(colour));
    machine.tree.write("shop/persistproc.toml",
                       "[process.web]\nrun = 'x'\nenv = { COLOUR = '${env.COLOUR:-red}' }\nport = '3000+'\n");
    CHECK(digests().at(colour) != before.at(colour));
}

TEST_CASE("a file of variables that everybody may write is not read") {
    const Machine machine;
    REQUIRE(::chmod(machine.tree.path("shop/.env").c_str(), 0666) == 0);
    const auto loaded = machine.try_load("shop");
    REQUIRE(loaded);
    REQUIRE((*loaded)->loaded.problems.size() == 1);
    CHECK((*loaded)->loaded.text((*loaded)->loaded.problems.front()).find("may be written by everybody") !=
          std::string::npos);
}

TEST_CASE("a Procfile's ports follow PORT of who brings it up with an environment, and stay for all others") {
    Machine machine;
    machine.tree.make_repository("old");
    machine.tree.write("old/Procfile", "web: node server.js\nworker: node work.js\n");
    machine.environment.emplace_back("PORT=9000");  // the daemon's own
    const auto load = [&](std::optional<std::vector<std::string>> environment, bool brings_up = true) {
        const Surroundings surroundings{machine.environment, "secret", [] { return std::set<int>{}; }};
        ProjectQuery query{machine.tree.path("old"), {}, std::move(environment)};
        query.brings_up = brings_up;
        auto loaded = load_project(query, machine.book, surroundings);
        REQUIRE(loaded);
        REQUIRE((*loaded)->is_good());
        machine.book.set((*loaded)->file, (*loaded)->ports);
        machine.book.set_base_port((*loaded)->file, (*loaded)->base_port);
        return *loaded;
    };
    const auto numbers = [](const LoadedPtr& loaded) {
        std::vector<int> out;
        for (const auto& each : loaded->ports) out.push_back(each.number);
        return out;
    };
    using Numbers = std::vector<int>;
    const auto first = load(std::nullopt);
    CHECK(numbers(first) == Numbers{5000, 5100});
    const auto typed = load({{"PORT=3000"}});
    CHECK(numbers(typed) == Numbers{3000, 3100});
    CHECK(typed->consent == first->consent);
    // An agent's load, and another terminal.
    const auto agents = load(std::nullopt);
    CHECK(numbers(agents) == Numbers{3000, 3100});
    CHECK(agents->digests == typed->digests);
    CHECK(numbers(load({{"PORT=none"}})) == Numbers{3000, 3100});
    CHECK(numbers(load({{"PORT=4000"}})) == Numbers{4000, 4100});
    // Who looks from within `worker`.
    CHECK(numbers(load({{"PORT=4100"}}, false)) == Numbers{4000, 4100});
    machine.tree.write("old/.env", "PORT=7000\n");
    CHECK(numbers(load({{"PORT=4000"}})) == Numbers{7000, 7100});

    // Included, it is no other.
    std::filesystem::remove(machine.tree.path("old/.env"));
    machine.tree.write("old/persistproc.toml", "include = ['Procfile']\n");
    CHECK(numbers(load({{"PORT=3000"}})) == Numbers{3000, 3100});
    CHECK(numbers(load({{"PORT=3100"}}, false)) == Numbers{3000, 3100});
    CHECK(numbers(load(std::nullopt)) == Numbers{3000, 3100});
}

TEST_CASE("a process that has another name takes the number over") {
    Machine machine;
    CHECK(machine.load_and_book("shop")->ports.front().number == 3000);
    machine.tree.write("shop/persistproc.toml", "[process.front]\nrun = 'node server.js'\nport = '3000+'\n");
    const auto renamed = machine.load_and_book("shop");
    REQUIRE(renamed->ports.size() == 1);
    CHECK(renamed->ports.front().process == "front");
    CHECK(renamed->ports.front().number == 3000);
}

TEST_CASE("a number that was free when its worktree was there is free again without it") {
    Machine machine;
    machine.tree.make_repository("other");
    machine.tree.write("other/persistproc.toml", "[process.web]\nrun = 'x'\nport = '3000+'\n");
    CHECK(machine.load_and_book("shop")->ports.front().number == 3000);
    CHECK(machine.load("other")->ports.front().number == 3001);
    std::filesystem::remove_all(machine.tree.path("shop"));
    const auto loaded = machine.load("other");
    CHECK(loaded->ports.front().number == 3000);
    CHECK(loaded->gone == std::set{machine.tree.path("shop/persistproc.toml")});
}

TEST_CASE("a project whose file is wrong has problems, no consent and no digests") {
    const Machine machine;
    machine.tree.write("shop/persistproc.toml", "[process.web]\nrun = 'x'\ntrust = true\n");
    const auto loaded = machine.try_load("shop");
    REQUIRE(loaded);
    CHECK_FALSE((*loaded)->is_good());
    CHECK((*loaded)->consent.empty());
    CHECK((*loaded)->digests.empty());
    REQUIRE((*loaded)->loaded.problems.size() == 1);
    CHECK((*loaded)->loaded.text((*loaded)->loaded.problems.front()).find("persistproc.toml:3:1: process.web.trust") !=
          std::string::npos);
}

}  // namespace load_project_test
