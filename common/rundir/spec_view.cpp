#include <cerrno>
#include <cstring>
#include <iterator>

#include "common/rundir/spec.hpp"
#include "common/rundir/spec_scanner.hpp"

namespace persistproc::rundir {
namespace {

bool parse_run(std::string_view text, RunId& out) noexcept {
    const std::size_t dot = text.find('.');
    std::uint64_t process = 0, run = 0;
    if (text.empty() || text[0] != 'p' || dot == text.npos || !parse_number(slice(text, 1, dot - 1), process) ||
        !parse_number(slice(text, dot + 1), run) || process > UINT32_MAX || run > UINT32_MAX)
        return false;
    out.process.number = static_cast<std::uint32_t>(process);
    out.number = static_cast<std::uint32_t>(run);
    return true;
}

bool parse_nonce(std::string_view text, Nonce& out) noexcept {
    if (text.size() != 2 * out.size()) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
        std::uint64_t byte = 0;
        if (!parse_number(slice(text, 2 * i, 2), byte, 16)) return false;
        out[i] = static_cast<std::uint8_t>(byte);
    }
    return true;
}

bool parse_limit(std::string_view text, ResourceLimit& out) noexcept {
    const std::size_t first = text.find(' ');
    const std::size_t second = first == text.npos ? text.npos : text.find(' ', first + 1);
    std::uint64_t resource = 0;
    if (second == text.npos || !parse_number(slice(text, 0, first), resource) || resource > 255) return false;
    out.resource = static_cast<int>(resource);
    return parse_number(slice(text, first + 1, second - first - 1), out.soft) &&
           parse_number(slice(text, second + 1), out.hard);
}

/// "120x40".
bool parse_size(std::string_view text, SpecView& out) noexcept {
    const std::size_t sign = text.find('x');
    std::uint64_t columns = 0, rows = 0;
    if (sign == text.npos || !parse_number(slice(text, 0, sign), columns) ||
        !parse_number(slice(text, sign + 1), rows) || columns == 0 || columns > UINT16_MAX || rows == 0 ||
        rows > UINT16_MAX)
        return false;
    out.columns = static_cast<std::uint16_t>(columns);
    out.rows = static_cast<std::uint16_t>(rows);
    return true;
}

/// Facts that stand once. Each bit of `seen` is one of them; a second value is as wrong as none.
bool once(unsigned& seen, unsigned bit) noexcept {
    const bool first = (seen & bit) == 0;
    seen |= bit;
    return first;
}
enum Fact : unsigned { run = 1, nonce = 2, cwd = 4, mask = 8, signal = 16, grace = 32, segment = 64, bound = 128 };
constexpr unsigned required = Fact::run | Fact::nonce | Fact::cwd;

bool read_fact(std::string_view key, std::string_view value, unsigned& seen, SpecView& out) noexcept {
    std::uint64_t number = 0;
    if (key == "run") return once(seen, Fact::run) && parse_run(value, out.id);
    if (key == "nonce") return once(seen, Fact::nonce) && parse_nonce(value, out.nonce);
    if (key == "umask") {
        if (!once(seen, Fact::mask) || !parse_number(value, number, 8) || number > 0777) return false;
        out.umask = static_cast<mode_t>(number);
    } else if (key == "limit") {
        if (out.limit_count == static_cast<int>(std::size(out.limits))) return false;
        return parse_limit(value, out.limits[out.limit_count++]);
    } else if (key == "stop-signal") {
        if (!once(seen, Fact::signal) || !parse_number(value, number) || number == 0 || number > 64) return false;
        out.stop_signal = static_cast<int>(number);
    } else if (key == "grace-ms") {
        if (!once(seen, Fact::grace) || !parse_number(value, number) || number > UINT32_MAX) return false;
        out.grace_ms = static_cast<std::uint32_t>(number);
    } else if (key == "segment-bytes") {
        return once(seen, Fact::segment) && parse_number(value, out.segment_bytes);
    } else if (key == "log-bound-bytes") {
        return once(seen, Fact::bound) && parse_number(value, out.log_bound_bytes);
    } else if (key == "notify") {
        out.notifies = value == "1";
    } else if (key == "input") {
        out.has_input = value == "pipe";
    } else if (key == "tty") {
        return parse_size(value, out);
    }
    return true;
}

}  // namespace

int SpecView::decode(char* bytes, std::size_t size, char** table, std::size_t table_size, SpecView& out,
                     std::size_t* where) noexcept {
    out = SpecView{};
    const std::string_view text(bytes, size);
    SpecScanner scanner(text);
    const auto fail = [&](int err, std::size_t offset) {
        if (where != nullptr) *where = offset;
        return err;
    };
    if (const int err = scanner.check()) return fail(err, scanner.where());

    SpecScanner::Entry entry;
    std::size_t words = 0, variables = 0;
    unsigned seen = 0;
    while (scanner.next(entry)) {
        const std::string_view value = slice(text, entry.value, entry.length);
        const bool word = entry.key == "arg", variable = entry.key == "env";
        if ((word || variable || entry.key == "cwd") && value.find('\0') != value.npos)
            return fail(EBADMSG, entry.value);
        if (entry.key == "cwd" && (!once(seen, Fact::cwd) || value.empty())) return fail(EBADMSG, entry.value);
        words += word;
        variables += variable;
        if (!read_fact(entry.key, value, seen, out)) return fail(EBADMSG, entry.value);
    }
    if (words == 0 || (seen & required) != required) return fail(EBADMSG, size);
    if (words + variables + 2 > table_size) return fail(E2BIG, size);

    out.argv = table;
    out.environment = table + words + 1;
    char** next_word = out.argv;
    char** next_variable = out.environment;
    scanner.rewind();
    while (scanner.next(entry)) {
        char* value = bytes + entry.value;
        value[entry.length] = '\0';
        if (entry.key == "arg") *next_word++ = value;
        if (entry.key == "env") *next_variable++ = value;
        if (entry.key == "cwd") out.working_directory = value;
    }
    *next_word = nullptr;
    *next_variable = nullptr;
    return 0;
}

}  // namespace persistproc::rundir
