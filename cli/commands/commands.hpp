#pragma once
/// One function per subcommand, one file each. All return the exit status of the client and have shown their answer or
/// failure on the console.
#include "cli/context.hpp"
#include "common/async/clock.hpp"

namespace persistproc::cli::commands {

Task<int> run(Context context, RunOptions options);
Task<int> start(Context context, StartOptions options);
Task<int> stop(Context context, StopOptions options);
Task<int> restart(Context context, RestartOptions options);
Task<int> signal(Context context, SignalOptions options);
Task<int> list(Context context, ListOptions options);
Task<int> status(Context context, StatusOptions options);
Task<int> output(Context context, OutputOptions options);
Task<int> wait(Context context, WaitOptions options);
Task<int> remove(Context context, RemoveOptions options);
Task<int> shutdown(Context context, ShutdownOptions options);
Task<int> setup(Context context, SetupOptions options);
Task<int> doctor(Context context, DoctorOptions options);
Task<int> version(Context context, VersionOptions options);
Task<int> serve_mcp(Context context, McpOptions options);

/// Replaces this program by the daemon; returns only on failure, or with --detach.
int serve(const CommonOptions& common, const Console& console, const ServeOptions& options);

}  // namespace persistproc::cli::commands
