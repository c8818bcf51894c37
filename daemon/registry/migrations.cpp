#include "daemon/registry/migrations.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include "common/schema/json.hpp"
#include "daemon/registry/documents.hpp"

namespace persistproc::registry {

namespace {

// Version 1 made its tables one by one and counted itself before it wrote into any: one that died on the way left empty
// ones.
constexpr const char* create_tables = R"(
DROP TABLE IF EXISTS meta; DROP TABLE IF EXISTS processes; DROP TABLE IF EXISTS runs; DROP TABLE IF EXISTS audit;
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE audit (
  at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, process TEXT NOT NULL, detail TEXT NOT NULL);
)";

constexpr const char* create_documents = R"(
CREATE TABLE processes (id INTEGER PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE runs (process INTEGER NOT NULL, number INTEGER NOT NULL, doc TEXT NOT NULL,
  PRIMARY KEY (process, number)) WITHOUT ROWID;
)";

constexpr const char* create_projects =
    "CREATE TABLE IF NOT EXISTS projects (file TEXT PRIMARY KEY, doc TEXT NOT NULL) WITHOUT ROWID";

/// Runs `sql`, and `each(row)` for every row of its answer.
template <class Each>
Result<void> for_each_row(Database& database, const char* sql, Each each) {
    auto rows = database.prepare(sql);
    if (!rows) return rows.error();
    for (;;) {
        const auto row = rows->step();
        if (!row) return row.error();
        if (!*row) return boost::system::in_place_value;
        if (Result<void> done = each(*rows); !done) return done;
    }
}

Result<std::int64_t> number_from(Database& database, const char* sql) {
    std::int64_t number = 0;
    auto read = for_each_row(database, sql, [&](Statement& row) -> Result<void> {
        number = row.integer(0);
        return boost::system::in_place_value;
    });
    if (!read) return read.error();
    return number;
}

/// Version 1 kept a command as "<length>:<bytes>" for each word.
std::vector<std::string> command_from(std::string_view text) {
    std::vector<std::string> out;
    while (!text.empty()) {
        const std::size_t colon = text.find(':');
        if (colon == std::string_view::npos) break;
        const std::size_t size = std::strtoull(std::string(text.substr(0, colon)).c_str(), nullptr, 10);
        text.remove_prefix(colon + 1);
        if (size > text.size()) break;
        out.emplace_back(text.substr(0, size));
        text.remove_prefix(size);
    }
    return out;
}

template <class E>
E enum_from(const std::string& name, E otherwise) {
    for (const auto& [value, text] : schema::EnumNames<E>::names)
        if (text == name) return value;
    return otherwise;
}

core::ProcessRecord process_of_version_1(const Statement& row) {
    core::ProcessRecord record;
    Definition& d = record.definition;
    d.label = row.text(1);
    d.label_given = row.integer(2) != 0;
    d.command = command_from(row.text(3));
    d.shell = row.integer(4) != 0;
    d.working_directory = row.text(5);
    d.stop_signal = static_cast<int>(row.integer(6));
    d.grace_seconds = row.real(7);
    d.restart = enum_from(row.text(8), domain::RestartPolicy::never);
    d.started_by = row.text(9);
    record.wanted = row.integer(10) != 0 ? core::Wanted::up : core::Wanted::down;
    record.intent = static_cast<core::Intent>(row.integer(11));
    record.intent_run = static_cast<std::uint32_t>(row.integer(12));
    record.last_run = static_cast<std::uint32_t>(row.integer(13));
    record.restarts = row.integer(14);
    record.created_at = base::from_ns(row.integer(15));
    return record;
}

/// Versions 1 and 2 kept in prose why an outcome is lost: these sentences, whatever the causes are called today.
constexpr std::pair<std::string_view, CauseCode> old_sentences[] = {
    {"its shim was killed before it could record an outcome", CauseCode::shim_killed},
    {"its shim was killed, and nobody was left to see how it ended", CauseCode::end_unseen},
    {"the machine was restarted", CauseCode::machine_restarted}};
constexpr std::string_view old_damage = "its run directory is damaged: ";

std::optional<Cause> cause_from(const std::string& prose) {
    for (const auto& [sentence, code] : old_sentences)
        if (prose == sentence) return Cause{.code = code};
    if (!prose.starts_with(old_damage)) return std::nullopt;
    return Cause{.code = CauseCode::run_damaged, .text = prose.substr(old_damage.size())};
}

core::RunRecord run_of_version_1(const Statement& row) {
    core::RunRecord run;
    run.pid = row.integer(2);
    if (!row.is_null(3)) run.started_at = base::from_ns(row.integer(3));
    if (row.is_null(7)) return run;
    Outcome& outcome = run.outcome.emplace();
    outcome.ended_at = base::from_ns(row.integer(4));
    if (!row.is_null(5)) outcome.exit_code = static_cast<int>(row.integer(5));
    if (!row.is_null(6)) outcome.signal = static_cast<int>(row.integer(6));
    outcome.reason = enum_from(row.text(7), OutcomeReason::lost);
    if (!row.is_null(8))
        outcome.causes.push_back(
            Cause{.code = CauseCode::start_failed, .stage = row.text(8), .os_error = static_cast<int>(row.integer(9))});
    if (auto cause = cause_from(row.text(10))) outcome.causes.push_back(std::move(*cause));
    return run;
}

Result<void> to_documents(Database& database) {
    for (const char* sql : {"ALTER TABLE processes RENAME TO old_processes", "ALTER TABLE runs RENAME TO old_runs",
                            "DROP TABLE IF EXISTS dead_sessions"}) {
        auto statement = database.prepare(sql);
        if (!statement) return statement.error();
        if (auto done = statement->run(); !done) return done;
    }
    if (auto made = database.execute(create_documents); !made) return made;
    auto put_process = database.prepare("INSERT INTO processes (id, doc) VALUES (?, ?)");
    if (!put_process) return put_process.error();
    auto put_run = database.prepare("INSERT INTO runs (process, number, doc) VALUES (?, ?, ?)");
    if (!put_run) return put_run.error();
    auto done = for_each_row(
        database,
        "SELECT id, label, label_given, command, shell, working_directory, stop_signal, "
        "grace_seconds, restart, started_by, wanted, intent, intent_run, last_run, restarts, "
        "created_at FROM old_processes",
        [&](const Statement& row) {
            return put_process->bind(1, row.integer(0)).bind(2, schema::to_document(process_of_version_1(row))).run();
        });
    if (!done) return done;
    done = for_each_row(database,
                        "SELECT process, number, pid, started_at, ended_at, exit_code, signal, reason, stage, "
                        "os_error, detail FROM old_runs",
                        [&](const Statement& row) {
                            return put_run->bind(1, row.integer(0))
                                .bind(2, row.integer(1))
                                .bind(3, schema::to_document(run_of_version_1(row)))
                                .run();
                        });
    if (!done) return done;
    return database.execute("DROP TABLE old_processes; DROP TABLE old_runs");
}

/// The document of a run, its outcome as of version 3. No value: it has none, or one that is no object.
std::optional<std::string> with_causes(const std::string& text) {
    schema::Json doc = schema::parse_json(text);
    const bool has_outcome = doc.is_object() && doc.contains("outcome") && doc["outcome"].is_object();
    if (!has_outcome) return std::nullopt;
    schema::Json& outcome = doc["outcome"];
    schema::Json causes = schema::Json::array();
    const auto failure = outcome.find("failure");
    if (failure != outcome.end() && failure->is_object()) {
        schema::Json cause = *failure;
        cause["code"] = "start_failed";
        causes.push_back(std::move(cause));
    }
    const auto detail = outcome.find("detail");
    if (detail != outcome.end() && detail->is_string())
        if (const auto cause = cause_from(detail->get_ref<const std::string&>())) {
            schema::Json one = schema::Json::object();
            one["code"] = std::string(cause->code.word());
            if (cause->text) one["text"] = *cause->text;
            causes.push_back(std::move(one));
        }
    outcome.erase("failure");
    outcome.erase("detail");
    if (!causes.empty()) outcome["causes"] = std::move(causes);
    return doc.dump(-1, ' ', false, schema::Json::error_handler_t::replace);
}

Result<void> to_causes(Database& database) {
    auto put = database.prepare("UPDATE runs SET doc = ? WHERE process = ? AND number = ?");
    if (!put) return put.error();
    struct Changed {
        std::int64_t process, number;
        std::string doc;
    };
    std::vector<Changed> changed;
    auto read =
        for_each_row(database, "SELECT process, number, doc FROM runs", [&](const Statement& row) -> Result<void> {
            if (auto doc = with_causes(row.text(2)))
                changed.push_back({row.integer(0), row.integer(1), std::move(*doc)});
            return boost::system::in_place_value;
        });
    if (!read) return read;
    for (const auto& each : changed)
        if (auto done = put->bind(1, each.doc).bind(2, each.process).bind(3, each.number).run(); !done) return done;
    return boost::system::in_place_value;
}

Result<void> create(Database& database) {
    if (auto made = database.execute(create_tables); !made) return made;
    if (auto made = database.execute(create_documents); !made) return made;
    return database.execute(create_projects);
}

Result<void> to_projects(Database& database) { return database.execute(create_projects); }

struct Step {
    int to;  // the version it leads to
    Result<void> (*run)(Database&);
};
constexpr Step steps[] = {{2, to_documents}, {3, to_causes}, {4, to_projects}};

Result<void> in_transaction(Database& database, const Step& step) {
    if (auto begun = database.execute("BEGIN IMMEDIATE"); !begun) return begun;
    auto done = step.run(database);
    if (done) done = database.execute(fmt::format("PRAGMA user_version = {}", step.to).c_str());
    if (done) done = database.execute("COMMIT");
    if (!done) (void)database.execute("ROLLBACK");
    return done;
}

}  // namespace

Result<std::int64_t> find_version(Database& database) {
    const auto version = number_from(database, "PRAGMA user_version");
    if (!version || *version <= schema_version) return version;
    const auto readable = number_from(database, "SELECT value FROM meta WHERE name = 'readable_from'");
    if (!readable || *readable <= schema_version) return readable ? version : readable;
    return Error{ErrorCode::unsupported,
                 fmt::format("database: schema {} is not for programs before {}, and this one knows {}; use the "
                             "newer program",
                             *version, *readable, schema_version)};
}

Result<void> migrate(Database& database) {
    const auto version = find_version(database);
    if (!version) return version.error();
    if (*version > schema_version) return boost::system::in_place_value;
    if (*version == 0) return in_transaction(database, {schema_version, create});
    for (const Step& step : steps)
        if (step.to > *version)
            if (auto done = in_transaction(database, step); !done) return done;
    return boost::system::in_place_value;
}

}  // namespace persistproc::registry
