#include "daemon/registry/database.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/base/file.hpp"

namespace persistproc::registry {

namespace {

Error failure(sqlite3* database, int code) {
    const int primary = code & 0xff, last = errno;
    const ErrorCode kind = primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB ? ErrorCode::corrupt
                           : primary == SQLITE_BUSY                              ? ErrorCode::unavailable
                                                                                 : ErrorCode::io;
    // The kernel's word for it is not kept for the first of these.
    int os_error = primary == SQLITE_FULL ? ENOSPC : database != nullptr ? sqlite3_system_errno(database) : 0;
    // Nor is it for the end of a transaction.
    if (primary == SQLITE_IOERR && os_error == 0 && last == EFBIG) os_error = last;
    std::string text =
        std::string("database: ") + (database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code));
    // Of other failures it may be that of one before.
    if ((primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) && os_error != 0)
        text += ": " + base::os_error_text(os_error);
    return {kind, std::move(text), os_error};
}

/// The file's name in one of SQLite's URIs.
std::string uri_of(const std::filesystem::path& file) {
    std::string out = "file:";
    for (const char c : file.native()) {
        if (c == '?' || c == '#' || c == '%')
            out += fmt::format("%{:02x}", static_cast<unsigned char>(c));
        else
            out += c;
    }
    return out;
}

bool has_bytes(const std::filesystem::path& file) {
    struct stat facts {};
    return ::stat(file.c_str(), &facts) == 0 && facts.st_size > 0;
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}
Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(int parameter, std::int64_t value) {
    sqlite3_bind_int64(statement_, parameter, value);
    return *this;
}
Statement& Statement::bind(int parameter, double value) {
    sqlite3_bind_double(statement_, parameter, value);
    return *this;
}
Statement& Statement::bind(int parameter, std::string_view value) {
    sqlite3_bind_text(statement_, parameter, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
    return *this;
}
Statement& Statement::bind_null(int parameter) {
    sqlite3_bind_null(statement_, parameter);
    return *this;
}

Result<bool> Statement::step() {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    Error error = failure(database_, code);
    sqlite3_reset(statement_);
    return error;
}

Result<void> Statement::run() {
    auto stepped = step();
    reset();
    if (!stepped) return stepped.error();
    return boost::system::in_place_value;
}

void Statement::reset() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }
bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
std::string Statement::text(int column) const { return std::string(view(column)); }
std::string_view Statement::view(int column) const {
    const auto* bytes = sqlite3_column_text(statement_, column);
    if (bytes == nullptr) return {};
    return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Result<Database> Database::open(const std::filesystem::path& file, std::chrono::milliseconds patience) {
    struct stat before_opening {};
    const bool is_new = ::stat(file.c_str(), &before_opening) != 0 || before_opening.st_size == 0;
    // SQLite gives new files the umask's mode; this one is ours alone.
    const mode_t before = ::umask(077);
    sqlite3* handle = nullptr;
    const int opened = sqlite3_open_v2(file.c_str(), &handle,
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    Database database(handle);
    Result<void> set_up = boost::system::in_place_value;
    sqlite3_busy_timeout(handle, static_cast<int>(patience.count()));
    if (opened == SQLITE_OK) {
        // Exclusive locking first: WAL then needs no shared memory file.
        // Making a database waits for the disk seven times otherwise, for what nobody has been told of.
        set_up =
            database.execute(is_new ? "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL"
                                    : "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; "
                                      "PRAGMA synchronous=NORMAL");
        // Also ends SQLite's own checkpoints, which come in the middle of a commit.
        sqlite3_wal_hook(
            handle,
            [](void* pages, sqlite3*, const char*, int count) {
                *static_cast<int*>(pages) = count;
                return SQLITE_OK;
            },
            database.wal_pages_.get());
    }
    ::umask(before);
    if (opened != SQLITE_OK) return failure(handle, opened);
    if (!set_up) return set_up.error();
    auto check = database.prepare("PRAGMA quick_check(1)");
    if (!check) return check.error();
    const auto verdict = check->step();
    if (!verdict) return verdict.error();
    if (check->text(0) != "ok") return Error{ErrorCode::corrupt, "database: " + check->text(0)};
    database.is_new_ = is_new;
    database.name_ = file.native();
    database.file_.reset(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!database.file_) return base::os_failure(database.name_, errno);
    return database;
}

Result<Database> Database::open_to_read(const std::filesystem::path& file) {
    // Beside a WAL a connection that locks nothing (unix-none); without one, since it would make one, one that takes
    // the file for unchangeable.
    const bool has_wal = has_bytes(wal_path(file));
    const std::string uri = uri_of(file) + (has_wal ? "?mode=ro&vfs=unix-none" : "?mode=ro&immutable=1");
    const bool is_there = has_bytes(file);
    sqlite3* handle = nullptr;
    const int opened = sqlite3_open_v2(
        is_there ? uri.c_str() : ":memory:", &handle,
        (is_there ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX, nullptr);
    Database database(handle);
    if (opened != SQLITE_OK) return failure(handle, opened);
    // It takes a WAL into the file when it closes it, and removes it: that is another's.
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    // As in `open`: no memory is to be shared.
    if (auto set_up = database.execute("PRAGMA locking_mode=EXCLUSIVE"); !set_up) return set_up.error();
    return database;
}

Database::Database(Database&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)),
      wal_pages_(std::move(other.wal_pages_)),
      is_new_(other.is_new_),
      name_(std::move(other.name_)),
      file_(std::move(other.file_)) {}
Database& Database::operator=(Database&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(wal_pages_, other.wal_pages_);
    std::swap(is_new_, other.is_new_);
    std::swap(name_, other.name_);
    std::swap(file_, other.file_);
    return *this;
}
Database::~Database() { sqlite3_close_v2(handle_); }

Result<void> Database::settle() {
    if (is_new_) {
        if (auto set = execute("PRAGMA synchronous=NORMAL"); !set) return set;
        // On its way to the disk before the file's metadata goes there: one commit of the file system is for both.
        const base::UniqueFd wal(::open(wal_path(name_).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        if (wal) ::sync_file_range(wal.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
        if (::fdatasync(file_.get()) != 0) return base::os_failure("database: sync " + name_, errno);
        if (auto named = base::sync_directory(std::filesystem::path(name_).parent_path()); !named) return named;
        is_new_ = false;
    }
    return sync_wal();
}

Result<void> Database::check_file() const {
    constexpr std::string_view magic("SQLite format 3\0", 16);
    struct stat ours {
    }, found{};
    if (::fstat(file_.get(), &ours) != 0) return boost::system::in_place_value;
    if (::stat(name_.c_str(), &found) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) return boost::system::in_place_value;
        return Error{ErrorCode::corrupt, "database: the file was removed"};
    }
    if (ours.st_dev != found.st_dev || ours.st_ino != found.st_ino)
        return Error{ErrorCode::corrupt, "database: another file is in its place"};
    char head[magic.size()];
    const ssize_t got = ::pread(file_.get(), head, sizeof head, 0);
    if (got < 0 || std::string_view(head, static_cast<std::size_t>(got)) == magic) return boost::system::in_place_value;
    return Error{ErrorCode::corrupt, "database: the file was overwritten"};
}

std::filesystem::path Database::wal_path(const std::filesystem::path& file) { return file.native() + "-wal"; }

Result<void> Database::sync_wal() const {
    const auto wal = wal_path(name_);
    const base::UniqueFd fd(::open(wal.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    // None: everything is in the file.
    if (!fd && errno == ENOENT) return boost::system::in_place_value;
    if (!fd || ::fdatasync(fd.get()) != 0) return base::os_failure("database: sync " + wal.native(), errno);
    return boost::system::in_place_value;
}

Result<void> Database::checkpoint() {
    const int code = sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    if (code != SQLITE_OK) return failure(handle_, code);
    *wal_pages_ = 0;
    return boost::system::in_place_value;
}

Result<void> Database::execute(const char* sql) {
    const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return failure(handle_, code);
    return boost::system::in_place_value;
}

Result<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                        &statement, nullptr);
    if (code == SQLITE_OK) return Statement(handle_, statement);
    Error failed = failure(handle_, code);
    // What our statements name is there, unless somebody took it away.
    if ((code & 0xff) == SQLITE_ERROR) failed.code = ErrorCode::corrupt;
    return failed;
}

}  // namespace persistproc::registry
