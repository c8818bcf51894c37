#include "daemon/registry/migrations.hpp"

#include <nlohmann/json.hpp>

#include "common/base/file.hpp"
#include "common/schema/document.hpp"
#include "daemon/registry/registry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace migrations_test {

using namespace persistproc;
using nlohmann::json;
using registry::Database;
using registry::Registry;

namespace {

/// A data directory whose database is what `name` of the frozen ones says.
class Frozen {
public:
    explicit Frozen(const char* name) {
        const auto sql = base::read_file(std::filesystem::path(PERSISTPROC_TEST_DATA) / "store" / name);
        REQUIRE(sql);
        auto database = open();
        REQUIRE(database.execute(sql->c_str()));
    }

    const std::filesystem::path& path() const { return directory_.path(); }
    Database open() const {
        auto database = Database::open(path() / "persistproc.db");
        REQUIRE(database);
        return std::move(*database);
    }
    /// The first column of the first row.
    std::string text(const char* sql) const {
        auto database = open();
        auto statement = database.prepare(sql);
        REQUIRE(statement);
        REQUIRE(statement->step().value());
        return statement->text(0);
    }
    std::int64_t number(const char* sql) const { return std::stoll(text(sql)); }

private:
    tests::TemporaryDirectory directory_;
};

core::StoreSnapshot loaded(const Frozen& frozen) {
    auto registry = Registry::open(frozen.path());
    REQUIRE(registry);
    CHECK(registry->recovered().empty());
    auto snapshot = registry->load();
    REQUIRE(snapshot);
    return std::move(*snapshot);
}

}  // namespace

TEST_CASE("a database of schema 1 is migrated, and nothing of it is lost") {
    const Frozen frozen("v1.sql");
    for (int round = 0; round < 2; ++round) {
        const auto snapshot = loaded(frozen);
        CHECK(snapshot.next_process == 12);
        CHECK(snapshot.epoch > 1699999999);
        REQUIRE(snapshot.processes.size() == 4);
        const auto& web = snapshot.processes[0];
        CHECK(web.id == ProcessId{3});
        CHECK(web.definition.label == "web");
        CHECK(web.definition.label_given);
        CHECK(web.definition.command == std::vector<std::string>{"node", "a\nb", "", "\xff\x01:7x"});
        CHECK(web.definition.working_directory == "/srv/web");
        CHECK(web.definition.stop_signal == 2);
        CHECK(web.definition.grace_seconds == 2.5);
        CHECK(web.definition.restart == domain::RestartPolicy::on_failure);
        CHECK(web.definition.started_by == "claude-code");
        CHECK(web.wanted == core::Wanted::up);
        CHECK(web.intent == core::Intent::restart);
        CHECK(web.intent_run == 2);
        CHECK(web.last_run == 2);
        CHECK(web.restarts == 1);
        CHECK(base::to_ns(web.created_at) == 1700000000123456789);
        CHECK_FALSE(web.gave_up);
        const auto& watch = snapshot.processes[1];
        CHECK(watch.definition.shell);
        CHECK_FALSE(watch.definition.label_given);
        CHECK(watch.definition.command == std::vector<std::string>{"make watch || true"});
        CHECK(watch.wanted == core::Wanted::down);
        CHECK(snapshot.processes[2].definition.restart == domain::RestartPolicy::always);

        REQUIRE(snapshot.last_runs.size() == 3);
        const auto& running = snapshot.last_runs[0];
        CHECK(running.id == RunId{{3}, 2});
        CHECK(running.pid == 4712);
        CHECK(running.started_at == base::from_ns(1700000009100000000));
        CHECK_FALSE(running.outcome);
        REQUIRE(snapshot.last_runs[1].outcome);
        CHECK(snapshot.last_runs[1].outcome->exit_code == 0);
        CHECK(snapshot.last_runs[1].outcome->reason == OutcomeReason::stopped);
        CHECK(snapshot.last_runs[1].outcome->ended_at == base::from_ns(1700000000000000003));
        const auto& failed = snapshot.last_runs[2];
        CHECK_FALSE(failed.started_at);
        REQUIRE(failed.outcome);
        REQUIRE(failed.outcome->causes.size() == 1);
        CHECK(failed.outcome->causes[0].code == CauseCode::start_failed);
        CHECK(failed.outcome->causes[0].stage == "execve");
        CHECK(failed.outcome->causes[0].os_error == 2);
    }
    // Runs that are not the newest, and the audit.
    const auto first = json::parse(frozen.text("SELECT doc FROM runs WHERE process = 3 AND number = 1"));
    CHECK(first["outcome"]["signal"] == 9);
    CHECK(first["outcome"]["reason"] == "oom");
    CHECK(frozen.number("SELECT count(*) FROM audit") == 2);
    CHECK(frozen.number("PRAGMA user_version") == registry::schema_version);
}

TEST_CASE("what stood in prose becomes causes") {
    const Frozen frozen("v2.sql");
    for (int round = 0; round < 2; ++round) {
        const auto snapshot = loaded(frozen);
        REQUIRE(snapshot.last_runs.size() == 4);
        const auto text = [&](std::size_t run) { return domain::causes_text(snapshot.last_runs[run].outcome->causes); };
        CHECK(text(0) == "No such file or directory");
        CHECK(text(1) == "it ended with the machine");
        CHECK(text(2) == "its run directory is damaged: state: no whole slot");
        CHECK(text(3).empty());
        CHECK(snapshot.last_runs[3].outcome->exit_code == 3);
    }
    CHECK(frozen.number("PRAGMA user_version") == registry::schema_version);
    CHECK(json::parse(frozen.text("SELECT doc FROM runs WHERE process = 2"))["peak"] == 7);
}

TEST_CASE("projects are remembered beside what was there before them") {
    const Frozen frozen("v3.sql");
    {
        auto registry = Registry::open(frozen.path());
        REQUIRE(registry);
        CHECK(registry->recovered().empty());
        CHECK(registry->load().value().projects.empty());
        core::StoreChange change;
        auto& shop = change.projects.emplace_back();
        shop.file = "/srv/shop/persistproc.toml";
        shop.ports.push_back({.process = "web", .name = {}, .wish = "3000+", .number = 3001, .unknown = {}});
        REQUIRE(registry->commit({change}));
    }
    const auto snapshot = loaded(frozen);
    REQUIRE(snapshot.processes.size() == 1);
    CHECK(snapshot.processes.front().definition.label == "d");
    REQUIRE(snapshot.last_runs.size() == 1);
    CHECK(snapshot.last_runs.front().outcome->exit_code == 3);
    REQUIRE(snapshot.projects.size() == 1);
    CHECK(snapshot.projects.front().file == "/srv/shop/persistproc.toml");
    CHECK(snapshot.projects.front().ports.front().number == 3001);
    CHECK(frozen.number("PRAGMA user_version") == registry::schema_version);
}

TEST_CASE("a migration that fails changes nothing") {
    const Frozen frozen("v1.sql");
    {
        auto database = frozen.open();
        REQUIRE(database.execute("DROP TABLE runs"));
        const auto refused = registry::migrate(database);
        REQUIRE_FALSE(refused);
    }
    CHECK(frozen.number("PRAGMA user_version") == 1);
    CHECK(frozen.number("SELECT count(*) FROM processes WHERE label IS NOT NULL") == 4);
}

TEST_CASE("one that died while its tables were made has new ones") {
    tests::TemporaryDirectory directory;
    {
        auto database = Database::open(directory.path() / "persistproc.db");
        REQUIRE(database);
        REQUIRE(database->execute("CREATE TABLE processes (id INTEGER PRIMARY KEY, label TEXT NOT NULL)"));
    }
    auto registry = Registry::open(directory.path());
    REQUIRE(registry);
    REQUIRE(registry->load());
    core::StoreChange change;
    change.processes.emplace_back().id = {1};
    CHECK(registry->commit({change}));
}

TEST_CASE("a newer database opens, and keeps what this program does not know of") {
    const Frozen frozen("newer.sql");
    const json before = json::parse(frozen.text("SELECT doc FROM processes"));
    {
        auto registry = Registry::open(frozen.path());
        REQUIRE(registry);
        auto snapshot = registry->load();
        REQUIRE(snapshot);
        REQUIRE(snapshot->processes.size() == 1);
        auto& web = snapshot->processes.front();
        CHECK(web.definition.label == "web");
        CHECK(web.definition.restart == domain::RestartPolicy::never);
        CHECK(web.definition.grace_seconds == 10);
        CHECK(web.wanted == core::Wanted::up);
        REQUIRE(snapshot->last_runs.size() == 1);
        CHECK(snapshot->last_runs.front().outcome->exit_code == 1);
        REQUIRE(snapshot->projects.size() == 1);

        core::StoreChange change;
        change.projects = snapshot->projects;
        change.projects.front().consent =
            core::Consent{.digest = "d", .inherited_digest = "e", .at = {}, .by = "you", .unknown = {}};
        web.restarts = 2;
        web.last_run = 3;
        change.processes.push_back(web);
        core::RunRecord again;  // what is said of a run that is known already
        again.id = {{1}, 2};
        again.pid = 11;
        change.runs.push_back(again);
        again.id = {{1}, 3};
        change.runs.push_back(again);
        change.audit.emplace_back().action = "start";
        REQUIRE(registry->commit({change}));
    }
    json expected = before;
    expected["restarts"] = 2;
    expected["last_run"] = 3;
    json found = json::parse(frozen.text("SELECT doc FROM processes"));
    // What this program added is its own.
    CHECK(found["quick_failures"] == 0);
    CHECK(found["gave_up"] == false);
    found.erase("quick_failures");
    found.erase("gave_up");
    CHECK(found["is_without_directory"] == false);
    found.erase("is_without_directory");
    CHECK(found == expected);
    CHECK(frozen.number("SELECT project FROM processes") == 8);
    const json run = json::parse(frozen.text("SELECT doc FROM runs WHERE number = 2"));
    CHECK(run["peak_memory_bytes"] == 1048576);
    CHECK(run["outcome"]["reason"] == "throttled");
    CHECK(run["outcome"]["causes"][0]["value"] == 3.5);
    CHECK(frozen.text("SELECT weight FROM runs WHERE number = 2") == "0.25");
    CHECK(frozen.text("SELECT doc FROM plans") == R"({"name":"shop"})");
    const json shop = json::parse(frozen.text("SELECT doc FROM projects"));
    CHECK(shop["colour"] == "blue");
    CHECK(shop["ports"][0]["family"] == 6);
    CHECK(shop["consent"]["digest"] == "d");
    CHECK(frozen.number("PRAGMA user_version") == 7);
}

TEST_CASE("what was not understood gives way to what is decided here") {
    const Frozen frozen("newer.sql");
    {
        auto registry = Registry::open(frozen.path());
        REQUIRE(registry);
        auto web = registry->load().value().processes.front();
        web.definition.restart = domain::RestartPolicy::always;
        web.definition.grace_seconds = 3;
        web.wanted = core::Wanted::down;
        core::StoreChange change;
        change.processes.push_back(web);
        REQUIRE(registry->commit({change}));
    }
    const json found = json::parse(frozen.text("SELECT doc FROM processes"));
    CHECK(found["definition"]["restart"] == "always");
    CHECK(found["definition"]["grace_seconds"] == 3);
    CHECK(found["definition"]["readiness"]["port"] == 3000);
    CHECK(found["wanted"] == "down");
}

TEST_CASE("what was not understood gives way to a default that is asked for") {
    const Frozen frozen("newer.sql");
    {
        auto database = frozen.open();
        REQUIRE(
            database.execute("UPDATE processes SET doc = json_set(doc, '$.wanted', 'at_night', '$.intent', 'ponder')"));
    }
    core::ProcessRecord web;
    core::StoreChange change;
    {
        auto registry = Registry::open(frozen.path());
        REQUIRE(registry);
        web = registry->load().value().processes.front();
        // A word that nobody here knows must end no program.
        CHECK(web.wanted == core::Wanted::up);
        CHECK(web.intent == core::Intent::none);
        change.processes.push_back(web);
        REQUIRE(registry->commit({change}));
    }
    const json kept = json::parse(frozen.text("SELECT doc FROM processes"));
    CHECK(kept["wanted"] == "at_night");
    CHECK(kept["intent"] == "ponder");
    {
        auto registry = Registry::open(frozen.path());
        REQUIRE(registry);
        web.definition.restart = domain::RestartPolicy::never;
        schema::forget_unread(web.definition);
        web.intend(core::Wanted::up, core::Intent::none);
        change.processes = {web};
        REQUIRE(registry->commit({change}));
    }
    const json found = json::parse(frozen.text("SELECT doc FROM processes"));
    CHECK(found["definition"]["restart"] == "never");
    CHECK(found["definition"]["grace_seconds"].is_number());
    CHECK(found["definition"]["readiness"]["port"] == 3000);
    CHECK(found["wanted"] == "up");
    CHECK(found["intent"] == "none");
}

TEST_CASE("a number that nobody can use has its default, and is kept") {
    const Frozen frozen("newer.sql");
    {
        auto database = frozen.open();
        REQUIRE(
            database.execute("UPDATE processes SET doc = json_set(doc, '$.definition.stop_signal', 99, "
                             "'$.definition.grace_seconds', 1e300, '$.definition.restart_limit', -1)"));
    }
    core::StoreChange change;
    {
        auto registry = Registry::open(frozen.path());
        REQUIRE(registry);
        const auto web = registry->load().value().processes.front();
        CHECK(web.definition.stop_signal == 15);
        CHECK(web.definition.grace_seconds == 10);
        CHECK_FALSE(web.definition.restart_limit);
        change.processes.push_back(web);
        REQUIRE(registry->commit({change}));
    }
    const json kept = json::parse(frozen.text("SELECT doc FROM processes"))["definition"];
    CHECK(kept["stop_signal"] == 99);
    CHECK(kept["grace_seconds"] == 1e300);
    CHECK(kept["restart_limit"] == -1);
}

TEST_CASE("only a database that says so is for newer programs alone") {
    const Frozen frozen("newer.sql");
    {
        auto database = frozen.open();
        REQUIRE(database.execute("UPDATE meta SET value = 7 WHERE name = 'readable_from'"));
    }
    const auto refused = Registry::open(frozen.path());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::unsupported);
    CHECK(refused.error().message.find("newer program") != std::string::npos);
    CHECK(std::filesystem::exists(frozen.path() / "persistproc.db"));
}

TEST_CASE("a damaged document costs nothing but itself") {
    const Frozen frozen("newer.sql");
    {
        auto database = frozen.open();
        REQUIRE(database.execute("INSERT INTO processes (id, doc) SELECT id + 1, doc FROM processes"));
        REQUIRE(database.execute("UPDATE processes SET doc = substr(doc, 1, 40) WHERE id = 1"));
        REQUIRE(database.execute("UPDATE runs SET doc = '[1]' WHERE process = 1"));
    }
    auto registry = Registry::open(frozen.path());
    REQUIRE(registry);
    const auto snapshot = registry->load();
    REQUIRE(snapshot);
    REQUIRE(snapshot->processes.size() == 1);
    CHECK(snapshot->processes.front().id.number == 2);
    CHECK(snapshot->last_runs.empty());
    CHECK(registry->recovered().empty());
}

}  // namespace migrations_test
