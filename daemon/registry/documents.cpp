#include "daemon/registry/documents.hpp"

#include "common/base/diagnostics.hpp"
#include "common/base/text.hpp"
#include "common/schema/codec.hpp"

PERSISTPROC_DOCUMENT_CODECS(, persistproc::core::ProcessRecord)
PERSISTPROC_DOCUMENT_CODECS(, persistproc::core::RunRecord)
PERSISTPROC_DOCUMENT_CODECS(, persistproc::core::ProjectRecord)

namespace persistproc::registry {

namespace {

/// Of members that this version knows: what stands in the document for them, and is no value of theirs. `before`: what
/// they lie in.
template <class S>
void tell_unread(const std::string& whose, const std::string& before, const S& value) {
    S::fields([&](const auto& field) {
        for (const auto& [name, text] : value.unknown.members)
            if (name == field.name)
                base::report(base::Severity::warning, "database: {}: {}{}: {} is not understood, and kept as it is",
                             whose, before, name, base::excerpt(text));
    });
}

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
    const std::string name = to_string(id);
    tell_unread(name, "", *record);
    tell_unread(name, "", record->definition);
    if (record->sent_signal) tell_unread(name, "sent_signal.", *record->sent_signal);
    if (record->failed_checks) tell_unread(name, "failed_checks.", *record->failed_checks);
    return record;
}

Result<core::RunRecord> read_run(RunId id, std::string_view document) {
    auto record = read<core::RunRecord>(id, document);
    if (!record) return record;
    const std::string name = to_string(id);
    tell_unread(name, "", *record);
    if (record->outcome) tell_unread(name, "outcome.", *record->outcome);
    return record;
}

Result<core::ProjectRecord> read_project(std::string file, std::string_view document) {
    auto record = schema::read_document<core::ProjectRecord>(document);
    if (!record) return base::with_context(record.error(), "database: " + base::escape_line(file));
    record->file = std::move(file);
    return record;
}

}  // namespace persistproc::registry
