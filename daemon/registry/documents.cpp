#include "daemon/registry/documents.hpp"

#include "common/schema/codec.hpp"

PERSISTPROC_DOCUMENT_CODECS(, persistproc::core::ProcessRecord)
PERSISTPROC_DOCUMENT_CODECS(, persistproc::core::RunRecord)

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
    return read<core::ProcessRecord>(id, document);
}

Result<core::RunRecord> read_run(RunId id, std::string_view document) { return read<core::RunRecord>(id, document); }

}  // namespace persistproc::registry
