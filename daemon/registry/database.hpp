#pragma once
/// SQLite as this program uses it: one connection, one thread, statements prepared once. Errors are values with
/// SQLite's own message; SQLITE_CORRUPT and SQLITE_NOTADB become `corrupt`, SQLITE_BUSY `unavailable` (another program
/// has it locked), SQLITE_FULL and I/O errors `io`.
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace persistproc::registry {

/// One statement being run. Values bound and read by position: parameters from 1, columns from 0.
class Statement {
public:
    Statement(Statement&& other) noexcept;
    Statement& operator=(Statement&&) = delete;
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;
    ~Statement();

    Statement& bind(int parameter, std::int64_t value);
    Statement& bind(int parameter, double value);
    Statement& bind(int parameter, std::string_view value);
    Statement& bind_null(int parameter);

    /// True: there is a row to read. False: the statement is done.
    Result<bool> step();
    /// Runs a statement that gives no rows, and makes it ready for other values.
    Result<void> run();
    /// Makes a statement that gave rows ready for other values.
    void reset();

    std::int64_t integer(int column) const;
    double real(int column) const;
    std::string text(int column) const;
    /// As `text`; valid until the next step.
    std::string_view view(int column) const;
    bool is_null(int column) const;

private:
    friend class Database;
    Statement(sqlite3* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
    sqlite3* database_;
    sqlite3_stmt* statement_;
};

class Database {
public:
    /// Opens or creates the file (mode 0600): WAL, exclusive locking, and synchronous NORMAL: what is committed
    /// outlives every death of this program, and a power cut once the WAL is synced, which is the caller's to see to;
    /// whatever a power cut takes, the file is whole. Nothing is checkpointed but by `checkpoint`. One that is locked
    /// is waited for (`patience`). One that is new is nothing that a power cut need spare before `settle`. Errors: io,
    /// corrupt, unavailable (locked).
    static Result<Database> open(const std::filesystem::path& file,
                                 std::chrono::milliseconds patience = std::chrono::milliseconds(0));
    /// Reads what is there where nothing can be written: neither a lock nor a byte is. Whoever calls it has seen to it
    /// that nobody else writes; else what is read may be damaged. One that is not there is empty. Errors: io, corrupt.
    static Result<Database> open_to_read(const std::filesystem::path& file);
    Database(Database&& other) noexcept;
    Database& operator=(Database&& other) noexcept;
    ~Database();

    /// Waits until all of it is durable, with its name where it is new. Errors: io.
    Result<void> settle();

    /// Whether the file is still there and begins like a database: SQLite itself looks only when it opens one. Errors:
    /// corrupt.
    Result<void> check_file() const;

    /// What holds the commits of late. It may be opened, synced and closed by anybody: unlike the database's own file
    /// it carries no lock that would go with the descriptor.
    static std::filesystem::path wal_path(const std::filesystem::path& file);
    /// Waits until what was committed is durable. Errors: io.
    Result<void> sync_wal() const;
    /// How many pages the newest commit has left in the WAL.
    int wal_pages() const noexcept { return *wal_pages_; }
    /// Takes the WAL into the file; waits for the disk. The next commit begins the WAL anew, and waits for that.
    /// Errors: io, corrupt.
    Result<void> checkpoint();

    Result<void> execute(const char* sql);
    /// Errors: io; corrupt, also where a table or a column that it names is missing.
    Result<Statement> prepare(std::string_view sql);

private:
    explicit Database(sqlite3* handle) : handle_(handle) {}
    sqlite3* handle_ = nullptr;
    std::unique_ptr<int> wal_pages_ = std::make_unique<int>(0);
    bool is_new_ = false;
    std::string name_;
    base::UniqueFd
        file_;  // closed after SQLite's own: closing any descriptor of a file gives up all its locks, fcntl(2)
};

}  // namespace persistproc::registry
