#include "common/domain/cause.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <type_traits>

#include "common/base/text.hpp"
#include "common/domain/actor.hpp"

namespace persistproc::domain {

namespace {

std::string start_failure_text(const Cause& cause) {
    const std::string stage = cause.stage.value_or("start");
    // A system call's name says nothing to whoever typed the command.
    if (stage == "execve" && cause.os_error.value_or(0) != 0) return std::strerror(*cause.os_error);
    if (stage == "pty" && cause.os_error == ENOSPC) return "pty: no terminal is free (kernel.pty.max)";
    if (stage == "pty" && (cause.os_error == ENOENT || cause.os_error == ENODEV))
        return "pty: there is no /dev/ptmx here, or no /dev/pts";
    return cause.os_error.value_or(0) != 0 ? fmt::format("{}: {}", stage, std::strerror(*cause.os_error)) : stage;
}

/// A count that is none, of damage or of another release, is told as if there was none.
std::optional<std::int64_t> count_of(const std::optional<std::int64_t>& told) {
    return told && *told >= 0 ? told : std::nullopt;
}

std::string killed_text(const Cause& cause) {
    const std::string what = "SIGKILL was not sent by persistproc";
    if (!count_of(cause.count)) return what;
    if (*cause.count == 0)
        return what + "; the kernel killed nothing in its keeper's cgroup for want of memory meanwhile";
    return fmt::format("{}; the kernel killed {} in its cgroup for want of memory meanwhile", what,
                       base::counted(*cause.count, "process", "processes"));
}

std::string replaced_text(const Cause& cause) {
    const std::int64_t times = count_of(cause.count).value_or(1);
    const std::int64_t bytes = count_of(cause.bytes).value_or(0);
    return fmt::format("its shim was killed and replaced{}; {}", times == 1 ? "" : fmt::format(" {} times", times),
                       bytes > 0 ? fmt::format("at most {} of output may be missing", base::counted(bytes, "byte"))
                                 : "nothing is missing");
}

std::string by_text(const Cause& cause) { return cause.by && !cause.by->empty() ? " " + by_whom(*cause.by) : ""; }

std::string other_version_text(const char* which, const Cause& cause) {
    return fmt::format("written by {} {} version (format {}), which alone can use it; not touched",
                       which[0] == 'o' ? "an" : "a", which, cause.text.value_or("unknown"));
}

/// Of a code that only a newer version knows: what it says, as names and values.
std::string unknown_text(const Cause& cause) {
    std::string values;
    const auto add = [&values](std::string_view name, const std::string& value) {
        values += fmt::format("{}{} {}", values.empty() ? "" : ", ", name, value);
    };
    Cause::fields([&](const auto& each) {
        using Value = typename std::decay_t<decltype(each)>::Value;
        const Value& value = each.of(cause);
        if constexpr (std::is_same_v<Value, std::optional<WallTime>>) {
            if (value) add(each.name, base::format_rfc3339(*value));
        } else if constexpr (!std::is_same_v<Value, schema::Open<CauseCode>>) {
            if (value) add(each.name, fmt::format("{}", *value));
        }
    });
    for (const auto& [name, value] : cause.unknown.members) add(name, value);
    const std::string word(cause.code.word());
    return values.empty() ? word : fmt::format("{} ({})", word, values);
}

const char* error_text(const Cause& cause) { return std::strerror(cause.os_error.value_or(0)); }

}  // namespace

std::string count_text(const Cause& cause) {
    return cause.count && cause.most ? fmt::format(" ({} of {})", *cause.count, *cause.most) : "";
}

std::string cause_text(const Cause& cause) {
    const auto code = cause.code.known();
    if (!code) return unknown_text(cause);
    switch (*code) {
        case CauseCode::start_failed: return start_failure_text(cause);
        case CauseCode::shim_killed: return "its shim was killed before it could record an outcome";
        case CauseCode::end_unseen: return "its shim was killed, and nobody was left to see how it ended";
        case CauseCode::machine_restarted: return "it ended with the machine";
        case CauseCode::data_copied:
            return "this data directory is a copy of the one it ran in, and nothing that lives is touched";
        case CauseCode::run_damaged: return "its run directory is damaged: " + cause.text.value_or("");
        case CauseCode::killed_by_other: return killed_text(cause);
        case CauseCode::signal_sent: return "the signal was sent" + by_text(cause);
        case CauseCode::quick_failures:
            return fmt::format("{} shorter than {}",
                               base::counted(cause.count.value_or(0), "run in a row was", "runs in a row were"),
                               base::format_seconds(cause.seconds.value_or(0)));
        case CauseCode::runs_again:
            // Never more than a day from when it was set: the time of day says it.
            return fmt::format("runs again at {}Z{}", base::format_rfc3339(cause.at.value_or(WallTime{})).substr(11, 8),
                               count_text(cause));
        case CauseCode::shut_down: return "persistproc shutdown stopped everything";
        case CauseCode::called_off: return fmt::format("stopped{} after it had ended", by_text(cause));
        case CauseCode::written_by_newer: return other_version_text("newer", cause);
        case CauseCode::written_by_older: return other_version_text("older", cause);
        case CauseCode::left_running:
            return count_of(cause.count) ? fmt::format("{} left running", *cause.count)
                                         : "programs it started still run";
        case CauseCode::leftovers_ended:
            return fmt::format("ended {} it had left running", !count_of(cause.count) ? "what"
                                                               : cause.count == 1
                                                                   ? "1 program that"
                                                                   : fmt::format("{} programs that", *cause.count));
        case CauseCode::shim_silent:
            return fmt::format("its shim (PID {}) lives but does not answer; it is asked again", cause.pid.value_or(0));
        case CauseCode::output_dropped:
            return fmt::format("output is being dropped ({}): make room, and recording goes on", error_text(cause));
        case CauseCode::log_device_error:
            return fmt::format("its log met a device error ({}): check the disk", error_text(cause));
        case CauseCode::output_lost:
            if (cause.text)
                return "the last " +
                       base::counted(cause.bytes.value_or(0), "byte of its output was", "bytes of its output were") +
                       " lost when the machine went down";
            return count_of(cause.bytes) ? base::counted(*cause.bytes, "byte of output was not recorded",
                                                         "bytes of output were not recorded")
                                         : "some output was not recorded";
        case CauseCode::output_removed:
            return base::counted(
                cause.bytes.value_or(0),
                "byte of recorded output can no longer be read: somebody removed or changed its files",
                "bytes of recorded output can no longer be read: somebody removed or changed its files");
        case CauseCode::shim_replaced: return replaced_text(cause);
        case CauseCode::suspended: return "suspended until SIGCONT";
        case CauseCode::files_changed: return cause.text.value_or("a file") + " changed";
        case CauseCode::watch_suspended:
            return fmt::format(
                "{} restarts for changed files within {}, the last one {}: it is not restarted for any "
                "until somebody starts or restarts it, or brings its project up",
                cause.count.value_or(0), base::format_seconds(cause.seconds.value_or(0)), cause.text.value_or(""));
        case CauseCode::watch_failed: return "its files are not watched: " + cause.text.value_or("");
        case CauseCode::not_understood:
            return cause.text ? fmt::format("it is not run again: its {} was written by a later release", *cause.text)
                              : "it is not run again: its command is not on record";
        case CauseCode::data_removed: return "the data directory was removed, and nothing of it is recorded any more";
        case CauseCode::checks_failed: return cause.text.value_or("its checks failed");
        case CauseCode::waits_for:
            return cause.text.value_or("") + (cause.by ? ": " + *cause.by : std::string(": not there yet"));
        case CauseCode::dependency:
            return fmt::format("it needs {}, which {}", cause.text.value_or(""), cause.by.value_or("is not there"));
        case CauseCode::not_begun: return cause.text.value_or("");
    }
    return {};
}

std::string causes_text(const std::vector<Cause>& causes) {
    std::string out;
    for (const auto& each : causes) {
        if (!out.empty()) out += "; ";
        out += cause_text(each);
    }
    return out;
}

}  // namespace persistproc::domain
