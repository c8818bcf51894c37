#include "daemon/core/run_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "common/base/elf.hpp"
#include "common/base/file.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/kill_point.hpp"
#include "common/base/proc.hpp"
#include "common/base/random.hpp"
#include "common/base/text.hpp"
#include "common/base/unique_fd.hpp"
#include "common/domain/interpreter.hpp"
#include "common/logstore/reader.hpp"
#include "common/logstore/writer.hpp"
#include "common/rundir/paths.hpp"
#include "common/rundir/shim_presence.hpp"
#include "daemon/core/shares.hpp"

namespace persistproc::core {

namespace fs = std::filesystem;

namespace {

// Of a command: where files are looked for, and how many are remembered.
constexpr std::size_t most_arguments_looked_at = 16, most_argument_files = 4;
/// What a run needs before its program has printed anything: its record, spec, state, lock, socket, segment and index.
constexpr std::uint64_t bytes_of_a_run = 64u << 10, files_of_a_run = 8;
constexpr std::size_t max_spec_bytes = 16u << 20;
constexpr std::string_view hidden_prefix = ".removed-";  // and a salt, or the process whose removal is on record so
constexpr const char* unfinished_name = ".new";          // in `runs`; a process makes one run at a time

Result<bool> write_new_file(const fs::path& path, std::string_view bytes) {
    auto fd = base::open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (!fd) return fd.error();
    if (const int failed = base::write_all(fd->get(), bytes); failed != 0)
        return base::os_failure(path.string(), failed);
    return true;
}

/// `is_new`: whether this call has made it.
Result<void> make_directory(const fs::path& path, bool& is_new) {
    is_new = ::mkdir(path.c_str(), 0700) == 0;
    if (is_new || errno == EEXIST) return boost::system::in_place_value;
    return base::os_failure(path.string(), errno);
}

Result<void> hide_and_remove(const fs::path& path) {
    std::uint8_t salt[8];
    base::fill_random(salt);
    const fs::path hidden = path.parent_path() / fmt::format("{}{}", hidden_prefix, base::to_hex(salt));
    if (::rename(path.c_str(), hidden.c_str()) != 0) {
        if (errno == ENOENT) return boost::system::in_place_value;
        return base::os_failure(path.string(), errno);
    }
    base::kill_point("daemon.remove.hidden");
    std::error_code ignored;  // what stays behind is hidden, and swept later
    fs::remove_all(hidden, ignored);
    return boost::system::in_place_value;
}

fs::path mark_of_removal(const fs::path& root, ProcessId id) {
    return root.parent_path() / (std::string(hidden_prefix) + to_string(id));
}
/// Nothing: the name is no such mark.
std::optional<ProcessId> marked_process(std::string_view name) {
    if (!name.starts_with(hidden_prefix)) return std::nullopt;
    return domain::find_process_id(name.substr(hidden_prefix.size()));
}

/// Puts `unfinished` in the place of a run's directory that waited for its start.
Result<void> take_place(const fs::path& unfinished, const fs::path& root) {
    const auto state = rundir::read_state(root / "state");
    const bool had_program = !state || state->phase > rundir::Phase::aborted;
    if (had_program) return base::os_failure(root.string(), EEXIST);
    if (::renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, root.c_str(), RENAME_EXCHANGE) == 0)
        return hide_and_remove(unfinished);
    if (errno != EINVAL && errno != ENOSYS) return base::os_failure(root.string(), errno);
    // A file system that cannot exchange: for a moment there is neither.
    if (auto removed = hide_and_remove(root); !removed) return removed.error();
    if (::rename(unfinished.c_str(), root.c_str()) != 0) return base::os_failure(root.string(), errno);
    return boost::system::in_place_value;
}

/// Names in a directory; none when it does not exist. Errors: io.
Result<std::vector<std::string>> names_in(const fs::path& directory) {
    std::vector<std::string> out;
    auto fd = base::open_file(directory, O_RDONLY | O_DIRECTORY);
    if (!fd && fd.error().code == ErrorCode::not_found) return out;
    if (!fd) return fd.error();
    // A data directory has tens of thousands of small ones: opendir(3) makes twice as many system calls.
    alignas(dirent64) char buffer[32768];
    for (;;) {
        const ssize_t got = ::getdents64(fd->get(), buffer, sizeof buffer);
        if (got < 0) return base::os_failure(directory.string(), errno);
        if (got == 0) return out;
        for (ssize_t at = 0; at < got;) {
            const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..") out.emplace_back(name);
            at += entry->d_reclen;
        }
    }
}

Result<std::vector<std::uint32_t>> run_numbers(const fs::path& runs) {
    auto names = names_in(runs);
    if (!names) return names.error();
    std::vector<std::uint32_t> out;
    for (const std::string& name : *names)
        if (const auto number = domain::find_number(name)) out.push_back(*number);
    std::sort(out.begin(), out.end());
    return out;
}

/// How much is missing of what its shim had written when it recorded the end. Only a power cut takes that: the record
/// may have been on the disk before the output was. What cannot be read says nothing.
std::uint64_t find_cut(const fs::path& log, const rundir::RunState& state, base::BootId boot) {
    if (state.phase != rundir::Phase::exited || state.boot_id == boot) return 0;
    const auto end = logstore::find_log_end(log);
    if (!end || end->position >= state.log_end) return 0;
    return state.log_end - std::max(end->position, std::min(state.log_begin, state.log_end));
}

/// Whether a byte is in a log, or nobody can tell.
bool has_output(const fs::path& log) {
    const auto names = names_in(log);
    if (!names) return true;
    return std::any_of(names->begin(), names->end(), [&](const fs::path& name) {
        struct stat facts {};
        return name.extension() == ".log" && ::lstat((log / name).c_str(), &facts) == 0 && facts.st_size > 0;
    });
}

/// Whether a file is not what it must be; anything else may be over the next time.
bool is_damage(const Error& error) { return error.code != ErrorCode::io; }

}  // namespace

Result<Unsynced> prepare_run(fs::path data, rundir::RunSpec spec, base::BootId boot) {
    const auto process = rundir::process_paths(data, spec.id.process);
    const auto run = rundir::run_paths(data, spec.id);
    // Made under another name: a run's directory without its files would pass for a damaged run after a crash.
    const fs::path unfinished = process.runs / unfinished_name;
    // Only what this call has made is removed again, by mkdir's own word.
    bool is_new = false;
    const auto undo = [&](Error error) {
        (void)hide_and_remove(is_new ? process.root : unfinished);
        return error;
    };
    if (auto made = make_directory(process.root, is_new); !made) return made.error();
    bool is_known = false;
    for (const fs::path& each : {process.log, process.runs})
        if (auto made = make_directory(each, is_known); !made) return undo(made.error());
    if (auto swept = hide_and_remove(unfinished); !swept) return undo(swept.error());
    if (auto made = make_directory(unfinished, is_known); !made) return undo(made.error());
    if (auto made = write_new_file(unfinished / run.spec.filename(), rundir::encode_spec(spec)); !made)
        return undo(made.error());
    if (auto made = rundir::create_state(unfinished / run.state.filename(), boot); !made) return undo(made.error());
    base::kill_point("daemon.start.written");
    if (::rename(unfinished.c_str(), run.root.c_str()) != 0) {
        if (errno != EEXIST && errno != ENOTEMPTY) return undo(base::os_failure(run.root.string(), errno));
        if (auto taken = take_place(unfinished, run.root); !taken) return undo(taken.error());
    }
    Unsynced out{.files = {run.spec, run.state}, .directories = {run.root, process.runs}};
    if (is_new) {
        out.directories.push_back(process.root);
        out.directories.push_back(process.root.parent_path());
    }
    return out;
}

/// What is ours and whoever comes that far may read or write: by us alone from now on. Never through a link.
static void close_to_others(const fs::path& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0 || (info.st_mode & 077u) == 0 || info.st_uid != ::geteuid()) return;
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) return;
    const auto fd = base::open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (fd) (void)::fchmod(fd->get(), info.st_mode & 0700u);
}

Result<FoundRun> find_run(fs::path data, RunId id, base::BootId boot, bool known_ended) {
    const auto paths = rundir::run_paths(data, id);
    FoundRun found{.id = id};
    if (auto own = base::check_own_directory(paths.root); !own && own.error().code == ErrorCode::denied)
        return own.error();
    close_to_others(paths.root);
    close_to_others(paths.spec);
    // The lock is asked before the state is read: a shim that ends in between has written its last state.
    const auto locked = base::is_locked(paths.shim_lock);
    if (locked)
        found.shim_alive = *locked;
    else if (locked.error().code != ErrorCode::not_found)
        return locked.error();
    rundir::Format other;
    const auto state = rundir::read_state(paths.state, &other);
    if (state)
        found.state = *state;
    else if (state.error().code == ErrorCode::unsupported)
        found.other_format = other;
    else if (is_damage(state.error()))
        found.trouble = state.error().message;
    else
        return state.error();
    // A lock that is held is this very directory's.
    if (found.shim_alive && found.state.boot_id == rundir::copied) found.state.boot_id = boot;
    // A lock that somebody has removed, or put another file in the place of, proves no death.
    if (state && !found.shim_alive) found.shim_alive = rundir::is_shim_there(*state, boot);
    if (state && !found.shim_alive)
        found.cut_bytes = find_cut(rundir::process_paths(data, id.process).log, *state, boot);
    if (known_ended && !found.shim_alive) return found;
    const auto bytes = base::read_own_file(paths.spec, max_spec_bytes);
    if (bytes) {
        auto spec = rundir::decode_spec(*bytes, &other);
        if (spec)
            found.spec = std::move(*spec);
        else if (spec.error().code == ErrorCode::unsupported)
            found.other_format = found.other_format.value_or(other);
        else
            found.trouble = spec.error().message;
    } else if (is_damage(bytes.error())) {
        found.trouble = bytes.error().message;
    } else {
        return bytes.error();
    }
    return found;
}

Result<rundir::RunSpec> load_spec(const fs::path& data, RunId id) {
    const auto bytes = base::read_own_file(rundir::run_paths(data, id).spec, max_spec_bytes);
    if (!bytes) return bytes.error();
    return rundir::decode_spec(*bytes);
}

Result<ProcessDirectories> find_directories(const fs::path& data) {
    auto names = names_in(data / "procs");
    if (!names) return names.error();
    ProcessDirectories out;
    for (const std::string& name : *names) {
        if (const auto id = domain::find_process_id(name)) out.processes.push_back(*id);
        if (const auto id = marked_process(name)) out.removals.push_back(*id);
    }
    std::sort(out.processes.begin(), out.processes.end());
    std::sort(out.removals.begin(), out.removals.end());
    std::erase_if(out.removals,
                  [&](ProcessId id) { return std::binary_search(out.processes.begin(), out.processes.end(), id); });
    return out;
}

FoundProcess find_process(const fs::path& data, ProcessId id, std::optional<std::uint32_t> known_ended,
                          base::BootId boot) {
    FoundProcess process{.id = id};
    const auto paths = rundir::process_paths(data, id);
    for (const fs::path& each : {paths.root, paths.runs, paths.log}) {
        const auto own = base::check_own_directory(each);
        close_to_others(each);
        if (own || own.error().code != ErrorCode::denied) continue;
        process.trouble = own.error().message;
        return process;
    }
    auto runs = run_numbers(paths.runs);
    if (!runs) {
        process.trouble = runs.error().message;
        return process;
    }
    process.runs = std::move(*runs);
    if (process.runs.empty()) {
        process.has_output = has_output(paths.log);
        return process;
    }
    const std::uint32_t newest = process.runs.back();
    auto run = find_run(data, RunId{id, newest}, boot, known_ended == newest);
    if (run)
        process.newest = std::move(*run);
    else
        process.trouble = run.error().message;
    return process;
}

Result<void> remove_run_files(fs::path data, RunId id) { return hide_and_remove(rundir::run_paths(data, id).root); }
Result<void> remove_process_files(fs::path data, ProcessId id) {
    const auto root = rundir::process_paths(data, id).root;
    if (auto removed = hide_and_remove(root); !removed) return removed;
    // Durable before the row goes.
    if (auto synced = base::sync_directory(root.parent_path()); !synced) return synced.error();
    return boost::system::in_place_value;
}

Result<void> begin_removal(fs::path data, ProcessId id) {
    const auto root = rundir::process_paths(data, id).root;
    const fs::path mark = mark_of_removal(root, id);
    const bool is_renamed = ::rename(root.c_str(), mark.c_str()) == 0;
    bool is_new = false;
    if (!is_renamed) {
        if (errno != ENOENT) return base::os_failure(root.string(), errno);
        // What has no directory is still to be on record as removed.
        if (auto made = make_directory(mark, is_new); !made) return made.error();
    }
    if (auto synced = base::sync_directory(root.parent_path()); !synced) {
        if (is_renamed) ::rename(mark.c_str(), root.c_str());
        if (is_new) ::rmdir(mark.c_str());
        return synced.error();
    }
    base::kill_point("daemon.remove.hidden");
    std::error_code ignored;  // what stays behind the next daemon finds
    // Where a link leads is somebody's own: it goes alone, and last.
    if (fs::is_symlink(mark, ignored)) return boost::system::in_place_value;
    for (const auto& each : fs::directory_iterator(mark, ignored)) fs::remove_all(each.path(), ignored);
    return boost::system::in_place_value;
}

void end_removal(fs::path data, ProcessId id) {
    std::error_code ignored;
    fs::remove_all(mark_of_removal(rundir::process_paths(data, id).root, id), ignored);
}

namespace {

/// All before the newest `keep` runs. A start that came to nothing is not counted: a few of them would push out the
/// last run that had a program, and with it the proof of how that ended. What another version wrote is left alone.
std::vector<RunId> old_runs(const fs::path& data, ProcessId process, const std::vector<std::uint32_t>& ascending,
                            std::size_t keep) {
    std::vector<RunId> out;
    if (ascending.size() <= keep) return out;
    std::size_t kept = 0;
    for (auto number = ascending.rbegin(); number != ascending.rend(); ++number) {
        const RunId run{process, *number};
        const auto state = rundir::read_state(rundir::run_paths(data, run).state);
        if (!state && state.error().code == ErrorCode::unsupported) continue;
        const bool came_to_nothing = state && state->phase < rundir::Phase::started;
        if (kept >= keep)
            out.push_back(run);
        else if (!came_to_nothing)
            ++kept;
    }
    return out;
}

}  // namespace

void collect_garbage(fs::path data, std::size_t keep_runs, std::uint64_t bound_bytes, const Starters& starters) {
    struct Segment {
        fs::path path;
        std::uint64_t bytes;
        fs::file_time_type written;
    };
    Shares<fs::file_time_type, fs::path> kept;
    // What cannot be listed is left alone.
    const auto listed = [](const fs::path& directory) {
        auto names = names_in(directory);
        return names ? std::move(*names) : std::vector<std::string>();
    };
    const auto sweep = [](const fs::path& directory, const std::string& name) {
        if (!name.starts_with(hidden_prefix)) return;
        // Where the process is there, it is another's, whose number was given again: what it records has come about.
        const auto id = marked_process(name);
        std::error_code ignored;
        if (id && !fs::exists(fs::symlink_status(directory / to_string(*id), ignored))) return;
        fs::remove_all(directory / name, ignored);
    };
    for (const std::string& name : listed(data / "procs")) {
        sweep(data / "procs", name);
        const auto id = domain::find_process_id(name);
        if (!id) continue;
        const auto paths = rundir::process_paths(data, *id);
        for (const std::string& run : listed(paths.runs)) sweep(paths.runs, run);
        const auto runs = run_numbers(paths.runs);
        if (runs)
            for (const RunId old : old_runs(data, *id, *runs, keep_runs)) (void)remove_run_files(data, old);
        std::vector<Segment> segments;
        for (const std::string& file : listed(paths.log)) {
            const fs::path path = paths.log / file;
            if (path.extension() != ".log") continue;
            std::error_code gone;
            const auto bytes = fs::file_size(path, gone);
            const auto written = gone ? fs::file_time_type{} : fs::last_write_time(path, gone);
            if (gone) continue;
            segments.push_back({path, bytes, written});
        }
        if (segments.empty()) continue;
        std::sort(segments.begin(), segments.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
        const auto starter = starters.find(*id);
        const std::string actor = starter == starters.end() ? std::string() : starter->second;
        kept.hold(actor, segments.back().bytes);
        segments.pop_back();
        // By number, whatever a clock said meanwhile: output is lost at its beginning, never in its middle.
        auto age = fs::file_time_type::min();
        for (auto& each : segments) {
            age = std::max(age, each.written);
            kept.add(actor, age, each.bytes, std::move(each.path));
        }
    }
    while (const auto segment = kept.take_beyond(bound_bytes)) {
        fs::path index = *segment;
        index.replace_extension(".idx");
        std::error_code ignored;
        // The index first: readers take a segment to be there while its index is.
        fs::remove(index, ignored);
        fs::remove(*segment, ignored);
    }
}

Result<void> check_room(const fs::path& data) {
    struct statvfs facts {};
    if (::statvfs(data.c_str(), &facts) != 0 || facts.f_blocks == 0) return boost::system::in_place_value;
    const auto blocks = ::geteuid() == 0 ? facts.f_bfree : facts.f_bavail;
    const bool is_full = std::uint64_t{blocks} * facts.f_frsize < bytes_of_a_run;
    const bool lacks_files = facts.f_files > 0 && facts.f_favail < files_of_a_run;
    if (auto lack = base::lack_of_room(data, is_full || lacks_files ? ENOSPC : 0)) return *lack;
    return boost::system::in_place_value;
}

Result<std::string> canonical_directory(const std::string& path) {
    const auto refuse = [&](const char* why) {
        return Error{ErrorCode::invalid, fmt::format("working_directory: {} {}", base::excerpt(path), why)};
    };
    if (path.find('\0') != std::string::npos) return refuse("holds a NUL byte");
    if (path.empty() || path.front() != '/') return refuse("is not an absolute path");
    std::error_code failed;
    const auto canonical = std::filesystem::canonical(path, failed);
    if (failed == std::errc::no_such_file_or_directory) return refuse("does not exist");
    if (failed) return refuse(failed.message().c_str());
    struct stat info {};
    if (::stat(canonical.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return refuse("is not a directory");
    if (::access(canonical.c_str(), X_OK) != 0) return refuse("cannot be entered");
    return canonical.string();
}

/// Of the files of a log, none of which may be a link.
static Error log_failure(const fs::path& log, int err) {
    std::error_code failed;
    if (err == ELOOP)
        for (fs::directory_iterator entry(log, failed), end; !failed && entry != end; entry.increment(failed))
            if (entry->is_symlink(failed))
                return {ErrorCode::denied, fmt::format("{} is a symbolic link; look at what it leads to, and remove it",
                                                       entry->path().native())};
    return base::os_failure(log.native(), err);
}

Result<void> clear_output(const fs::path& data, ProcessId id) {
    const fs::path log = rundir::process_paths(data, id).log;
    const base::UniqueFd directory(::open(log.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) return base::os_failure(log.native(), errno);
    // A log has one writer.
    if (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0)
        return Error{ErrorCode::unavailable, "its output is still being recorded; try again"};
    logstore::Writer writer;
    int err = writer.open(directory.get(), {});
    if (err == 0) err = writer.clear();
    if (err == 0) err = writer.sync();
    writer.close();
    if (err != 0) return log_failure(log, err);
    return {};
}

namespace {

constexpr std::size_t longest_first_line = 255;  // the kernel reads no more of it
constexpr int most_interpreters = 4;             // scripts that are interpreters of scripts, as the kernel takes them

/// What a file's first line names after "#!".
struct FirstLine {
    std::string interpreter;
    std::string argument;  // one, with whatever blanks it holds
};

/// What a file begins with; nothing: it is not to be read.
struct Beginning {
    std::string bytes;
    std::uint64_t file_bytes = 0;
    std::string_view first() const { return std::string_view(bytes).substr(0, longest_first_line); }
};
Beginning read_beginning(int directory, const std::string& place) {
    const base::UniqueFd file(::openat(directory, place.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    struct stat facts {};
    if (!file || ::fstat(file.get(), &facts) != 0) return {};
    std::array<char, base::elf_beginning_bytes> bytes{};
    const ssize_t got = ::read(file.get(), bytes.data(), bytes.size());
    return {std::string(bytes.data(), got > 0 ? static_cast<std::size_t>(got) : 0),
            static_cast<std::uint64_t>(facts.st_size)};
}

/// Nothing: it is no script, or its line is longer than the kernel reads.
std::optional<FirstLine> parse_first_line(std::string_view line) {
    const std::size_t end = line.find('\n');
    if (!line.starts_with("#!") || (end == line.npos && line.size() == longest_first_line)) return std::nullopt;
    constexpr std::string_view blanks = " \t";
    line = line.substr(2, end == line.npos ? end : end - 2);
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    line = line.substr(0, line.find_last_not_of(blanks) + 1);
    FirstLine out;
    out.interpreter = line.substr(0, line.find_first_of(blanks));
    line.remove_prefix(out.interpreter.size());
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    out.argument = line;
    return out;
}

/// The program that env(1) is to look for: the first word of its argument, or the first that is no variable of what -S
/// splits it into. Empty: flags stand before it, a PATH, or quotes, and env alone knows what is meant.
std::string_view program_of_env(std::string_view argument) {
    for (const std::string_view flag : {"-S", "--split-string="}) {
        if (!argument.starts_with(flag)) continue;
        argument.remove_prefix(flag.size());
        if (argument.find_first_of("\"'\\$#") != argument.npos) return {};
        constexpr std::string_view gaps = " \t\r\v\f";
        std::string_view word;
        do {
            argument.remove_prefix(std::min(argument.find_first_not_of(gaps), argument.size()));
            word = argument.substr(0, argument.find_first_of(gaps));
            argument.remove_prefix(word.size());
        } while (word.find('=') != word.npos && !word.starts_with("PATH="));
        argument = word;
        break;
    }
    return argument.starts_with('-') || argument.find('=') != argument.npos ? std::string_view() : argument;
}

/// Whether it takes a carriage return at the end of its argument for a part of it, and then knows no such flag.
bool minds_carriage_return(std::string_view interpreter) {
    constexpr std::string_view names[] = {"sh", "bash", "dash", "ksh", "zsh", "node", "nodejs"};
    const std::string_view name = interpreter.substr(interpreter.rfind('/') + 1);
    return name.starts_with("python") || std::find(std::begin(names), std::end(names), name) != std::end(names);
}

/// Text that a shell would be given although it is of another language: execve leaves that to whoever asked for it.
bool is_text_for_other(const std::string& place, std::string_view beginning) {
    return !domain::may_be_shell_script(place) && !beginning.empty() && !beginning.starts_with("#!") &&
           beginning.find('\0') == beginning.npos && base::is_utf8(beginning.substr(0, beginning.find('\n')));
}

/// As the shim's child looks for a program; what only execve can tell is left to that.
class ProgramSearch {
public:
    explicit ProgramSearch(const std::string& directory)
        : from_(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

    bool can_look() const noexcept { return static_cast<bool>(from_); }
    int directory() const noexcept { return from_.get(); }

    /// 0: it can be executed. Else why not.
    int look_at(const std::string& place) const {
        struct stat facts {};
        if (::fstatat(from_.get(), place.c_str(), &facts, 0) != 0) return errno == ENOTDIR ? ENOENT : errno;
        const bool may = S_ISREG(facts.st_mode) && ::faccessat(from_.get(), place.c_str(), X_OK, AT_EACCESS) == 0;
        return may ? 0 : EACCES;
    }

    /// Where it is; nothing: nowhere, and why.
    std::pair<std::optional<std::string>, int> find(const std::string& program, std::string_view path) const {
        if (program.find('/') != std::string::npos) {
            const int error = look_at(program);
            return error != 0 ? std::pair(std::optional<std::string>(), error) : std::pair(std::optional(program), 0);
        }
        for (int error = ENOENT;;) {
            const auto folder = path.substr(0, path.find(':'));
            std::string place = folder.empty() ? program : fmt::format("{}/{}", folder, program);
            const int failed = look_at(place);
            if (failed == 0) return {std::move(place), 0};
            if (failed == EACCES) error = EACCES;
            if (folder.size() == path.size()) return {std::nullopt, error};
            path.remove_prefix(folder.size() + 1);
        }
    }

private:
    base::UniqueFd from_;
};

Error exec_failure(int os_error, std::string message = {}) {
    return Error{ErrorCode::exec_failed, std::move(message), os_error};
}

Error refuse_interpreter(const std::string& program, const std::string& interpreter, int os_error) {
    const char* what = os_error == ENOENT ? "missing" : "no program that can be executed";
    return exec_failure(os_error, fmt::format("{}: {}, which its first line names, is {}", base::excerpt(program),
                                              base::quote(interpreter), what));
}

/// Of a path that cannot be executed, with what to type; empty: nothing is known but `os_error`.
std::string refused_text(const ProgramSearch& search, const std::string& program, const std::string& directory,
                         int os_error) {
    if (program.find('/') == std::string::npos) return {};
    struct stat facts {};
    const std::string name = base::excerpt(program);
    if (os_error == ENOENT) {
        const bool is_link = ::fstatat(search.directory(), program.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0;
        return name + (is_link ? ": a link that leads to no file" : ": no such file");
    }
    if (os_error != EACCES || ::fstatat(search.directory(), program.c_str(), &facts, 0) != 0) return {};
    if (S_ISDIR(facts.st_mode)) return name + ": is a directory";
    if (!S_ISREG(facts.st_mode)) return name + ": not a regular file, and no program";
    const fs::path file = (fs::path(directory) / program).lexically_normal();
    struct statvfs system {};
    if (::statvfs(file.c_str(), &system) == 0 && (system.f_flag & ST_NOEXEC) != 0)
        return name + ": on a file system that is mounted noexec, where nothing can be executed";
    const std::string_view interpreter = domain::usual_interpreter(program);
    if (!interpreter.empty() && !read_beginning(search.directory(), program).bytes.starts_with("#!"))
        return fmt::format("{}: not executable; try: {} {}", name, interpreter, name);
    return fmt::format("{}: not executable; try: chmod +x {}", name,
                       base::shell_quote(base::escape_line(file.native())));
}

/// Of a program in the machine's own form. `who`: what is said of it, as "app: ".
Result<void> check_elf(const ProgramSearch& search, const std::string& who, const Beginning& beginning,
                       bool was_refused) {
    const base::ElfFacts facts = base::read_elf(beginning.bytes, beginning.file_bytes);
    const std::string fault = base::elf_fault_text(facts);
    const bool is_left_to_kernel =
        !was_refused && facts.kind == base::ElfFacts::Kind::foreign && base::may_have_interpreters();
    if (!fault.empty() && !is_left_to_kernel) return exec_failure(ENOEXEC, who + fault);
    const int failed = facts.loader.empty() ? 0 : search.look_at(facts.loader);
    if (failed == 0) return {};
    return exec_failure(failed, fmt::format("{}built for another system: its loader {} is {}", who,
                                            base::quote(base::excerpt(facts.loader)),
                                            failed == ENOENT ? "missing" : "no program that can be executed"));
}

}  // namespace

static rundir::ProgramFile file_of(const struct stat& facts) {
    const auto ns_of = [](const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; };
    return {facts.st_dev, facts.st_ino, static_cast<std::uint64_t>(facts.st_size), ns_of(facts.st_mtim),
            ns_of(facts.st_ctim)};
}

std::optional<rundir::ProgramFile> find_program_file(const rundir::RunSpec& spec) {
    const ProgramSearch search(spec.working_directory);
    if (!search.can_look() || spec.argv.empty() || spec.argv[0].empty()) return std::nullopt;
    std::string_view path = "/bin:/usr/bin";
    for (const std::string_view variable : spec.environment)
        if (variable.starts_with("PATH=")) path = variable.substr(5);
    const auto place = search.find(spec.argv[0], path).first;
    struct stat facts {};
    if (!place || ::fstatat(search.directory(), place->c_str(), &facts, 0) != 0) return std::nullopt;
    return file_of(facts);
}

std::vector<rundir::ArgumentFile> find_argument_files(const rundir::RunSpec& spec) {
    std::vector<rundir::ArgumentFile> out;
    const ProgramSearch search(spec.working_directory);
    if (!search.can_look()) return out;
    const std::size_t last = std::min(spec.argv.size(), most_arguments_looked_at);
    for (std::size_t i = 1; i < last && out.size() < most_argument_files; ++i) {
        struct stat facts {};
        const std::string& word = spec.argv[i];
        if (word.empty() || word.starts_with('-') || ::fstatat(search.directory(), word.c_str(), &facts, 0) != 0)
            continue;
        if (S_ISREG(facts.st_mode)) out.push_back({i, file_of(facts)});
    }
    return out;
}

Result<void> check_program(const std::string& program, std::string_view path, const std::string& directory,
                           bool was_refused) {
    const ProgramSearch search(directory);
    if (!search.can_look() || program.empty()) return {};
    auto [place, error] = search.find(program, path);
    if (!place) return exec_failure(error, refused_text(search, program, directory, error));
    for (int depth = 0; depth < most_interpreters; ++depth) {
        const Beginning beginning = read_beginning(search.directory(), *place);
        std::string who = base::excerpt(program) + ": ";
        if (depth > 0) who += base::excerpt(*place) + ", which its first line names, is ";
        if (auto fine = check_elf(search, who, beginning, was_refused); !fine) return fine;
        if (depth == 0 && beginning.bytes.starts_with("\xEF\xBB\xBF#!"))
            return exec_failure(ENOEXEC, fmt::format("{}: a byte order mark stands before its #!; try: sed -i "
                                                     "'1s/^\\xEF\\xBB\\xBF//' {}",
                                                     base::excerpt(program), base::shell_quote(base::excerpt(*place))));
        if (depth == 0 && is_text_for_other(*place, beginning.first()))
            return exec_failure(
                ENOEXEC, fmt::format("{}: its first line names no interpreter; try: {} {}", base::excerpt(program),
                                     domain::usual_interpreter(*place), base::excerpt(program)));
        const auto line = parse_first_line(beginning.first());
        // What the kernel has refused there is text without a first line of its own, or of another system.
        if (!line && depth > 0 && was_refused)
            return exec_failure(ENOEXEC, who + "no program that this machine can execute");
        if (!line) break;
        if (line->interpreter.empty())
            return exec_failure(ENOEXEC,
                                fmt::format("{}: its first line names no interpreter", base::excerpt(program)));
        const int failed = search.look_at(line->interpreter);
        if (failed != 0) return refuse_interpreter(program, line->interpreter, failed);
        if (line->argument.ends_with('\r') && minds_carriage_return(line->interpreter))
            return exec_failure(ENOEXEC, fmt::format("{}: its first line ends with CR LF, as on Windows, which {} does "
                                                     "not take",
                                                     base::excerpt(program), base::quote(line->interpreter)));
        const bool is_env = line->interpreter == "/usr/bin/env" || line->interpreter == "/bin/env";
        const std::string sought(is_env ? program_of_env(line->argument) : std::string_view());
        if (!sought.empty()) {
            const auto [found, why] = search.find(sought, path);
            if (!found) return refuse_interpreter(program, sought, why);
        }
        *place = line->interpreter;
    }
    return {};
}

}  // namespace persistproc::core
