#pragma once
/// What is known of a run that ended while its daemon left: `persistproc shutdown` ends both, and the daemon is gone
/// before it is asked how.
#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "common/async/clock.hpp"
#include "common/domain/process.hpp"

namespace persistproc::cli::session {

/// How the run ends, asked while it is being stopped, on a connection of its own: a daemon answers what waits before it
/// leaves. Nothing: it did not answer, or there was another run.
Task<std::optional<domain::Ending>> ask_for_end(boost::asio::any_io_executor executor, std::filesystem::path data,
                                                std::string process, std::string run);

/// Adds to a view of a run that has ended (`view.run`): `told`, if anything was, and when it began and ended by its own
/// record beside its log, where the view does not say so. Blocks.
void complete_end(ProcessView& view, const std::optional<domain::Ending>& told,
                  const std::filesystem::path& log_directory);

}  // namespace persistproc::cli::session
