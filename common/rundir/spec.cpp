#include "common/rundir/spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "common/base/checksum.hpp"
#include "common/base/random.hpp"
#include "common/rundir/spec_scanner.hpp"
#include "common/schema/document.hpp"

namespace persistproc::rundir {
namespace {

void add(std::string& out, std::string_view key, std::string_view value) {
    out.append(key).append(" ").append(std::to_string(value.size())).append("\n");
    out.append(value).append("\n");
}

std::string file_text(const ProgramFile& file) {
    return fmt::format("{} {} {} {} {}", file.device, file.inode, file.size, file.modified_ns, file.changed_ns);
}

/// Nothing: it is written in another way.
std::optional<ProgramFile> read_program_file(std::string_view text) {
    ProgramFile out;
    const char* const end = text.data() + text.size();
    auto read = [end, at = text.data()](auto& value) mutable {
        while (at != end && *at == ' ') ++at;
        const auto [next, failed] = std::from_chars(at, end, value);
        at = next;
        return failed == std::errc{};
    };
    const bool is_read =
        read(out.device) && read(out.inode) && read(out.size) && read(out.modified_ns) && read(out.changed_ns);
    return is_read ? std::optional(out) : std::nullopt;
}

std::optional<ArgumentFile> read_argument_file(std::string_view text) {
    ArgumentFile out;
    const auto [next, failed] = std::from_chars(text.data(), text.data() + text.size(), out.argument);
    const auto file = read_program_file(text.substr(static_cast<std::size_t>(next - text.data())));
    if (failed != std::errc{} || !file) return std::nullopt;
    out.file = *file;
    return out;
}

}  // namespace

std::string encode_spec(const RunSpec& spec) {
    std::string out = fmt::format("{}{}.{}\n", spec_magic, format_major, format_minor);
    add(out, "run", fmt::format("p{}.{}", spec.id.process.number, spec.id.number));
    add(out, "nonce", base::to_hex(spec.nonce));
    for (const auto& word : spec.argv) add(out, "arg", word);
    add(out, "cwd", spec.working_directory);
    for (const auto& variable : spec.environment) add(out, "env", variable);
    add(out, "umask", fmt::format("{:o}", spec.umask & 0777));
    for (const auto& limit : spec.limits)
        add(out, "limit", fmt::format("{} {} {}", limit.resource, limit.soft, limit.hard));
    add(out, "stop-signal", std::to_string(spec.stop_signal));
    add(out, "grace-ms", std::to_string(spec.grace_ms));
    add(out, "segment-bytes", std::to_string(spec.segment_bytes));
    add(out, "log-bound-bytes", std::to_string(spec.log_bound_bytes));
    if (spec.notifies) add(out, "notify", "1");
    if (spec.has_input) add(out, "input", "pipe");
    if (spec.terminal) add(out, "tty", domain::to_string(*spec.terminal));
    const Definition& definition = spec.definition;
    if (definition.label_given) add(out, "label", definition.label);
    if (definition.shell) add(out, "shell", "1");
    if (definition.restart != domain::RestartPolicy::never) add(out, "restart", schema::enum_name(definition.restart));
    if (!definition.started_by.empty()) add(out, "started-by", definition.started_by);
    add(out, "definition", schema::to_document(definition));
    if (const auto& file = spec.program_file) add(out, "program-file", file_text(*file));
    for (const auto& each : spec.argument_files)
        add(out, "argument-file", fmt::format("{} {}", each.argument, file_text(each.file)));
    if (!spec.request_key.empty()) add(out, "request-key", spec.request_key);
    out += fmt::format("end {:08x}\n", base::crc32c(out.data(), out.size()));
    return out;
}

Result<RunSpec> decode_spec(std::string_view bytes, Format* other) {
    std::string copy(bytes);
    std::vector<char*> table(static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '\n')) + 2);
    SpecView view;
    std::size_t where = 0;
    SpecScanner scanner(bytes);
    const int checked = scanner.check();
    switch (SpecView::decode(copy.data(), copy.size(), table.data(), table.size(), view, &where)) {
        case 0: break;
        case EPROTONOSUPPORT: {
            const Format format{static_cast<unsigned>(scanner.major()), static_cast<unsigned>(scanner.minor())};
            if (other != nullptr) *other = format;
            return Error{ErrorCode::unsupported, other_version(format)};
        }
        default: return Error{ErrorCode::corrupt, fmt::format("the spec is damaged at byte {}", where)};
    }
    RunSpec spec;
    SpecScanner::Entry entry;
    if (checked != 0) return Error{ErrorCode::corrupt, "the spec is damaged"};
    std::string_view document, label, started_by;
    bool shell = false;
    domain::RestartPolicy restart = domain::RestartPolicy::never;
    while (scanner.next(entry)) {
        const std::string_view value = slice(bytes, entry.value, entry.length);
        if (entry.key == "label") label = value;
        if (entry.key == "shell") shell = value == "1";
        if (entry.key == "started-by") started_by = value;
        if (entry.key == "definition") document = value;
        if (entry.key == "program-file") spec.program_file = read_program_file(value);
        if (entry.key == "argument-file")
            if (const auto file = read_argument_file(value)) spec.argument_files.push_back(*file);
        if (entry.key == "request-key") spec.request_key = value;
        if (entry.key == "restart")
            for (const auto& [policy, name] : schema::EnumNames<domain::RestartPolicy>::names)
                if (value == name) restart = policy;
    }
    spec.id = view.id;
    spec.nonce = view.nonce;
    for (char** word = view.argv; *word != nullptr; ++word) spec.argv.emplace_back(*word);
    for (char** variable = view.environment; *variable != nullptr; ++variable) spec.environment.emplace_back(*variable);
    spec.working_directory = view.working_directory;
    spec.umask = view.umask;
    spec.limits.assign(view.limits, view.limits + view.limit_count);
    spec.stop_signal = view.stop_signal;
    spec.grace_ms = view.grace_ms;
    spec.segment_bytes = view.segment_bytes;
    spec.log_bound_bytes = view.log_bound_bytes;
    spec.notifies = view.notifies;
    spec.has_input = view.has_input;
    if (view.columns > 0) spec.terminal = domain::TerminalSize{view.columns, view.rows};

    Definition& definition = spec.definition;
    if (auto whole = schema::read_document<Definition>(document)) definition = std::move(*whole);
    definition.command = spec.argv;
    // Of `/bin/sh -c LINE` the line is the command.
    if (shell && spec.argv.size() == 3) definition.command = {spec.argv[2]};
    definition.working_directory = spec.working_directory;
    definition.shell = shell;
    definition.restart = restart;
    definition.stop_signal = spec.stop_signal;
    definition.grace_seconds = spec.grace_ms / 1000.0;
    definition.label_given = !label.empty();
    definition.label =
        definition.label_given ? label : domain::default_label(definition.command, definition.working_directory);
    if (!started_by.empty()) definition.started_by = started_by;
    return spec;
}

}  // namespace persistproc::rundir
