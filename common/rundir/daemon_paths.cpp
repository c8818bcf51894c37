#include "common/rundir/daemon_paths.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>

#include "common/base/file.hpp"
#include "common/base/text.hpp"

namespace persistproc::rundir {

namespace fs = std::filesystem;

namespace {

/// The value of a variable; empty counts as not set.
std::string_view environment_value(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string_view() : std::string_view(value);
}

/// FNV-1a, 64 bits: names of sockets only, so collisions by intent harm nobody but their maker.
std::uint64_t hash_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : text) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001b3u;
    }
    return hash;
}

/// One spelling per directory, whether it exists yet or not.
fs::path canonical_form(const fs::path& directory) {
    std::error_code failed;
    fs::path canonical = fs::weakly_canonical(directory, failed);
    if (failed) canonical = directory.lexically_normal();
    if (!canonical.has_filename() && canonical.has_parent_path()) canonical = canonical.parent_path();
    return canonical;
}

/// One that no file system takes is not repeated whole, here or where it would be used.
Result<fs::path> checked(const fs::path& directory) {
    const bool is_too_long = directory.native().size() >= PATH_MAX ||
                             std::any_of(directory.begin(), directory.end(),
                                         [](const fs::path& name) { return name.native().size() > NAME_MAX; });
    if (is_too_long)
        return base::os_failure(fmt::format("data directory {}", base::excerpt(directory.native())), ENAMETOOLONG);
    return canonical_form(directory);
}

}  // namespace

Result<fs::path> resolve_data_directory(std::string_view given) {
    if (given.empty()) return find_data_directory();
    std::error_code failed;
    fs::path absolute = fs::absolute(fs::path(given), failed);
    if (failed) return base::os_failure(fmt::format("data directory {}", base::excerpt(given)), failed.value());
    return checked(absolute);
}

Result<fs::path> find_data_directory() {
    if (const auto given = environment_value("PERSISTPROC_DATA_DIR"); !given.empty())
        return resolve_data_directory(given);
    // The base directory specification tells us to ignore a relative value.
    if (const auto state = environment_value("XDG_STATE_HOME"); state.starts_with('/'))
        return checked(fs::path(state) / "persistproc");
    const auto home = environment_value("HOME");
    if (home.starts_with('/')) return checked(fs::path(home) / ".local/state/persistproc");
    return Error{ErrorCode::invalid, "no data directory: HOME is not set; give --data-dir or PERSISTPROC_DATA_DIR"};
}

Result<std::uint16_t> parse_port(std::string_view text, std::string_view source) {
    unsigned value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc() || end != text.data() + text.size() || value > 65535)
        return Error{ErrorCode::invalid,
                     fmt::format("{}: a port is a number from 0 (any free one) to 65535, got \"{}\"", source,
                                 base::excerpt(text))};
    return static_cast<std::uint16_t>(value);
}

Result<std::uint16_t> find_port() {
    const auto given = environment_value("PERSISTPROC_PORT");
    if (given.empty()) return default_port;
    return parse_port(given, "PERSISTPROC_PORT");
}

namespace {

Result<bool> find_switch(const char* variable, bool usual) {
    const auto given = environment_value(variable);
    if (given.empty()) return usual;
    if (given == "0" || given == "1") return given == "1";
    return Error{ErrorCode::invalid, fmt::format("{}: 1 or 0, got \"{}\"", variable, base::excerpt(given))};
}

}  // namespace

Result<bool> find_compat() { return find_switch("PERSISTPROC_COMPAT", false); }
Result<bool> find_autostart() { return find_switch("PERSISTPROC_AUTOSTART", true); }

fs::path fallback_socket_path(const fs::path& data) { return data / "run" / "daemon.sock"; }

Result<void> check_present(const fs::path& data, std::string_view part) {
    if (::access((data / part).c_str(), F_OK) == 0 || errno != ENOENT) return {};
    return removed_error(data);
}

Result<void> check_usable(const fs::path& data) {
    auto own = base::check_own_directory(data);
    if (!own && own.error().os_error == ENOENT) return {};
    if (own && ::access(data.c_str(), R_OK | X_OK) != 0) own = base::os_failure(data.native(), errno);
    if (own) return {};
    return Error{
        ErrorCode::denied,
        fmt::format("data directory {}; name one of yours: --data-dir or PERSISTPROC_DATA_DIR", own.error().message),
        own.error().os_error};
}

Error removed_error(const fs::path& data) {
    return Error{ErrorCode::io, fmt::format("{}: {}", removed_text(data), removed_advice)};
}

std::string removed_text(const fs::path& data) {
    return fmt::format("{} was removed while the daemon ran, and nothing can be recorded", data.native());
}

std::string shared_port_text(std::uint16_t port, std::string_view holder) {
    return fmt::format("[::1]:{} is held by {}: who takes localhost for that reaches it, not this daemon", port,
                       holder);
}

fs::path daemon_socket_path(const fs::path& data) {
    const auto runtime = environment_value("XDG_RUNTIME_DIR");
    struct stat facts {};
    if (runtime.starts_with('/') && ::stat(std::string(runtime).c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) &&
        facts.st_uid == ::geteuid())
        return fs::path(runtime) / "persistproc" / fmt::format("{:016x}.sock", hash_of(canonical_form(data).native()));
    return fallback_socket_path(data);
}

std::string abstract_socket_name(const fs::path& data) {
    return fmt::format("persistproc/{}/{:016x}", ::geteuid(), hash_of(canonical_form(data).native()));
}

fs::path autostart_lock_path(const fs::path& data) { return data / "autostart.lock"; }

fs::path daemon_log_path(const fs::path& data) { return data / "daemon.log"; }

Result<Auth> parse_auth(std::string_view text, std::string_view source) {
    for (const auto& [way, word] : schema::EnumNames<Auth>::names)
        if (word == text) return way;
    return Error{ErrorCode::invalid, fmt::format("{}: peer or token, got \"{}\"", source, base::excerpt(text))};
}

Result<std::optional<Auth>> find_auth() {
    const auto given = environment_value("PERSISTPROC_AUTH");
    if (given.empty()) return std::optional<Auth>();
    auto way = parse_auth(given, "PERSISTPROC_AUTH");
    if (!way) return way.error();
    return std::optional<Auth>(*way);
}

fs::path token_path(const fs::path& data) { return data / "token"; }

Result<std::string> read_token(const fs::path& data) {
    const fs::path file = token_path(data);
    auto text = base::read_own_file(file, 4096);
    if (!text) return text.error();
    const std::string advice = fmt::format(
        "have another made: rm {}, then persistproc serve --detach --auth token (without that word the "
        "next daemon asks for none)",
        base::shell_quote(file.native()));
    struct stat facts {};
    if (::lstat(file.c_str(), &facts) == 0 && (facts.st_mode & 077u) != 0)
        return Error{ErrorCode::denied, fmt::format("{} may be read by others (mode {:04o}); {}", file.native(),
                                                    facts.st_mode & 07777u, advice)};
    while (text->ends_with('\n')) text->pop_back();
    constexpr std::size_t shortest = 16;
    const bool is_token = text->size() >= shortest && text->find_first_not_of("0123456789abcdefABCDEF") == text->npos;
    if (!is_token) return Error{ErrorCode::corrupt, fmt::format("{} holds no token; {}", file.native(), advice)};
    return text;
}

}  // namespace persistproc::rundir
