#pragma once
/// How the tables came to be what they are. `PRAGMA user_version` counts the steps:
///
///   1  a column for each member of a process and of a run
///   2  processes(id, doc), runs(process, number, doc): a document each (`documents.hpp`)
///   3  an outcome has `causes` instead of `failure` and of the prose in `detail`
///   4  projects(file, doc)
///
/// A later step may add tables, and columns with a default. Daemons that do not know it open its database all the same,
/// write what they know and leave the rest, unless the step raises `readable_from` in `meta`: the lowest version
/// whose programs may use the database.
#include "daemon/registry/database.hpp"

namespace persistproc::registry {

inline constexpr int schema_version = 4;

/// That of the tables; 0: there are none. Errors: io, corrupt, unsupported (only newer programs may use it).
Result<std::int64_t> find_version(Database& database);
/// Brings the tables to `schema_version`, one transaction a step; newer ones stay as they are. Errors: as above.
Result<void> migrate(Database& database);

}  // namespace persistproc::registry
