#include "daemon/registry/registry.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "common/base/file.hpp"
#include "daemon/registry/database.hpp"
#include "daemon/registry/remembered.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace registry_test {

using namespace persistproc;
using registry::Registry;

namespace {

core::ProcessRecord record_of(std::uint32_t id) {
    core::ProcessRecord record;
    record.id = {id};
    record.definition.label = "label " + std::to_string(id);
    record.definition.command = {"printf", "a\nb", "", "\xff\x01 7:x"};
    record.definition.working_directory = "/srv";
    record.definition.restart = domain::RestartPolicy::on_failure;
    record.definition.grace_seconds = 2.5;
    record.definition.started_by = "test";
    record.wanted = core::Wanted::up;
    record.intent = core::Intent::restart;
    record.intent_run = 4;
    record.last_run = 4;
    record.restarts = 3;
    record.quick_failures = 8;
    record.gave_up = true;
    record.called_off_run = 3;
    record.called_off_by = "agent";
    record.created_at = base::from_ns(1'700'000'000'000'000'000);
    return record;
}

/// What `work` reports.
template <class Work>
std::string said_by(Work work) {
    tests::TemporaryDirectory directory;
    const auto file = directory.path() / "said";
    const base::UniqueFd before(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    {
        const auto said = base::open_file(file, O_WRONLY | O_CREAT);
        REQUIRE(said);
        ::dup2(said->get(), STDERR_FILENO);
    }
    work();
    ::dup2(before.get(), STDERR_FILENO);
    return base::read_file(file).value();
}

}  // namespace

TEST_CASE("definitions, wanted state, intents and outcomes come back as they were") {
    tests::TemporaryDirectory directory;
    {
        auto registry = Registry::open(directory.path());
        REQUIRE(registry);
        REQUIRE(registry->load());
        core::StoreChange change;
        change.processes.push_back(record_of(7));
        core::RunRecord run;
        run.id = {{7}, 4};
        run.pid = 4711;
        run.started_at = base::from_ns(5);
        change.runs.push_back(run);
        REQUIRE(registry->commit({change}));
        core::StoreChange end;
        core::RunRecord ended;
        ended.id = {{7}, 4};
        ended.outcome.emplace();
        ended.outcome->signal = 9;
        ended.outcome->reason = schema::Open<OutcomeReason>::from_word("evicted");  // a newer daemon's
        ended.outcome->ended_at = base::from_ns(6);
        end.runs.push_back(ended);
        REQUIRE(registry->commit({end}));
    }
    auto registry = Registry::open(directory.path());
    REQUIRE(registry);
    const auto snapshot = registry->load();
    REQUIRE(snapshot);
    REQUIRE(snapshot->processes.size() == 1);
    const auto& found = snapshot->processes.front();
    const auto expected = record_of(7);
    CHECK(found.id == expected.id);
    CHECK(found.definition.command == expected.definition.command);
    CHECK(found.definition.label == expected.definition.label);
    CHECK(found.definition.restart == expected.definition.restart);
    CHECK(found.definition.grace_seconds == expected.definition.grace_seconds);
    CHECK(found.wanted == core::Wanted::up);
    CHECK(found.intent == core::Intent::restart);
    CHECK(found.intent_run == 4);
    CHECK(found.quick_failures == 8);
    CHECK(found.gave_up);
    CHECK(found.called_off_run == 3);
    CHECK(found.called_off_by == "agent");
    CHECK(found.created_at == expected.created_at);
    CHECK(snapshot->next_process == 8);
    REQUIRE(snapshot->last_runs.size() == 1);
    CHECK(snapshot->last_runs.front().pid == 4711);
    REQUIRE(snapshot->last_runs.front().outcome);
    CHECK(snapshot->last_runs.front().outcome->signal == 9);
    CHECK(snapshot->last_runs.front().outcome->exit_code == std::nullopt);
    CHECK(snapshot->last_runs.front().outcome->reason.word() == "evicted");
}

TEST_CASE("an outcome never changes") {
    tests::TemporaryDirectory directory;
    auto registry = Registry::open(directory.path());
    REQUIRE(registry);
    for (const int code : {7, 0}) {
        core::StoreChange change;
        core::RunRecord run;
        run.id = {{1}, 1};
        run.outcome.emplace();
        run.outcome->exit_code = code;
        change.runs.push_back(run);
        REQUIRE(registry->commit({change}));
    }
    const auto snapshot = registry->load();
    REQUIRE(snapshot);
    CHECK(snapshot->last_runs.front().outcome->exit_code == 7);
}

TEST_CASE("a row whose number no process or run has is left alone, and hides no other") {
    tests::TemporaryDirectory directory;
    {
        auto registry = Registry::open(directory.path());
        REQUIRE(registry);
        core::StoreChange change;
        for (const std::uint32_t id : {1u, 2u}) {
            change.processes.push_back(record_of(id));
            change.runs.push_back({.id = RunId{{id}, 4}, .pid = 70 + id});
        }
        REQUIRE(registry->commit({change}));
    }
    constexpr const char* strays[] = {"processes VALUES (-3, '{}')",         "processes VALUES (0, '{}')",
                                      "processes VALUES (1000000000, '{}')", "processes VALUES (4294967298, '{}')",
                                      "runs VALUES (4294967298, 1, '{}')",   "runs VALUES (-3, 1, '{}')",
                                      "runs VALUES (2, 4294967300, '{}')",   "runs VALUES (2, -4, '{}')",
                                      "runs VALUES (1, 9.5, '{}')",          "runs VALUES (1, 'x', '{}')"};
    const auto file = directory.path() / "persistproc.db";
    const auto count_of = [&](const char* table) {
        auto database = registry::Database::open(file, std::chrono::seconds(1));
        REQUIRE(database);
        auto rows = database->prepare("SELECT count(*) FROM " + std::string(table));
        REQUIRE(rows);
        const auto row = rows->step();
        REQUIRE((row && *row));
        return rows->integer(0);
    };
    {
        auto database = registry::Database::open(file, std::chrono::seconds(1));
        REQUIRE(database);
        for (const char* each : strays) REQUIRE(database->execute((std::string("INSERT INTO ") + each).c_str()));
    }
    for (int opened = 0; opened < 2; ++opened) {
        auto registry = Registry::open(directory.path());
        REQUIRE(registry);
        const auto snapshot = registry->load();
        REQUIRE(snapshot);
        REQUIRE(snapshot->processes.size() == 2);
        REQUIRE(snapshot->last_runs.size() == 2);
        for (std::uint32_t i = 0; i < 2; ++i) {
            CHECK(snapshot->processes[i].id.number == i + 1);
            CHECK(snapshot->last_runs[i].id == RunId{{i + 1}, 4});
            CHECK(snapshot->last_runs[i].pid == 71 + i);
        }
        CHECK(snapshot->next_process == 3);
        // Trimming is of what is numbered as well.
        core::StoreChange change;
        change.runs.push_back({.id = RunId{{2}, 4}, .pid = 72});
        REQUIRE(registry->commit({change}));
    }
    CHECK(count_of("processes") == 6);
    CHECK(count_of("runs") == 8);
}

TEST_CASE("the last number of all is used once") {
    tests::TemporaryDirectory directory;
    for (int opened = 0; opened < 2; ++opened) {
        auto registry = Registry::open(directory.path());
        REQUIRE(registry);
        core::StoreChange change;
        change.processes.push_back(record_of(domain::last_number));
        REQUIRE(registry->commit({change}));
        const auto snapshot = registry->load();
        REQUIRE(snapshot);
        CHECK(snapshot->next_process == domain::last_number + 1);
        REQUIRE(registry->close());
    }
}

TEST_CASE("ids are not reused after a removal, and epochs only rise") {
    tests::TemporaryDirectory directory;
    std::uint64_t last_epoch = 0;
    for (int round = 0; round < 3; ++round) {
        auto registry = Registry::open(directory.path());
        REQUIRE(registry);
        const auto snapshot = registry->load();
        REQUIRE(snapshot);
        CHECK(snapshot->epoch > last_epoch);
        last_epoch = snapshot->epoch;
        CHECK(snapshot->processes.empty());
        const std::uint32_t id = snapshot->next_process;
        CHECK(id == static_cast<std::uint32_t>(round + 1));
        core::StoreChange change;
        change.processes.push_back(record_of(id));
        REQUIRE(registry->commit({change}));
        core::StoreChange removal;
        removal.removed.push_back({id});
        REQUIRE(registry->commit({removal}));
    }
}

TEST_CASE("after a power cut numbers go on behind all that may have been given") {
    tests::TemporaryDirectory directory;
    constexpr base::BootId boot{1}, later{2}, last{3};
    const auto next_of = [&](base::BootId in) {
        auto registry = Registry::open(directory.path(), in);
        REQUIRE(registry);
        return registry->load()->next_process;
    };
    const auto use = [&](Registry& registry, std::uint32_t number) {
        core::StoreChange change;
        change.processes.push_back(record_of(number));
        REQUIRE(registry.commit({change}));
        CHECK(registry.next_process() == number + 1);
        CHECK(registry.reserved_processes() > registry.next_process());
    };
    {
        auto registry = Registry::open(directory.path(), boot);
        REQUIRE(registry);
        CHECK(registry->reserved_processes() == 65);
        use(*registry, 7);
        CHECK(registry->reserved_processes() == 65);
        use(*registry, 40);
        CHECK(registry->reserved_processes() == 105);
    }
    CHECK(next_of(boot) == 41);  // its daemon was killed: nothing is gone
    CHECK(next_of(later) == 105);
    CHECK(next_of(later) == 105);
    {
        auto registry = Registry::open(directory.path(), later);
        REQUIRE(registry);
        use(*registry, 105);
        REQUIRE(registry->close());
    }
    CHECK(next_of(last) == 106);  // what is given back is not skipped
    {
        auto registry = Registry::open(directory.path(), last);
        REQUIRE(registry);
        CHECK(registry->reserved_processes() == 106 + 64);
        // Where numbers are used up faster than blocks become durable, these grow; a gap stays bearable.
        registry->reserve_more();
        use(*registry, 107);
        CHECK(registry->reserved_processes() == 108 + 128);
        for (int i = 0; i < 10; ++i) registry->reserve_more();
        use(*registry, 108);
        CHECK(registry->reserved_processes() == 109 + 1024);
    }
    CHECK(next_of(boot) == 109 + 1024);
}

TEST_CASE("whatever a power cut leaves of the newest commits, the database is whole") {
    tests::TemporaryDirectory directory;
    constexpr base::BootId boot{1}, later{2};
    constexpr std::uint32_t count = 4;
    const auto file = directory.path() / "persistproc.db";
    const auto wal = Registry::wal_path(directory.path());
    std::string main_bytes, wal_bytes;
    std::uintmax_t synced = 0;
    {
        auto registry = Registry::open(directory.path(), boot);
        REQUIRE(registry);
        REQUIRE(registry->settle());
        synced = std::filesystem::file_size(wal);
        for (std::uint32_t id = 1; id <= count; ++id) {
            core::StoreChange change;
            change.processes.push_back(record_of(id));
            REQUIRE(registry->commit({change}));
        }
        main_bytes = base::read_own_file(file).value();
        wal_bytes = base::read_own_file(wal).value();
    }
    const auto write = [](const std::filesystem::path& path, const std::string& bytes) {
        std::ofstream(path, std::ios::binary) << bytes;
    };
    std::size_t most = 0;
    for (std::uintmax_t size = synced; size <= wal_bytes.size(); size += 1300) {
        tests::TemporaryDirectory after;
        write(after.path() / file.filename(), main_bytes);
        std::string left = wal_bytes.substr(0, size);
        // Blocks come back in any order: behind a hole there may be more.
        const bool has_hole = size % 3 == 0;
        if (has_hole) left += std::string(700, '\0') + wal_bytes.substr(std::min(size + 700, wal_bytes.size()));
        write(Registry::wal_path(after.path()), left);
        auto registry = Registry::open(after.path(), later);
        REQUIRE(registry);
        CHECK(registry->recovered().empty());
        const auto snapshot = registry->load();
        REQUIRE(snapshot);
        CHECK(snapshot->next_process > count);
        for (std::size_t i = 0; i < snapshot->processes.size(); ++i) {
            CHECK(snapshot->processes[i].id.number == i + 1);
            CHECK(snapshot->processes[i].definition.command == record_of(1).definition.command);
        }
        // A hole in zeros is none.
        if (has_hole) continue;
        CHECK(snapshot->processes.size() >= most);
        most = std::max(most, snapshot->processes.size());
    }
    CHECK(most >= count - 1);
}

TEST_CASE("to make commits durable, and to take them into the database, gives up no lock") {
    tests::TemporaryDirectory directory;
    auto registry = Registry::open(directory.path());
    REQUIRE(registry);
    const auto commit = [&](std::uint32_t id) {
        core::StoreChange change;
        change.processes.push_back(record_of(id));
        REQUIRE(registry->commit({change}));
    };
    for (std::uint32_t id = 1; id <= 20; ++id) commit(id);
    const int before = registry->wal_pages();
    CHECK(before > 20);
    REQUIRE(registry->sync());
    REQUIRE(registry->checkpoint());
    CHECK(registry->wal_pages() < before / 2);
    commit(21);
    REQUIRE(registry->sync());
    CHECK(registry->load()->processes.size() == 21);
    // Asked as another program would be; to close it afterwards is what gives the locks up.
    const auto file = base::open_file(directory.path() / "persistproc.db", O_RDWR);
    REQUIRE(file);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    REQUIRE(::fcntl(file->get(), F_OFD_GETLK, &lock) == 0);
    CHECK(lock.l_type != F_UNLCK);
}

TEST_CASE("a damaged database is moved aside, whatever is wrong with it") {
    tests::TemporaryDirectory directory;
    const auto file = directory.path() / "persistproc.db";
    {
        auto registry = Registry::open(directory.path());
        REQUIRE(registry);
        core::StoreChange change;
        for (std::uint32_t id = 1; id < 200; ++id) change.processes.push_back(record_of(id));
        REQUIRE(registry->commit({change}));
    }
    SECTION("no database at all") { std::ofstream(file, std::ios::trunc) << std::string(8192, 'x'); }
    SECTION("pages overwritten") {
        std::fstream damaged(file, std::ios::in | std::ios::out | std::ios::binary);
        damaged.seekp(4096);
        damaged << std::string(16384, '\x5a');
    }
    auto registry = Registry::open(directory.path());
    REQUIRE(registry);
    CHECK(!registry->recovered().empty());
    const auto snapshot = registry->load();
    REQUIRE(snapshot);
    CHECK(snapshot->processes.empty());
    int aside = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
        if (entry.path().filename().string().find("damaged") != std::string::npos) ++aside;
    CHECK(aside >= 1);
}

TEST_CASE("a database that lacks a table or a column is moved aside") {
    const char* damage = GENERATE("DROP TABLE projects", "DROP TABLE audit", "DROP TABLE meta", "DROP TABLE runs",
                                  "DROP TABLE processes", "DROP TABLE projects; PRAGMA user_version = 5",
                                  "DROP TABLE runs; PRAGMA user_version = 1", "PRAGMA user_version = 1",
                                  "ALTER TABLE audit RENAME COLUMN actor TO who");
    INFO(damage);
    tests::TemporaryDirectory directory;
    { REQUIRE(Registry::open(directory.path())); }
    {
        auto database = registry::Database::open(directory.path() / "persistproc.db");
        REQUIRE(database);
        REQUIRE(database->execute(damage));
    }
    auto registry = Registry::open(directory.path());
    REQUIRE(registry);
    CHECK(registry->recovered().find("the database was damaged (database: no such ") == 0);
    core::StoreChange change;
    change.processes.push_back(record_of(1));
    change.audit.emplace_back().action = "start";
    CHECK(registry->commit({change}));
}

TEST_CASE("one that is damaged under its user takes no more, and another one is told what was known") {
    tests::TemporaryDirectory directory;
    const auto file = directory.path() / "persistproc.db";
    auto registry = Registry::open(directory.path());
    REQUIRE(registry);
    registry::Remembered remembered;
    core::StoreSnapshot before;
    before.processes.push_back(record_of(3));
    before.next_process = 9;
    remembered.take(before);
    core::StoreChange change;
    change.processes = {record_of(4), record_of(5)};
    core::RunRecord run;
    run.id = {{4}, 2};
    run.pid = 4711;
    change.runs.push_back(run);
    run.pid = 0;
    run.outcome.emplace().exit_code = 7;
    change.runs.push_back(run);
    change.removed.push_back({3});
    REQUIRE(registry->commit({change}));
    remembered.take(change);

    SECTION("overwritten") { std::fstream(file, std::ios::in | std::ios::out | std::ios::binary) << "not SQLite"; }
    SECTION("removed") { std::filesystem::remove(file); }
    SECTION("replaced") {
        std::filesystem::rename(file, directory.path() / "elsewhere");
        std::ofstream(file) << "x";
    }
    const auto refused = registry->commit({change});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::corrupt);
    auto anew = Registry::begin_anew(directory.path(), refused.error());
    REQUIRE(anew);
    CHECK(anew->recovered().find("the database was damaged") == 0);
    REQUIRE(anew->commit({remembered.all()}));
    const auto known = anew->load();
    REQUIRE(known);
    REQUIRE(known->processes.size() == 2);
    CHECK(known->processes[0].id == ProcessId{4});
    CHECK(known->next_process == 9);
    REQUIRE(known->last_runs.size() == 1);
    CHECK(known->last_runs[0].pid == 4711);
    CHECK(known->last_runs[0].outcome->exit_code == 7);
}

TEST_CASE("a damaged row of a run is written anew, and nothing else is given up") {
    tests::TemporaryDirectory directory;
    core::StoreChange change;
    change.processes.push_back(record_of(4));
    core::RunRecord run;
    run.id = {{4}, 2};
    run.pid = 4711;
    change.runs.push_back(run);
    {
        auto registry = Registry::open(directory.path());
        REQUIRE(registry);
        REQUIRE(registry->commit({change}));
    }
    {
        auto database = registry::Database::open(directory.path() / "persistproc.db");
        REQUIRE(database);
        REQUIRE(database->execute("UPDATE runs SET doc = '[]'"));
    }
    auto registry = Registry::open(directory.path());
    REQUIRE(registry);
    REQUIRE(registry->load());
    change.runs[0].outcome.emplace().exit_code = 7;
    REQUIRE(registry->commit({change}));
    const auto known = registry->load();
    REQUIRE(known);
    REQUIRE(known->last_runs.size() == 1);
    CHECK(known->last_runs[0].outcome->exit_code == 7);
    CHECK(known->processes.size() == 1);
}

TEST_CASE("a row that is nested too deeply is one that is damaged") {
    tests::TemporaryDirectory directory;
    core::StoreChange change;
    for (const std::uint32_t id : {1u, 2u}) change.processes.push_back(record_of(id));
    {
        auto registry = Registry::open(directory.path());
        REQUIRE(registry);
        REQUIRE(registry->commit({change}));
    }
    {
        auto database = registry::Database::open(directory.path() / "persistproc.db");
        REQUIRE(database);
        auto put = database->prepare("UPDATE processes SET doc = rtrim(doc, '}') || ? WHERE id = 1");
        REQUIRE(put);
        const std::string deep = R"(,"deep":)" + std::string(200'000, '[') + std::string(200'000, ']') + "}";
        REQUIRE(put->bind(1, std::string_view(deep)).run());
    }
    auto registry = Registry::open(directory.path());
    REQUIRE(registry);
    const auto known = registry->load();
    REQUIRE(known);
    REQUIRE(known->processes.size() == 1);
    CHECK(known->processes[0].id == ProcessId{2});
}

TEST_CASE("beside one that has it open, its version is looked at, and nothing of it changes") {
    tests::TemporaryDirectory directory;
    CHECK(Registry::check_version(directory.path()));
    auto registry = Registry::open(directory.path());
    REQUIRE(registry);
    core::StoreChange change;
    change.processes.push_back(record_of(7));
    REQUIRE(registry->commit({change}));
    REQUIRE(registry->checkpoint());
    CHECK(Registry::check_version(directory.path()));
    CHECK(std::filesystem::exists(Registry::wal_path(directory.path())));
    change.processes.front() = record_of(8);
    REQUIRE(registry->commit({change}));
    CHECK(registry->load()->processes.size() == 2);
}

TEST_CASE("each word that is not understood is told, and kept") {
    tests::TemporaryDirectory directory;
    core::StoreChange change;
    change.processes.push_back(record_of(7));
    change.runs.push_back({.id = RunId{{7}, 4}, .pid = 70, .outcome = Outcome{.exit_code = 0}});
    {
        auto registry = Registry::open(directory.path());
        REQUIRE(registry);
        REQUIRE(registry->commit({change}));
    }
    {
        auto database = registry::Database::open(directory.path() / "persistproc.db");
        REQUIRE(database);
        REQUIRE(
            database->execute("UPDATE processes SET doc = json_set(doc, '$.wanted', 'sideways', '$.intent', "
                              "'hibernate', '$.definition.restart', 'sometimes')"));
        REQUIRE(database->execute("UPDATE runs SET doc = json_set(doc, '$.outcome.reason', 5)"));
    }
    auto registry = Registry::open(directory.path());
    REQUIRE(registry);
    const std::string text = said_by([&] { REQUIRE(registry->load()); });
    for (const char* each : {R"(p7: wanted: "sideways")", R"(p7: intent: "hibernate")", R"(p7: restart: "sometimes")",
                             "p7.4: outcome.reason: 5"})
        CHECK(text.find(std::string(each) + " is not understood") != std::string::npos);
}

TEST_CASE("a database that is locked is waited for, and then said to be") {
    tests::TemporaryDirectory directory;
    const auto file = directory.path() / "persistproc.db";
    REQUIRE(Registry::open(directory.path()));
    auto holder = registry::Database::open(file);
    REQUIRE(holder);
    REQUIRE(holder->execute("BEGIN IMMEDIATE"));
    const auto refused = registry::Database::open(file);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::unavailable);
    CHECK(refused.error().message.find("locked") != std::string::npos);
}

TEST_CASE("history and audit are bounded") {
    tests::TemporaryDirectory directory;
    {
        auto registry = Registry::open(directory.path());
        REQUIRE(registry);
        core::StoreChange change;
        for (std::uint32_t number = 1; number <= registry::kept_runs + 3; ++number) {
            core::RunRecord run;
            run.id = RunId{{1}, number};
            change.runs.push_back(run);
        }
        for (int i = 0; i < registry::kept_audit + 3; ++i) {
            core::AuditEntry entry;
            entry.action = std::to_string(i);
            change.audit.push_back(entry);
        }
        REQUIRE(registry->commit({change}));
    }
    auto database = registry::Database::open(directory.path() / "persistproc.db");
    REQUIRE(database);
    const auto number = [&](const char* sql) {
        auto statement = database->prepare(sql);
        REQUIRE(statement);
        REQUIRE(statement->step().value());
        return statement->integer(0);
    };
    CHECK(number("SELECT count(*) FROM runs") == registry::kept_runs);
    CHECK(number("SELECT min(number) FROM runs") == 4);
    CHECK(number("SELECT count(*) FROM audit") == registry::kept_audit);
    CHECK(number("SELECT min(CAST(action AS INTEGER)) FROM audit") == 3);
}

TEST_CASE("what agents do leaves the person's audit, also after a failure and with another daemon") {
    tests::TemporaryDirectory directory;
    const auto entries = [](const std::string& actor, int count) {
        core::StoreChange out;
        for (int i = 0; i < count; ++i) {
            core::AuditEntry entry;
            entry.actor = actor;
            entry.action = std::to_string(i);
            out.audit.push_back(entry);
        }
        return out;
    };
    const auto count = [](Registry& registry, const std::string& actor) {
        core::AuditQuery query;
        query.most = registry::kept_audit;
        const auto all = registry.read_audit(query);
        REQUIRE(all);
        return std::count_if(all->begin(), all->end(), [&](const auto& each) { return each.actor == actor; });
    };
    constexpr int half = registry::kept_audit / 2;
    {
        auto registry = Registry::open(directory.path());
        REQUIRE(registry);
        REQUIRE(registry->commit({entries("persistproc 1", 10), entries("quiet 1", 20)}));
        REQUIRE(registry->commit({entries("loud 1", registry::kept_audit)}));
        CHECK(count(*registry, "persistproc 1") == 10);
        CHECK(count(*registry, "quiet 1") == 20);
        CHECK(count(*registry, "loud 1") == registry::kept_audit - 30);
    }
    auto registry = Registry::open(directory.path());
    REQUIRE(registry);
    REQUIRE(registry->commit({entries("persistproc 1", registry::kept_audit)}));
    CHECK(count(*registry, "persistproc 1") == half);
    CHECK(count(*registry, "quiet 1") == 20);
    CHECK(count(*registry, "loud 1") == half - 20);
}

TEST_CASE("where nothing can be written the database is read, whether it was closed or not") {
    const bool was_closed = GENERATE(false, true);
    tests::TemporaryDirectory directory;
    const Error lack{ErrorCode::io, "disk full", ENOSPC};
    std::uint64_t epoch = 0;
    {
        auto registry = Registry::open(directory.path());
        REQUIRE(registry);
        epoch = registry->load()->epoch;
        core::StoreChange change;
        change.processes.push_back(record_of(7));
        change.audit.push_back({.actor = "test", .action = "start", .process = "p7", .detail = ""});
        REQUIRE(registry->commit({change}));
        if (!was_closed) {
            // As a death leaves it.
            tests::TemporaryDirectory copy;
            std::filesystem::copy(directory.path(), copy.path(), std::filesystem::copy_options::recursive);
            auto left = Registry::open_to_read(copy.path(), lack);
            REQUIRE(left);
            CHECK(left->load()->processes.size() == 1);
            CHECK(std::filesystem::exists(Registry::wal_path(copy.path())));
        }
    }
    const auto names = [&] {
        std::vector<std::string> out;
        for (const auto& each : std::filesystem::directory_iterator(directory.path()))
            out.push_back(each.path().filename());
        std::sort(out.begin(), out.end());
        return out;
    };
    const auto before = names();
    for (int i = 0; i < 2; ++i) {
        auto registry = Registry::open_to_read(directory.path(), lack);
        REQUIRE(registry);
        const auto snapshot = registry->load();
        REQUIRE(snapshot);
        CHECK(snapshot->processes.size() == 1);
        CHECK(snapshot->next_process == 8);
        CHECK(snapshot->epoch > epoch);
        CHECK(registry->read_audit({})->size() == 1);
        CHECK(names() == before);
    }
}

TEST_CASE("where there is no database and nothing can be written, run directories alone are served") {
    tests::TemporaryDirectory directory;
    std::filesystem::create_directory(directory.path() / "procs");
    const Error lack{ErrorCode::io, "disk full", ENOSPC};
    CHECK(Registry::open_to_read(directory.path(), lack).error().message == "disk full");
    std::filesystem::create_directory(directory.path() / "procs" / "p1");
    auto registry = Registry::open_to_read(directory.path(), lack);
    REQUIRE(registry);
    CHECK(registry->load()->processes.empty());
}

TEST_CASE("what waits for room is the newest of each") {
    registry::Unwritten unwritten;
    CHECK(unwritten.is_empty());
    core::ProcessRecord first = record_of(1), newer = record_of(1);
    newer.last_run = 5;
    core::RunRecord begun{.id = {{1}, 4}, .pid = 7}, over{.id = {{1}, 4}};
    over.outcome.emplace().exit_code = 3;
    core::RunRecord of_other{.id = {{2}, 1}};
    unwritten.take({.processes = {first, record_of(2)}, .runs = {begun, of_other}});
    unwritten.take({.processes = {newer}, .runs = {over}, .removed = {{2}}, .audit = {{.action = "stop"}}});
    const auto all = unwritten.all();
    REQUIRE(all.processes.size() == 1);
    CHECK(all.processes[0].last_run == 5);
    REQUIRE(all.runs.size() == 1);
    CHECK(all.runs[0].pid == 7);
    CHECK(all.runs[0].outcome->exit_code == 3);
    CHECK(all.removed == std::vector<ProcessId>{{2}});
    CHECK(all.audit.size() == 1);
}

}  // namespace registry_test
