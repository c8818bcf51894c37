#include "daemon/registry/registry.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <map>
#include <utility>

#include "common/base/diagnostics.hpp"
#include "common/base/file.hpp"
#include "common/base/proc.hpp"
#include "common/base/text.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "daemon/core/shares.hpp"
#include "daemon/registry/database.hpp"
#include "daemon/registry/documents.hpp"
#include "daemon/registry/migrations.hpp"

namespace persistproc::registry {

namespace {

constexpr std::size_t longest_path = 512;
constexpr std::string_view next_name = "next_process", reserved_name = "reserved_processes";
constexpr const char* boot_names[] = {"boot_high", "boot_low"};
constexpr auto lock_patience = std::chrono::seconds(5);

/// Whether a row is a run's: a column of integers takes what cannot be made one.
constexpr std::string_view is_run =
    "(typeof(process) = 'integer' AND process BETWEEN 1 AND ?1 AND "
    "typeof(number) = 'integer' AND number BETWEEN 1 AND ?1)";

/// Who has a database locked, as fcntl(2) tells; empty: nobody who can be seen.
std::string holder_text(const std::filesystem::path& file) {
    const base::UniqueFd fd(::open(file.c_str(), O_RDWR | O_CLOEXEC));
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (!fd || ::fcntl(fd.get(), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK || lock.l_pid <= 0) return "";
    const std::string name = base::command_name(lock.l_pid);
    return fmt::format(" by {} (PID {}); end it, then start the daemon again",
                       name.empty() ? "a program" : base::escape_line(name), lock.l_pid);
}

std::array<std::int64_t, 2> halves_of(const base::BootId& boot) {
    std::array<std::int64_t, 2> out{};
    static_assert(sizeof out == sizeof boot);
    std::memcpy(out.data(), boot.data(), sizeof out);
    return out;
}

/// One record that cannot be read is no reason to give up all others: the run directories tell what it is about.
template <class Record>
bool is_damaged(const Result<Record>& record, std::string_view instead = "its run directory is read instead") {
    if (record) return false;
    base::report(base::Severity::warning, "{}; {}", record.error().message, instead);
    return true;
}

/// Of a row whose number no process or run has: to read it as one would be to take it for another's.
void report_no_number(const char* table, std::string_view number) {
    base::report(base::Severity::warning,
                 "database: {} has a row numbered {}, which nothing of ours is; it is left alone", table,
                 base::excerpt(number));
}

}  // namespace

struct Registry::Statements {
    Database database;
    std::optional<Statement> begin, commit, put_process, find_run, put_run, trim_runs, remove_process, remove_runs,
        put_project, remove_project, add_audit, new_audit, drop_audit, raise_meta, set_meta;
    std::optional<core::Shares<std::int64_t, std::int64_t>> audit;  // row numbers; nothing: to be looked up
    std::int64_t last_audit = 0;                                    // of them
};

Registry::Registry() = default;
Registry::Registry(Registry&&) noexcept = default;
Registry::~Registry() = default;

Result<Registry> Registry::open_as_it_is(const std::filesystem::path& file, base::BootId boot) {
    Registry registry;
    auto database = Database::open(file, lock_patience);
    if (!database) return database.error();
    registry.statements_ = std::make_unique<Statements>(Statements{.database = std::move(*database)});
    if (auto ready = registry.prepare(boot); !ready) return ready.error();
    return registry;
}

Result<Registry> Registry::open(const std::filesystem::path& directory, base::BootId boot) {
    const auto file = directory / rundir::database_name;
    auto registry = open_as_it_is(file, boot);
    if (registry) return registry;
    Error error = registry.error();
    if (error.code == ErrorCode::corrupt) return begin_anew(directory, error, boot);
    if (auto lack = base::lack_of_room(directory, error.os_error); lack && error.code == ErrorCode::io) return *lack;
    if (error.code == ErrorCode::unavailable) error.message += holder_text(file);
    // What SQLite says of these two helps nobody.
    if (error.code == ErrorCode::io && file.native().size() > longest_path)
        error.message =
            fmt::format("database: SQLite opens paths of {} bytes at most; give a shorter --data-dir", longest_path);
    else if (error.code == ErrorCode::io && ::access(file.c_str(), R_OK | W_OK) != 0 && errno != ENOENT)
        error = base::os_failure("database: it must be readable and writable (chmod u+rw)", errno);
    return base::with_context(error, file.string());
}

Result<void> Registry::check_version(const std::filesystem::path& directory) {
    const auto file = directory / rundir::database_name;
    std::error_code failed;
    if (!std::filesystem::exists(file, failed)) return boost::system::in_place_value;
    auto database = Database::open_to_read(file);
    if (!database) return boost::system::in_place_value;
    const auto known = find_version(*database);
    if (known || known.error().code != ErrorCode::unsupported) return boost::system::in_place_value;
    return base::with_context(known.error(), file.string());
}

Result<Registry> Registry::open_to_read(const std::filesystem::path& directory, const Error& lack, base::BootId boot) {
    const auto file = directory / rundir::database_name;
    std::error_code failed;
    // Where there is nothing to serve nobody is helped by a daemon that can begin nothing.
    const bool is_new = !std::filesystem::exists(file, failed) || std::filesystem::file_size(file, failed) == 0;
    if (is_new && std::filesystem::is_empty(directory / "procs", failed)) return lack;
    auto database = Database::open_to_read(file);
    if (!database) return base::with_context(database.error(), file.string());
    Registry registry;
    registry.statements_ = std::make_unique<Statements>(Statements{.database = std::move(*database)});
    // One of an older version has to be written before it can be read.
    if (auto migrated = migrate(registry.statements_->database); !migrated)
        return migrated.error().code == ErrorCode::io ? lack : migrated.error();
    if (auto found = registry.find_epoch(boot); !found) return found.error();
    return registry;
}

Result<Registry> Registry::begin_anew(const std::filesystem::path& directory, const Error& damage, base::BootId boot) {
    const auto file = directory / rundir::database_name;
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
    auto registry = open_as_it_is(file, boot);
    if (!registry) {
        auto lack = base::lack_of_room(directory, registry.error().os_error);
        return lack ? *lack : base::with_context(registry.error(), file.string());
    }
    registry->recovered_ = fmt::format("the database was damaged ({}); {}a new one is built from the run directories",
                                       damage.message, is_kept ? fmt::format("it is kept as {} and ", aside) : "");
    return registry;
}

template <class Writes>
Result<void> Registry::in_transaction(Writes writes) {
    Statements& s = *statements_;
    if (auto there = s.database.check_file(); !there) return there.error();
    if (auto begun = s.begin->run(); !begun) return begun.error();
    auto done = writes();
    if (done) done = s.commit->run();
    if (!done) {
        (void)s.database.execute("ROLLBACK");
        s.audit.reset();
    }
    return done;
}

Result<void> Registry::prepare(base::BootId boot) {
    Statements& s = *statements_;
    if (auto migrated = migrate(s.database); !migrated) return migrated.error();
    struct Wanted {
        std::optional<Statement>& statement;
        const char* sql;
    };
    const Wanted wanted[] = {
        {s.begin, "BEGIN IMMEDIATE"},
        {s.commit, "COMMIT"},
        {s.put_process, "INSERT INTO processes (id, doc) VALUES (?,?) ON CONFLICT DO UPDATE SET doc=excluded.doc"},
        {s.find_run, "SELECT doc FROM runs WHERE process=? AND number=?"},
        {s.put_run,
         "INSERT INTO runs (process, number, doc) VALUES (?,?,?) ON CONFLICT DO UPDATE SET doc=excluded.doc"},
        {s.trim_runs, "DELETE FROM runs WHERE process=? AND number BETWEEN 1 AND ?"},
        {s.new_audit, "SELECT rowid, actor FROM audit WHERE rowid > ?"},
        {s.drop_audit, "DELETE FROM audit WHERE rowid = ?"},
        {s.remove_process, "DELETE FROM processes WHERE id=?"},
        {s.remove_runs, "DELETE FROM runs WHERE process=?"},
        {s.put_project, "INSERT INTO projects (file, doc) VALUES (?,?) ON CONFLICT DO UPDATE SET doc=excluded.doc"},
        {s.remove_project, "DELETE FROM projects WHERE file=?"},
        {s.add_audit, "INSERT INTO audit (at, actor, action, process, detail) VALUES (?,?,?,?,?)"},
        {s.raise_meta,
         "INSERT INTO meta (name, value) VALUES (?,?) ON CONFLICT DO UPDATE SET value=max(value,excluded.value)"},
        {s.set_meta, "INSERT INTO meta (name, value) VALUES (?,?) ON CONFLICT DO UPDATE SET value=excluded.value"}};
    for (const auto& each : wanted) {
        auto statement = s.database.prepare(each.sql);
        if (!statement) return statement.error();
        each.statement.emplace(std::move(*statement));
    }
    return in_transaction([&] { return begin_epoch(boot); });
}

Result<void> Registry::settle() {
    if (is_settled_) return boost::system::in_place_value;
    auto settled = statements_->database.settle();
    is_settled_ = settled.has_value();
    return settled;
}

Result<void> Registry::set_meta(std::string_view name, std::int64_t value) {
    statements_->set_meta->bind(1, name).bind(2, value);
    return statements_->set_meta->run();
}

/// The epoch that begins now, and the numbers of processes that are free in it. Writes nothing.
Result<void> Registry::find_epoch(base::BootId boot) {
    std::map<std::string, std::int64_t> known;
    auto meta = statements_->database.prepare("SELECT name, value FROM meta");
    if (!meta) return meta.error();
    for (;;) {
        const auto row = meta->step();
        if (!row) return row.error();
        if (!*row) break;
        known[meta->text(0)] = meta->integer(1);
    }
    const auto number_of = [&known](std::string_view name) {
        const auto found = known.find(std::string(name));
        return static_cast<std::uint32_t>(
            found == known.end() ? 1
                                 : std::clamp<std::int64_t>(found->second, 1, std::int64_t{domain::last_number} + 1));
    };
    // A database that was begun anew must still outrank every daemon before it: wall seconds do.
    const auto seconds = static_cast<std::uint64_t>(base::to_ns(base::wall_now()) / 1'000'000'000);
    epoch_ = std::max(static_cast<std::uint64_t>(std::max<std::int64_t>(known["epoch"], 0)) + 1, seconds);
    const auto halves = halves_of(boot);
    const bool is_other_boot =
        known.contains(boot_names[0]) && (known[boot_names[0]] != halves[0] || known[boot_names[1]] != halves[1]);
    next_process_ = number_of(next_name);
    reserved_processes_ = number_of(reserved_name);
    if (is_other_boot) next_process_ = std::max(next_process_, reserved_processes_);
    return boost::system::in_place_value;
}

Result<void> Registry::begin_epoch(base::BootId boot) {
    if (auto found = find_epoch(boot); !found) return found;
    reserved_processes_ = std::max(reserved_processes_, next_process_ + block_);
    const auto halves = halves_of(boot);
    const std::pair<std::string_view, std::int64_t> values[] = {{"epoch", static_cast<std::int64_t>(epoch_)},
                                                                {boot_names[0], halves[0]},
                                                                {boot_names[1], halves[1]},
                                                                {next_name, std::int64_t{next_process_}},
                                                                {reserved_name, std::int64_t{reserved_processes_}}};
    for (const auto& [name, value] : values)
        if (auto set = set_meta(name, value); !set) return set;
    return boost::system::in_place_value;
}

Result<void> Registry::close() {
    if (auto settled = settle(); !settled) return settled;
    return in_transaction([&] { return set_meta(reserved_name, std::int64_t{next_process_}); });
}

std::filesystem::path Registry::wal_path(const std::filesystem::path& directory) {
    return Database::wal_path(directory / rundir::database_name);
}

Result<void> Registry::sync() { return statements_->database.sync_wal(); }

int Registry::wal_pages() const noexcept { return statements_->database.wal_pages(); }

Result<void> Registry::checkpoint() {
    if (auto done = statements_->database.checkpoint(); !done) return done;
    // The WAL is begun anew by the next change, which waits for the disk: better by this one.
    return in_transaction([&] { return set_meta("epoch", static_cast<std::int64_t>(epoch_)); });
}

Result<core::StoreSnapshot> Registry::load() {
    core::StoreSnapshot snapshot;
    Database& database = statements_->database;
    snapshot.next_process = next_process_;
    snapshot.epoch = epoch_;

    auto rows = database.prepare("SELECT id, doc FROM processes ORDER BY id");
    if (!rows) return rows.error();
    for (;;) {
        auto row = rows->step();
        if (!row) return row.error();
        if (!*row) break;
        if (!domain::is_number(rows->integer(0))) {
            report_no_number("processes", rows->text(0));
            continue;
        }
        auto record = read_process({static_cast<std::uint32_t>(rows->integer(0))}, rows->view(1));
        if (is_damaged(record)) continue;
        snapshot.processes.push_back(std::move(*record));
    }
    // The document is that of the row with the highest number (SQLite: bare columns beside max()).
    auto runs =
        database.prepare(fmt::format("SELECT process, max(number), doc FROM runs WHERE {} GROUP BY process", is_run));
    if (!runs) return runs.error();
    runs->bind(1, std::int64_t{domain::last_number});
    for (;;) {
        auto row = runs->step();
        if (!row) return row.error();
        if (!*row) break;
        const RunId id{{static_cast<std::uint32_t>(runs->integer(0))}, static_cast<std::uint32_t>(runs->integer(1))};
        auto run = read_run(id, runs->view(2));
        if (is_damaged(run)) continue;
        snapshot.last_runs.push_back(std::move(*run));
    }
    auto others = database.prepare(fmt::format("SELECT process, number FROM runs WHERE NOT {}", is_run));
    if (!others) return others.error();
    others->bind(1, std::int64_t{domain::last_number});
    for (;;) {
        auto row = others->step();
        if (!row) return row.error();
        if (!*row) break;
        report_no_number("runs", fmt::format("{}.{}", others->text(0), others->text(1)));
    }
    auto projects = database.prepare("SELECT file, doc FROM projects ORDER BY file");
    if (!projects) return projects.error();
    for (;;) {
        auto row = projects->step();
        if (!row) return row.error();
        if (!*row) break;
        auto project = read_project(projects->text(0), projects->view(1));
        if (is_damaged(project)) continue;
        snapshot.projects.push_back(std::move(*project));
    }
    return snapshot;
}

Result<std::vector<core::AuditEntry>> Registry::read_audit(const core::AuditQuery& query) {
    auto rows = statements_->database.prepare(
        "SELECT rowid, at, actor, action, process, detail FROM audit "
        "WHERE rowid > ?1 AND at >= ?2 AND (?3 = '' OR process = ?3) ORDER BY rowid DESC LIMIT ?4");
    if (!rows) return rows.error();
    rows->bind(1, query.after).bind(2, query.since_ns).bind(3, std::string_view(query.process)).bind(4, query.most);
    std::vector<core::AuditEntry> out;
    for (;;) {
        const auto row = rows->step();
        if (!row) return row.error();
        if (!*row) break;
        out.push_back({.number = rows->integer(0),
                       .at = base::from_ns(rows->integer(1)),
                       .actor = rows->text(2),
                       .action = rows->text(3),
                       .process = rows->text(4),
                       .detail = rows->text(5)});
    }
    std::reverse(out.begin(), out.end());
    return out;
}

Result<void> Registry::use_number(ProcessId id) {
    Statements& s = *statements_;
    if (id.number < next_process_) return boost::system::in_place_value;
    next_process_ = id.number + 1;
    s.raise_meta->bind(1, next_name).bind(2, std::int64_t{next_process_});
    if (auto done = s.raise_meta->run(); !done || next_process_ + block_ / 2 <= reserved_processes_) return done;
    reserved_processes_ = next_process_ + block_;
    return set_meta(reserved_name, std::int64_t{reserved_processes_});
}

Result<void> Registry::write(const core::StoreChange& change) {
    Statements& s = *statements_;
    for (const auto& record : change.processes) {
        s.put_process->bind(1, std::int64_t{record.id.number}).bind(2, schema::to_document(record));
        if (auto done = s.put_process->run(); !done) return done.error();
        if (auto done = use_number(record.id); !done) return done.error();
    }
    for (const auto& run : change.runs)
        if (auto done = write_run(run); !done) return done.error();
    for (const ProcessId id : change.removed) {
        for (auto* statement : {&s.remove_process, &s.remove_runs}) {
            (*statement)->bind(1, std::int64_t{id.number});
            if (auto done = (*statement)->run(); !done) return done.error();
        }
        // The number stays used, whatever else is forgotten.
        if (auto done = use_number(id); !done) return done.error();
    }
    for (const auto& project : change.projects) {
        auto& statement = project.says_nothing() ? s.remove_project : s.put_project;
        statement->bind(1, project.file);
        if (!project.says_nothing()) statement->bind(2, schema::to_document(project));
        if (auto done = statement->run(); !done) return done.error();
    }
    for (const auto& entry : change.audit) {
        s.add_audit->bind(1, base::to_ns(entry.at))
            .bind(2, entry.actor)
            .bind(3, entry.action)
            .bind(4, entry.process)
            .bind(5, entry.detail);
        if (auto done = s.add_audit->run(); !done) return done.error();
    }
    return change.audit.empty() ? Result<void>() : trim_audit();
}

Result<void> Registry::trim_audit() {
    Statements& s = *statements_;
    auto& rows = s.new_audit;
    if (!s.audit) {
        s.audit.emplace();
        s.last_audit = std::numeric_limits<std::int64_t>::min();
    }
    rows->bind(1, s.last_audit);
    for (;;) {
        const auto row = rows->step();
        if (!row) return row.error();
        if (!*row) break;
        s.last_audit = std::max(s.last_audit, rows->integer(0));
        s.audit->add(rows->text(1), rows->integer(0), 1, rows->integer(0));
    }
    rows->reset();
    while (const auto number = s.audit->take_beyond(kept_audit)) {
        s.drop_audit->bind(1, *number);
        if (auto done = s.drop_audit->run(); !done) return done.error();
    }
    return boost::system::in_place_value;
}

Result<void> Registry::write_run(const core::RunRecord& run) {
    Statements& s = *statements_;
    const std::int64_t process = run.id.process.number, number = run.id.number;
    core::RunRecord whole = run;
    s.find_run->bind(1, process).bind(2, number);
    const auto row = s.find_run->step();
    if (!row) return row.error();
    if (*row) {
        auto known = read_run(run.id, s.find_run->view(0));
        if (!is_damaged(known, "what is known of it now is written in its place")) {
            whole = std::move(*known);
            core::join(whole, run);
        }
    }
    s.find_run->reset();
    s.put_run->bind(1, process).bind(2, number).bind(3, schema::to_document(whole));
    if (auto done = s.put_run->run(); !done || number <= kept_runs) return done;
    s.trim_runs->bind(1, process).bind(2, number - kept_runs);
    return s.trim_runs->run();
}

Result<void> Registry::commit(const std::vector<core::StoreChange>& changes) {
    // Nobody is told of a change to a database that is not durable itself.
    if (auto settled = settle(); !settled) return settled;
    const auto next = next_process_, reserved = reserved_processes_;
    auto done = in_transaction([&]() -> Result<void> {
        for (const auto& change : changes)
            if (auto written = write(change); !written) return written.error();
        return boost::system::in_place_value;
    });
    if (done) return done;
    next_process_ = next;
    reserved_processes_ = reserved;
    return done;
}

}  // namespace persistproc::registry
