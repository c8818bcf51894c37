#pragma once
/// Why a process is as it is, as facts: a code and its values, for programs to act on. `cause_text` puts one in words,
/// where it is shown and nowhere else.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.hpp"
#include "common/schema/field.hpp"

namespace persistproc {
namespace domain {

enum class CauseCode {
    start_failed,       // stage, os_error: the step of its start that failed
    shim_killed,        // lost: its shim was killed before it could record an outcome
    end_unseen,         // lost: its shim was killed, and nobody was left to see how it ended
    machine_restarted,  // lost
    data_copied,        // lost: it ran in a data directory of which this is a copy
    run_damaged,        // lost; text: what of its run directory cannot be read
    killed_by_other,    // SIGKILL that persistproc did not send; count: the kernel's OOM kills in the cgroup meanwhile
    signal_sent,        // at, by: who had it sent the signal that ended it
    runs_again,         // at; count, most: failures in a row, and how many end it
    quick_failures,     // it crashes; count: of its runs in a row, each shorter than `seconds`
    shut_down,          // it was stopped because everything was
    called_off,         // by: who stopped it when it had ended by itself, and maybe waited to run again
    written_by_newer,   // unsupported; text: the format
    written_by_older,   // unsupported; text: the format
    left_running,       // count: programs it started that still live; absent where they could not be counted
    leftovers_ended,    // count, as above; in the answer of what ended them alone: a stop, or another run
    shim_silent,        // pid: of its shim, which lives and does not answer
    output_dropped,     // os_error: there is no room; output is being dropped now
    log_device_error,   // os_error
    output_lost,        // bytes, where they are counted: not recorded; text: set, recorded, and gone with a power cut
    output_removed,     // bytes: somebody removed recorded output
    shim_replaced,      // count; bytes: that may be missing at most
    suspended,          // its program was stopped by a signal, and goes on with SIGCONT
    data_removed,       // somebody removed the data directory: nothing of it is recorded any more
    checks_failed,      // text: which of its checks, and why: it was ended for that
    files_changed,      // text: one of the files it watches; that is why its present run was begun
    watch_suspended,    // text: the file that changed last; count: restarts for such changes within `seconds`
    watch_failed,       // text: why changes of its files are not seen
    not_understood,     // it is not run again for that; text: of its definition, as a later release wrote it; else its
                        // command is not on record
    waits_for,          // text: a process of its project that is not there yet; by: how that one is
    dependency,         // text: a process of its project that it needs, and that cannot come up; by: how it ended,
                        // where it has ("exited with code 3")
    not_begun,          // text: why its project's start of it came to nothing
};

/// `code` says which of the others are set.
struct Cause {
    schema::Open<CauseCode> code = CauseCode::start_failed;
    std::optional<std::string> stage;
    std::optional<int> os_error;  // errno
    std::optional<std::int64_t> count;
    std::optional<std::int64_t> most;
    std::optional<std::int64_t> bytes;
    std::optional<std::int64_t> pid;
    std::optional<double> seconds;
    std::optional<WallTime> at;
    std::optional<std::string> text;
    std::optional<std::string> by;
    schema::Unknown unknown;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using C = Cause;
        using schema::field;
        each(field("code", &C::code));
        each(field("stage", &C::stage).left_out_if_absent());
        each(field("os_error", &C::os_error).left_out_if_absent());
        each(field("count", &C::count).left_out_if_absent());
        each(field("most", &C::most).left_out_if_absent());
        each(field("bytes", &C::bytes).left_out_if_absent());
        each(field("pid", &C::pid).left_out_if_absent());
        each(field("seconds", &C::seconds).left_out_if_absent());
        each(field("at", &C::at).left_out_if_absent());
        each(field("text", &C::text).left_out_if_absent());
        each(field("by", &C::by).left_out_if_absent());
    }
};

/// " (6 of 8)" where both are set.
std::string count_text(const Cause& cause);
/// In words, without an end: "chdir: No such file or directory". Of a code that only a newer version knows: its word,
/// with names and values.
std::string cause_text(const Cause& cause);
/// All of them, "; " between two.
std::string causes_text(const std::vector<Cause>& causes);

}  // namespace domain

namespace schema {
template <>
struct EnumNames<domain::CauseCode> {
    using E = domain::CauseCode;
    static constexpr std::pair<E, std::string_view> names[] = {{E::start_failed, "start_failed"},
                                                               {E::shim_killed, "shim_killed"},
                                                               {E::end_unseen, "end_unseen"},
                                                               {E::machine_restarted, "machine_restarted"},
                                                               {E::data_copied, "data_copied"},
                                                               {E::run_damaged, "run_damaged"},
                                                               {E::killed_by_other, "killed_by_other"},
                                                               {E::signal_sent, "signal_sent"},
                                                               {E::runs_again, "runs_again"},
                                                               {E::quick_failures, "quick_failures"},
                                                               {E::shut_down, "shut_down"},
                                                               {E::called_off, "called_off"},
                                                               {E::written_by_newer, "written_by_newer"},
                                                               {E::written_by_older, "written_by_older"},
                                                               {E::left_running, "left_running"},
                                                               {E::leftovers_ended, "leftovers_ended"},
                                                               {E::shim_silent, "shim_silent"},
                                                               {E::output_dropped, "output_dropped"},
                                                               {E::log_device_error, "log_device_error"},
                                                               {E::output_lost, "output_lost"},
                                                               {E::output_removed, "output_removed"},
                                                               {E::shim_replaced, "shim_replaced"},
                                                               {E::suspended, "suspended"},
                                                               {E::data_removed, "data_removed"},
                                                               {E::checks_failed, "checks_failed"},
                                                               {E::files_changed, "files_changed"},
                                                               {E::watch_suspended, "watch_suspended"},
                                                               {E::watch_failed, "watch_failed"},
                                                               {E::not_understood, "not_understood"},
                                                               {E::waits_for, "waits_for"},
                                                               {E::dependency, "dependency"},
                                                               {E::not_begun, "not_begun"}};
};
}  // namespace schema

using domain::Cause;
using domain::CauseCode;

}  // namespace persistproc
