#pragma once
/// Following one process in a terminal: status polled by a coroutine, output read by a thread, both brought together by
/// the policy.
#include <boost/asio/signal_set.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "cli/client.hpp"
#include "cli/context.hpp"
#include "cli/format/output_text.hpp"

namespace persistproc::cli::session {

struct AttachPlan {
    ProcessView process;    // as it is known
    std::uint32_t run = 0;  // that is followed first
    std::filesystem::path log_directory;
    std::uint64_t from = 0;             // position to begin at
    std::uint32_t first_run_shown = 0;  // records of earlier runs at that position are not ours
    OnExit on_exit = OnExit::detach;
    unsigned interrupts = 0;  // signals that have come already
    /// Whoever has listened for them so far; null: attach begins to. One that comes between the two would be lost.
    std::shared_ptr<boost::asio::signal_set> signals{};
    bool own_status = true;  // end with the program's status; else with 0
    bool tell_detached = true;
    bool tells_input = false;  // that what is typed is not passed on, once
};

/// Completes with the exit status when the process has ended for good, or the user has left. `client` may be lost and
/// found again; the log goes on being shown meanwhile. Handles SIGINT, SIGTERM and SIGHUP while it runs.
Task<int> attach(Context context, AttachPlan plan, std::unique_ptr<DaemonClient> client,
                 std::unique_ptr<format::OutputView> view);

/// How output is shown on our own stdout and stderr as they are. `raw`: as it is, also to a terminal.
format::OutputStyle style_for_terminal(const Console& console, const ProcessView& process, bool split, bool raw);

}  // namespace persistproc::cli::session
