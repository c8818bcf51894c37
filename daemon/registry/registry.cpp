#include "daemon/registry/registry.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/file.hpp"
#include "common/base/text.hpp"
#include "common/schema/field.hpp"
#include "daemon/registry/database.hpp"

namespace persistproc::registry {

namespace {

constexpr const char* file_name = "persistproc.db";
constexpr std::size_t longest_path = 512;
constexpr auto lock_patience = std::chrono::seconds(5);

constexpr const char* create_schema = R"(
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS processes (
  id INTEGER PRIMARY KEY, label TEXT NOT NULL, label_given INTEGER NOT NULL, command TEXT NOT NULL, shell INTEGER NOT NULL,
  working_directory TEXT NOT NULL, stop_signal INTEGER NOT NULL, grace_seconds REAL NOT NULL, restart TEXT NOT NULL,
  started_by TEXT NOT NULL, wanted INTEGER NOT NULL, intent INTEGER NOT NULL, intent_run INTEGER NOT NULL,
  last_run INTEGER NOT NULL, restarts INTEGER NOT NULL, created_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
  process INTEGER NOT NULL, number INTEGER NOT NULL, pid INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, exit_code INTEGER,
  signal INTEGER, reason TEXT, stage TEXT, os_error INTEGER, detail TEXT, PRIMARY KEY (process, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audit (
  at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, process TEXT NOT NULL, detail TEXT NOT NULL);
DROP TABLE IF EXISTS dead_sessions;
)";

std::string command_text(const std::vector<std::string>& command) {
    // "<length>:<bytes>" for each word: an argument may hold any byte but NUL.
    std::string out;
    for (const auto& word : command) {
        out += fmt::format("{}:", word.size());
        out += word;
    }
    return out;
}

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

/// Who has a database locked, as fcntl(2) tells; empty: nobody who can be seen.
std::string holder_text(const std::filesystem::path& file) {
    const base::UniqueFd fd(::open(file.c_str(), O_RDWR | O_CLOEXEC));
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (!fd || ::fcntl(fd.get(), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK || lock.l_pid <= 0) return "";
    const auto name = base::read_file(fmt::format("/proc/{}/comm", lock.l_pid), 4096);
    return fmt::format(" by {} (PID {}); end it, then start the daemon again",
                       name ? base::escape_line(name->substr(0, name->find('\n'))) : "a program", lock.l_pid);
}

template <class E>
E enum_from(const std::string& name, E otherwise) {
    for (const auto& [value, text] : schema::EnumNames<E>::names)
        if (text == name) return value;
    return otherwise;
}

Result<std::int64_t> schema_of(Database& database) {
    auto version = database.prepare("PRAGMA user_version");
    if (!version) return version.error();
    if (auto row = version->step(); !row) return row.error();
    return version->integer(0);
}

}  // namespace

struct Registry::Statements {
    Database database;
    std::optional<Statement> put_process, put_run, trim_runs, remove_process, remove_runs, add_audit, trim_audit,
        put_meta;
};

Registry::Registry() = default;
Registry::Registry(Registry&&) noexcept = default;
Registry::~Registry() = default;

Result<Registry> Registry::open_as_it_is(const std::filesystem::path& file) {
    Registry registry;
    auto database = Database::open(file, lock_patience);
    if (!database) return database.error();
    registry.statements_ = std::make_unique<Statements>(Statements{.database = std::move(*database)});
    if (auto ready = registry.prepare(); !ready) return ready.error();
    return registry;
}

Result<Registry> Registry::open(const std::filesystem::path& directory) {
    const auto file = directory / file_name;
    auto registry = open_as_it_is(file);
    if (registry) return registry;
    Error error = registry.error();
    if (error.code == ErrorCode::corrupt) return begin_anew(directory, error);
    if (error.code == ErrorCode::unavailable) error.message += holder_text(file);
    // What SQLite says of these two helps nobody.
    if (error.code == ErrorCode::io && file.native().size() > longest_path)
        error.message =
            fmt::format("database: SQLite opens paths of {} bytes at most; give a shorter --data-dir", longest_path);
    else if (error.code == ErrorCode::io && ::access(file.c_str(), R_OK | W_OK) != 0 && errno != ENOENT)
        error = base::os_failure("database: it must be readable and writable (chmod u+rw)", errno);
    return base::with_context(error, file.string());
}

Result<Registry> Registry::begin_anew(const std::filesystem::path& directory, const Error& damage) {
    const auto file = directory / file_name;
    const std::string aside =
        fmt::format("{}.damaged-{}", file.string(), base::to_ns(base::wall_now()) / 1'000'000'000);
    bool is_kept = false;
    for (const char* suffix : {"", "-wal", "-shm"}) {
        const std::string from = file.string() + suffix;
        if (::rename(from.c_str(), (aside + suffix).c_str()) == 0)
            is_kept = true;
        else if (errno != ENOENT)
            return base::os_failure(from, errno);
    }
    auto registry = open_as_it_is(file);
    if (!registry) return base::with_context(registry.error(), file.string());
    registry->recovered_ = fmt::format("the database was damaged ({}); {}a new one is built from the run directories",
                                       damage.message, is_kept ? fmt::format("it is kept as {} and ", aside) : "");
    return registry;
}

Result<void> Registry::prepare() {
    Statements& s = *statements_;
    const auto version = schema_of(s.database);
    if (!version) return version.error();
    const auto found = *version;
    if (found > schema_version)
        return Error{ErrorCode::unsupported,
                     fmt::format("database: schema {} is newer than this program's {}; use the newer program", found,
                                 schema_version)};
    if (auto made = s.database.execute(create_schema); !made) return made.error();
    if (found < schema_version)
        if (auto set = s.database.execute(fmt::format("PRAGMA user_version = {}", schema_version).c_str()); !set)
            return set.error();
    struct Wanted {
        std::optional<Statement>& statement;
        const char* sql;
    };
    const Wanted wanted[] = {
        {s.put_process, "INSERT OR REPLACE INTO processes VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"},
        {s.put_run,
         "INSERT INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET pid=max(pid,excluded.pid), "
         "started_at=coalesce(excluded.started_at,started_at), ended_at=coalesce(ended_at,excluded.ended_at), "
         "exit_code=coalesce(exit_code,excluded.exit_code), signal=coalesce(signal,excluded.signal), "
         "reason=coalesce(reason,excluded.reason), stage=coalesce(stage,excluded.stage), "
         "os_error=coalesce(os_error,excluded.os_error), detail=coalesce(detail,excluded.detail)"},
        {s.trim_runs, "DELETE FROM runs WHERE process=? AND number<=?"},
        {s.trim_audit, "DELETE FROM audit WHERE rowid <= (SELECT max(rowid) FROM audit) - ?"},
        {s.remove_process, "DELETE FROM processes WHERE id=?"},
        {s.remove_runs, "DELETE FROM runs WHERE process=?"},
        {s.add_audit, "INSERT INTO audit VALUES (?,?,?,?,?)"},
        {s.put_meta, "INSERT INTO meta VALUES (?,?) ON CONFLICT DO UPDATE SET value=max(value,excluded.value)"}};
    for (const auto& each : wanted) {
        auto statement = s.database.prepare(each.sql);
        if (!statement) return statement.error();
        each.statement.emplace(std::move(*statement));
    }
    return begin_epoch();
}

Result<void> Registry::begin_epoch() {
    auto last = statements_->database.prepare("SELECT value FROM meta WHERE name = 'epoch'");
    if (!last) return last.error();
    const auto row = last->step();
    if (!row) return row.error();
    const auto last_epoch = *row ? static_cast<std::uint64_t>(last->integer(0)) : 0;
    // A database that was begun anew must still outrank every daemon before it: wall seconds do.
    const auto seconds = static_cast<std::uint64_t>(base::to_ns(base::wall_now()) / 1'000'000'000);
    epoch_ = std::max(last_epoch + 1, seconds);
    statements_->put_meta->bind(1, std::string_view("epoch")).bind(2, static_cast<std::int64_t>(epoch_));
    return statements_->put_meta->run();
}

Result<core::StoreSnapshot> Registry::load() {
    core::StoreSnapshot snapshot;
    Database& database = statements_->database;
    auto meta = database.prepare("SELECT name, value FROM meta");
    if (!meta) return meta.error();
    for (;;) {
        auto row = meta->step();
        if (!row) return row.error();
        if (!*row) break;
        if (meta->text(0) == "next_process") snapshot.next_process = static_cast<std::uint32_t>(meta->integer(1));
    }
    snapshot.epoch = epoch_;

    auto rows = database.prepare(
        "SELECT "
        "id,label,label_given,command,shell,working_directory,stop_signal,grace_seconds,restart,started_by,wanted,"
        "intent,"
        "intent_run,last_run,restarts,created_at FROM processes ORDER BY id");
    if (!rows) return rows.error();
    for (;;) {
        auto row = rows->step();
        if (!row) return row.error();
        if (!*row) break;
        core::ProcessRecord record;
        record.id.number = static_cast<std::uint32_t>(rows->integer(0));
        Definition& d = record.definition;
        d.label = rows->text(1);
        d.label_given = rows->integer(2) != 0;
        d.command = command_from(rows->text(3));
        d.shell = rows->integer(4) != 0;
        d.working_directory = rows->text(5);
        d.stop_signal = static_cast<int>(rows->integer(6));
        d.grace_seconds = rows->real(7);
        d.restart = enum_from(rows->text(8), domain::RestartPolicy::never);
        d.started_by = rows->text(9);
        record.wanted = rows->integer(10) != 0 ? core::Wanted::up : core::Wanted::down;
        record.intent = static_cast<core::Intent>(rows->integer(11));
        record.intent_run = static_cast<std::uint32_t>(rows->integer(12));
        record.last_run = static_cast<std::uint32_t>(rows->integer(13));
        record.restarts = rows->integer(14);
        record.created_at = base::from_ns(rows->integer(15));
        snapshot.processes.push_back(std::move(record));
    }
    auto runs = database.prepare(
        "SELECT process,number,pid,started_at,ended_at,exit_code,signal,reason,stage,os_error,detail FROM runs r "
        "WHERE number = (SELECT max(number) FROM runs WHERE process = r.process)");
    if (!runs) return runs.error();
    for (;;) {
        auto row = runs->step();
        if (!row) return row.error();
        if (!*row) break;
        core::RunRecord run;
        run.id = {{static_cast<std::uint32_t>(runs->integer(0))}, static_cast<std::uint32_t>(runs->integer(1))};
        run.pid = runs->integer(2);
        if (!runs->is_null(3)) run.started_at = base::from_ns(runs->integer(3));
        if (!runs->is_null(7)) {
            Outcome outcome;
            outcome.ended_at = base::from_ns(runs->integer(4));
            if (!runs->is_null(5)) outcome.exit_code = static_cast<int>(runs->integer(5));
            if (!runs->is_null(6)) outcome.signal = static_cast<int>(runs->integer(6));
            outcome.reason = enum_from(runs->text(7), OutcomeReason::lost);
            if (!runs->is_null(8))
                outcome.failure = domain::StartFailure{runs->text(8), static_cast<int>(runs->integer(9))};
            outcome.detail = runs->text(10);
            run.outcome = std::move(outcome);
        }
        snapshot.last_runs.push_back(std::move(run));
    }
    return snapshot;
}

Result<void> Registry::write(const core::StoreChange& change) {
    Statements& s = *statements_;
    for (const auto& record : change.processes) {
        const Definition& d = record.definition;
        s.put_process->bind(1, std::int64_t{record.id.number})
            .bind(2, d.label)
            .bind(3, std::int64_t{d.label_given})
            .bind(4, command_text(d.command))
            .bind(5, std::int64_t{d.shell})
            .bind(6, d.working_directory)
            .bind(7, std::int64_t{d.stop_signal})
            .bind(8, d.grace_seconds)
            .bind(9, schema::enum_name(d.restart))
            .bind(10, d.started_by)
            .bind(11, std::int64_t{record.wanted == core::Wanted::up})
            .bind(12, static_cast<std::int64_t>(record.intent))
            .bind(13, std::int64_t{record.intent_run})
            .bind(14, std::int64_t{record.last_run})
            .bind(15, record.restarts)
            .bind(16, base::to_ns(record.created_at));
        if (auto done = s.put_process->run(); !done) return done.error();
        s.put_meta->bind(1, std::string_view("next_process")).bind(2, std::int64_t{record.id.number} + 1);
        if (auto done = s.put_meta->run(); !done) return done.error();
    }
    for (const auto& run : change.runs) {
        Statement& put = *s.put_run;
        put.bind(1, std::int64_t{run.id.process.number}).bind(2, std::int64_t{run.id.number}).bind(3, run.pid);
        if (run.started_at) put.bind(4, base::to_ns(*run.started_at));
        if (run.outcome) {
            const Outcome& o = *run.outcome;
            put.bind(5, base::to_ns(o.ended_at)).bind(8, schema::enum_name(o.reason)).bind(11, o.detail);
            if (o.exit_code) put.bind(6, std::int64_t{*o.exit_code});
            if (o.signal) put.bind(7, std::int64_t{*o.signal});
            if (o.failure) put.bind(9, o.failure->stage).bind(10, std::int64_t{o.failure->os_error});
        }
        if (auto done = put.run(); !done) return done.error();
        s.trim_runs->bind(1, std::int64_t{run.id.process.number}).bind(2, std::int64_t{run.id.number} - kept_runs);
        if (auto done = s.trim_runs->run(); !done) return done.error();
    }
    for (const ProcessId id : change.removed) {
        for (auto* statement : {&s.remove_process, &s.remove_runs}) {
            (*statement)->bind(1, std::int64_t{id.number});
            if (auto done = (*statement)->run(); !done) return done.error();
        }
        // The number stays used, whatever else is forgotten.
        s.put_meta->bind(1, std::string_view("next_process")).bind(2, std::int64_t{id.number} + 1);
        if (auto done = s.put_meta->run(); !done) return done.error();
    }
    for (const auto& entry : change.audit) {
        s.add_audit->bind(1, base::to_ns(entry.at))
            .bind(2, entry.actor)
            .bind(3, entry.action)
            .bind(4, entry.process)
            .bind(5, entry.detail);
        if (auto done = s.add_audit->run(); !done) return done.error();
    }
    if (!change.audit.empty()) {
        s.trim_audit->bind(1, std::int64_t{kept_audit});
        if (auto done = s.trim_audit->run(); !done) return done.error();
    }
    return boost::system::in_place_value;
}

template <class Writes>
Result<void> Registry::in_transaction(Writes writes) {
    Database& database = statements_->database;
    if (auto there = database.check_file(); !there) return there.error();
    if (auto begun = database.execute("BEGIN IMMEDIATE"); !begun) return begun.error();
    auto done = writes();
    if (done) done = database.execute("COMMIT");
    if (!done) (void)database.execute("ROLLBACK");
    return done;
}

Result<void> Registry::commit(const std::vector<core::StoreChange>& changes) {
    return in_transaction([&]() -> Result<void> {
        for (const auto& change : changes)
            if (auto written = write(change); !written) return written.error();
        return boost::system::in_place_value;
    });
}

}  // namespace persistproc::registry
