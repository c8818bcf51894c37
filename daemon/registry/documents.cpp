#include "daemon/registry/documents.hpp"

#include "common/base/diagnostics.hpp"
#include "common/base/text.hpp"
#include "common/schema/codec.hpp"

PERSISTPROC_DOCUMENT_CODECS(, persistproc::core::ProcessRecord)
PERSISTPROC_DOCUMENT_CODECS(, persistproc::core::RunRecord)
PERSISTPROC_DOCUMENT_CODECS(, persistproc::core::ProjectRecord)

namespace persistproc::registry {

namespace {

template <class Record, class Id>
Result<Record> read(Id id, std::string_view document) {
    auto record = schema::read_document<Record>(document);
    if (!record) return base::with_context(record.error(), "database: " + to_string(id));
    record->id = id;
    return record;
}

}  // namespace

Result<core::ProcessRecord> read_process(ProcessId id, std::string_view document) {
    auto record = read<core::ProcessRecord>(id, document);
    if (!record) return record;
    const auto& kept = record->definition.unknown.members;
    Definition::fields([&](const auto& field) {
        for (const auto& [name, value] : kept)
            if (name == field.name)
                base::report(base::Severity::warning, "database: {}: {}: {} is not understood, and kept as it is",
                             to_string(id), name, base::excerpt(value));
    });
    return record;
}

Result<core::RunRecord> read_run(RunId id, std::string_view document) { return read<core::RunRecord>(id, document); }

Result<core::ProjectRecord> read_project(std::string file, std::string_view document) {
    auto record = schema::read_document<core::ProjectRecord>(document);
    if (!record) return base::with_context(record.error(), "database: " + base::escape_line(file));
    record->file = std::move(file);
    return record;
}

}  // namespace persistproc::registry
