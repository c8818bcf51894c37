#pragma once
/// Finding and starting the daemon's program.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "cli/client.hpp"
#include "cli/options.hpp"
#include "common/ops/start_process.hpp"

namespace persistproc::cli {

/// persistprocd beside our own executable, in the libexec beside its folder, or in PATH. Errors: unavailable.
Result<std::filesystem::path> find_daemon_program();

/// Starts the daemon in a session of its own and waits until it serves (at most 30 s); its stderr goes to
/// `<data>/daemon.log`. Blocks the thread; call it before there are others. Errors: unavailable, with the last line
/// the daemon wrote.
Result<void> start_daemon(const CommonOptions& options);

/// Connects; when none answers and `autostart`, starts the daemon first. Several clients at once start one: the lock
/// is taken before anything is started. A daemon that is about to serve, or to leave, is waited for (at most 10 s).
/// Blocks the thread while the daemon starts. Errors: those of both steps.
Task<Result<std::unique_ptr<DaemonClient>>> connect_or_start(boost::asio::any_io_executor executor,
                                                             CommonOptions options, bool autostart);

/// For what only reads. When none answers and the data directory holds processes, the daemon is started, and stderr
/// says how many programs had run on without it. Null: there is no daemon, and no process either. Errors: as
/// connect_or_start.
Task<Result<std::unique_ptr<DaemonClient>>> connect_to_read(
    boost::asio::any_io_executor executor, CommonOptions options,
    DaemonClient::Greeting greeting = DaemonClient::Greeting::first);
/// For what changes processes: starts no daemon. Null: as there. Errors: as DaemonClient::connect; that none serves is
/// said with how many programs run on.
Task<Result<std::unique_ptr<DaemonClient>>> connect_to_change(boost::asio::any_io_executor executor,
                                                              CommonOptions options);
/// What is said where there is none.
inline constexpr std::string_view no_processes_yet = "no processes yet; persistproc run CMD starts one";

struct StartedProcess {
    std::unique_ptr<DaemonClient> client;  // to the daemon that answered
    ops::StartResponse response;
};
/// Starts a process through `client`. When its daemon dies before it has answered, the next one (started here if need
/// be and allowed) is asked again with the same key, a few times at most. Errors: as DaemonClient::start.
Task<Result<StartedProcess>> start_process(boost::asio::any_io_executor executor, CommonOptions options, bool autostart,
                                           std::unique_ptr<DaemonClient> client, ops::StartRequest request);

}  // namespace persistproc::cli
