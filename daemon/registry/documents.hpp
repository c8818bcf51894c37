#pragma once
/// What the database holds of processes, runs and projects: one document each. Numbers of processes and runs and the
/// files of projects are columns and no part of them.
#include "common/schema/document.hpp"
#include "daemon/core/store.hpp"

PERSISTPROC_DOCUMENT_CODECS(extern, persistproc::core::ProcessRecord)
PERSISTPROC_DOCUMENT_CODECS(extern, persistproc::core::RunRecord)
PERSISTPROC_DOCUMENT_CODECS(extern, persistproc::core::ProjectRecord)

namespace persistproc::registry {

/// Errors: corrupt.
Result<core::ProcessRecord> read_process(ProcessId id, std::string_view document);
/// Errors: corrupt.
Result<core::RunRecord> read_run(RunId id, std::string_view document);
/// Errors: corrupt.
Result<core::ProjectRecord> read_project(std::string file, std::string_view document);

}  // namespace persistproc::registry
