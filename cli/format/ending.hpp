#pragma once
/// What is said of a process as it comes and goes, in one line each. Pure.
#include <chrono>
#include <string>
#include <string_view>

#include "common/base/time.hpp"
#include "common/domain/actor.hpp"
#include "common/domain/process.hpp"

namespace persistproc::cli::format {

/// "p1 (web)"; of one without a label of its own, the command: "p1 (python3 -m http.server 8000)". Cut to fit a line.
std::string name_text(const ProcessView& view);
/// What to type for it: its label where that is short and needs no quotes, else its id.
std::string target_text(const ProcessView& view);
/// "4 ms", "1.5 s", "20 s", "2m 5s".
std::string span_text(std::chrono::nanoseconds span);
/// `p92 (api) was stopped by agent "claude-code" after 5 s`, "… exited with code 7 after 1 s", "… was killed by
/// SIGSEGV"; with when it runs again, or that it does not. Of one whose end is known. `missed`: what was to come before
/// that: "port 3000 listened".
std::string ending_text(const ProcessView& view, WallTime now, std::string_view missed = {});
/// "10 s": how long it may take to end when it is asked to; of one that is being stopped, by that stop.
std::string grace_text(const ProcessView& view);
/// Who did something, as a client called itself: ours is the person's own.
std::string actor_text(std::string_view actor);
/// Its causes in words, as a person is told them: "stopped by you after it had ended".
std::string told_cause(const ProcessView& view, Cause cause);
std::string told_causes(const ProcessView& view);
using domain::is_own_client;
/// ` by agent "claude-code"`, " from a command line", or nothing.
std::string stopper_text(std::string_view stopped_by);
/// It ended by itself, and not well.
bool has_failed(const ProcessView& view);

}  // namespace persistproc::cli::format
