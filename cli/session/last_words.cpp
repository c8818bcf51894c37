#include "cli/session/last_words.hpp"

#include "cli/client.hpp"
#include "cli/session/run_facts.hpp"
#include "common/ops/wait_for_process.hpp"
#include "common/rundir/paths.hpp"
#include "common/rundir/state.hpp"

namespace persistproc::cli::session {

namespace {

constexpr double longest_end_seconds = 600;

}  // namespace

Task<std::optional<domain::Ending>> ask_for_end(boost::asio::any_io_executor executor, std::filesystem::path data,
                                                std::string process, std::string run) {
    auto client = co_await DaemonClient::connect(executor, std::move(data));
    if (!client) co_return std::nullopt;
    ops::WaitRequest request;
    request.process = std::move(process);
    request.run = run;
    request.until = ops::WaitCondition::exit;
    request.timeout_seconds = longest_end_seconds;
    auto answer = co_await (*client)->wait(std::move(request));
    if (!answer || answer->outcome != ops::WaitOutcome::ended || answer->run != run) co_return std::nullopt;
    domain::Ending out = std::move(*answer);
    co_return out;
}

void complete_end(ProcessView& view, const std::optional<domain::Ending>& told,
                  const std::filesystem::path& log_directory) {
    if (told) {
        static_cast<domain::Ending&>(view) = *told;
        if (told->reason && *told->reason == domain::OutcomeReason::stopped) view.state = ProcessState::stopped;
    }
    const auto id = domain::find_process_id(view.id);
    if (view.ended_at || !id) return;
    // procs/<id>/log
    const auto data = log_directory.parent_path().parent_path().parent_path();
    const auto state = rundir::read_state(rundir::run_paths(data, RunId{*id, run_of(view)}).state);
    const bool has_ended = state && state->phase == rundir::Phase::exited && state->ended_wall_ns != 0;
    if (!has_ended) return;
    view.ended_at = base::from_ns(state->ended_wall_ns);
    if (!view.started_at && state->started_wall_ns != 0) view.started_at = base::from_ns(state->started_wall_ns);
}

}  // namespace persistproc::cli::session
