#pragma once
/// What `run` decides, apart from how it is done: when to stop following, with which status, and what a signal means.
/// Pure: events in, actions out; the caller performs them in order.
///
///   following  the program runs, or ended and may be restarted
///   draining   it has ended for good; what was recorded until then is still being printed
///   stopping   --on-exit stop: the daemon was asked to end the tree
///   forcing    asked once more, with SIGKILL
///   finished   an action `finish` was given; nothing follows
///
/// "Finished" needs two facts: the daemon (or, without one, the log) says that the run is over, and everything recorded
/// up to then was printed. News from the log counts when it was printed, so both orders of the two are right.
#include <signal.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/options.hpp"
#include "common/base/time.hpp"
#include "common/domain/process.hpp"

namespace persistproc::cli::session {

/// How a run ended, as the log's last record of it says.
struct RunEnd {
    std::optional<int> exit_code, signal, exec_error;
    bool was_stopped = false;  // somebody asked for it before
    friend bool operator==(const RunEnd&, const RunEnd&) = default;
};

/// Printed up to the beginning, or the recorded end, of a run.
struct RunStarted {
    std::uint32_t run = 0;
    std::int64_t pid = 0;
};
struct RunEnded {
    std::uint32_t run = 0;
    RunEnd how;
};
/// The daemon's view.
struct Polled {
    std::uint32_t run = 0;
    ProcessState state = ProcessState::running;
    std::optional<int> exit_code, signal;
};
struct PollFailed {};  // no daemon answers
struct Forgotten {};   // the daemon knows no such process any more
struct PrintedAll {    // all that was there when `drain` with this mark was performed
    unsigned mark = 0;
};
struct Interrupted {
    int signal = SIGINT;  // or SIGTERM, SIGHUP
};
struct ReaderGone {};   // nobody reads our stdout any more
struct WriteFailed {};  // what is to be shown cannot be written: a full disk, not a reader that has gone
struct StopAnswered {
    std::optional<Error> failed;
};
using Event = std::variant<RunStarted, RunEnded, Polled, PollFailed, Forgotten, PrintedAll, Interrupted, ReaderGone,
                           WriteFailed, StopAnswered>;

enum class Act {
    poll_now,   // ask the daemon at once
    poll_soon,  // in a moment: it has not heard of the end yet
    drain,      // print what is there, then send PrintedAll with `mark`
    stop,       // ask the daemon to stop the process, then send StopAnswered
    force_stop,
    say,             // `text` to the user
    tell_end,        // how `run` ended: `how`, unless the daemon has said more of it
    tell_restarted,  // that `run` has begun, as `pid` where that is not 0
    tell_removed,    // that the process is known no more
    tell_detached,   // how to come back
    tell_unshown,    // that nothing is done to the program although it is shown no more, and how to come back
    finish,          // leave with `status`
};
struct Action {
    Act act;
    int status = 0;
    unsigned mark = 0;
    std::string text;
    std::uint32_t run = 0;
    std::int64_t pid = 0;
    RunEnd how;
    friend bool operator==(const Action&, const Action&) = default;
};

/// Without a daemon the log's word is taken after this time: until then a new daemon may restart the program.
inline constexpr std::chrono::nanoseconds patience_without_daemon = std::chrono::seconds(1);
/// A third Ctrl+C leaves before the end is known; one that comes sooner after the second is part of the same
/// impatience.
inline constexpr std::chrono::nanoseconds patience_with_force = std::chrono::seconds(1);

class Policy {
public:
    /// `run`: the number of the run that is followed first.
    Policy(OnExit on_exit, std::uint32_t run) : on_exit_(on_exit), run_(run) {}

    std::vector<Action> on(const Event& event, MonoTime now);

private:
    enum class Phase { following, draining, stopping, forcing, finished };

    std::vector<Action> handle(const RunStarted& event, MonoTime now);
    std::vector<Action> handle(const RunEnded& event, MonoTime now);
    std::vector<Action> handle(const Polled& event, MonoTime now);
    std::vector<Action> handle(const PollFailed& event, MonoTime now);
    std::vector<Action> handle(const Forgotten& event, MonoTime now);
    std::vector<Action> handle(const PrintedAll& event, MonoTime now);
    std::vector<Action> handle(const Interrupted& event, MonoTime now);
    std::vector<Action> handle(const ReaderGone& event, MonoTime now);
    std::vector<Action> handle(const WriteFailed& event, MonoTime now);
    std::vector<Action> handle(const StopAnswered& event, MonoTime now);

    std::vector<Action> leave(bool say_how_to_return);
    std::vector<Action> drain(int status, std::optional<Action> last_words);
    std::vector<Action> finish(int status, std::optional<Action> last_words = {});
    std::vector<Action> go_on_with(std::uint32_t run, std::int64_t pid);
    Action tell_end(std::uint32_t run) const;

    OnExit on_exit_;
    std::uint32_t run_;
    Phase phase_ = Phase::following;
    std::optional<RunEnd> ended_;  // of `run_`, printed
    MonoTime ended_at_{}, forced_at_{};
    int status_ = 0;                    // while draining
    std::optional<Action> last_words_;  // when all is printed
    unsigned mark_ = 0;
    bool told_end_ = false;  // of `run_`
};

/// 126 or 127 for a program that could not be executed; its own code; 128 + signal; 125 when nobody knows.
int exit_status_of(const RunEnd& end) noexcept;

}  // namespace persistproc::cli::session
