#include "daemon/tools/describe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/text.hpp"
#include "common/domain/actor.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::tools {

namespace {

constexpr std::size_t most_ended = 8;
constexpr std::size_t most_ended_asked_for = 20;
constexpr auto ended_lately = std::chrono::hours(1);

std::string bytes_text(std::int64_t bytes) {
    if (bytes < 1024 * 1024) return fmt::format("{} KiB", bytes / 1024);
    return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / 1048576.0);
}

std::string by_whom(const std::string& actor) { return base::escape_line(domain::by_whom(actor)); }

std::string how_it_ended(const domain::Ending& ending) {
    std::string out;
    if (ending.exit_code) out += fmt::format(", code {}", *ending.exit_code);
    if (ending.signal) out += fmt::format(", {}", *ending.signal);
    // That it was stopped is its state.
    const auto& reason = ending.reason;
    const bool is_told = !reason || *reason == OutcomeReason::self || *reason == OutcomeReason::stopped;
    if (!is_told) out += fmt::format(", reason {}", schema::enum_name(*reason));
    if (!ending.stopped_by.empty()) out += ", " + by_whom(ending.stopped_by);
    return out;
}

/// " (…)"; nothing where there is none.
std::string in_brackets(const std::string& causes) {
    return causes.empty() ? "" : fmt::format(" ({})", base::escape_line(causes));
}

std::string causes_of(const ProcessView& view) { return in_brackets(domain::causes_text(view)); }

enum class Words { all, fewest };

/// Which one it is and how it stands; in the fewest words that is left out of one that runs.
std::string first_words(const ProcessView& view, Words words = Words::all) {
    std::string out = domain::name_text(view.id, view);
    if (words == Words::all || view.state != ProcessState::running)
        out += fmt::format(" {}{}", schema::enum_name(view.state), how_it_ended(view));
    if (view.pid) out += fmt::format(", PID {}", *view.pid);
    if (words == Words::all && view.ready && domain::is_live(view)) out += *view.ready ? ", ready" : ", not ready";
    if (words == Words::all && !view.detail.empty()) out += fmt::format(" ({})", base::escape_line(view.detail));
    return out;
}

}  // namespace

std::string describe(const ProcessView& view) {
    std::string out = first_words(view);
    if (view.run) out += fmt::format(", run {}", *view.run);
    out += causes_of(view);
    out += fmt::format("\n  {} in {}", base::escape_line(domain::command_line(view.command)),
                       base::escape_line(view.working_directory));
    if (!view.description.empty()) out += fmt::format("\n  {}", base::escape_line(view.description));
    out += fmt::format("\n  restarts {}", view.restarts);
    if (view.own_restart) out += fmt::format(", restart {}", base::escape_line(*view.own_restart));
    if (view.own_stop_signal) out += fmt::format(", stop_signal {}", base::escape_line(*view.own_stop_signal));
    if (view.own_grace_seconds) out += fmt::format(", grace_seconds {}", *view.own_grace_seconds);
    if (view.started_at) out += fmt::format(", started {}", base::format_rfc3339(*view.started_at));
    if (!view.started_by.empty()) out += " " + by_whom(view.started_by);
    if (view.ended_at) out += fmt::format(", ended {}", base::format_rfc3339(*view.ended_at));
    if (!view.ports.empty()) out += fmt::format(", ports {}", fmt::join(view.ports, " "));
    if (view.url) out += fmt::format(", url {}", base::escape_line(*view.url));
    if (view.cpu_percent) out += fmt::format(", cpu {}%", *view.cpu_percent);
    if (view.memory_bytes) out += fmt::format(", memory {}", bytes_text(*view.memory_bytes));
    if (view.last_output_at) out += fmt::format(", last output {}", base::format_rfc3339(*view.last_output_at));
    if (view.log_path) out += fmt::format(", log {}", base::escape_line(*view.log_path));
    return out;
}

std::string short_line_of(const ProcessView& view) {
    std::string out = first_words(view, Words::fewest);
    for (const auto& each : view.causes)
        if (each.code == CauseCode::leftovers_ended) out += in_brackets(domain::cause_text(each));
    return out;
}

std::string line_of(const ProcessView& view, WallTime now) {
    std::string out = first_words(view);
    if (!view.ports.empty())
        out += fmt::format(", port{} {}", view.ports.size() > 1 ? "s" : "", fmt::join(view.ports, " "));
    if (view.ended_at && domain::has_ended(view))
        out += fmt::format(", {} ago", base::format_age(now - *view.ended_at));
    return out + causes_of(view);
}

namespace {

/// `since`: those that ended before are left out.
Listing choose_newest(std::vector<ProcessView> views, std::size_t most, std::optional<WallTime> since) {
    Listing out;
    const auto ended =
        std::stable_partition(views.begin(), views.end(), [](const auto& each) { return !domain::has_ended(each); });
    out.live.assign(std::make_move_iterator(views.begin()), std::make_move_iterator(ended));
    views.erase(views.begin(), ended);
    const auto all = views.size();
    if (since) std::erase_if(views, [&](const auto& each) { return !each.ended_at || *each.ended_at < *since; });
    std::stable_sort(views.begin(), views.end(), [](const auto& a, const auto& b) { return a.ended_at > b.ended_at; });
    if (views.size() > most) views.resize(most);
    out.left_out = all - views.size();
    out.ended = std::move(views);
    return out;
}

}  // namespace

Listing choose(std::vector<ProcessView> views, WallTime now) {
    return choose_newest(std::move(views), most_ended, now - ended_lately);
}

Listing choose_all(std::vector<ProcessView> views) {
    Listing out = choose_newest(std::move(views), most_ended_asked_for, std::nullopt);
    out.is_asked_for = true;
    return out;
}

std::string list_text(const Listing& listing, WallTime now) {
    std::string out;
    for (const auto* each : {&listing.live, &listing.ended})
        for (const auto& view : *each) out += line_of(view, now) + '\n';
    const char* const by = listing.is_asked_for ? "working_directory" : "state, working_directory";
    if (listing.left_out > 0) out += fmt::format("{} more ended: ask by {} or process\n", listing.left_out, by);
    if (out.empty()) return "No processes.";
    out.pop_back();
    return out;
}

std::string cursor_of_run(const core::Supervisor& supervisor, std::string_view process) {
    const auto id = domain::find_process_id(process);
    const auto located = id ? supervisor.find(*id) : std::nullopt;
    return located ? logstore::format_cursor(process, located->run_begin) : std::string();
}

std::string headline(const core::Located& process) {
    std::string out = fmt::format("{} {}", process.name, schema::enum_name(process.state));
    if (process.outcome) out += how_it_ended(domain::ending_of(*process.outcome));
    return out + in_brackets(domain::causes_text(process.causes));
}

std::string ending_details(const core::Located& process) {
    domain::Ending ending = ending_of(process);
    const bool is_told = process.state == ProcessState::exited || process.state == ProcessState::killed;
    if (is_told || process.state == ProcessState::stopped) {
        ending.exit_code.reset();
        ending.signal.reset();
    }
    const std::string by = std::exchange(ending.stopped_by, {});
    std::string out = how_it_ended(ending);
    if (!by.empty()) out += ", stopped " + by_whom(by);
    if (out.starts_with(", ")) out.erase(0, 2);
    const std::string causes = domain::causes_text(process.causes);
    if (!causes.empty()) out += (out.empty() ? "" : ", ") + base::escape_line(causes);
    return out;
}

domain::Ending ending_of(const core::Located& process) {
    domain::Ending out;
    if (process.outcome) out = domain::ending_of(*process.outcome);
    out.causes = process.causes;
    return out;
}

namespace {

std::string fate_alone(const std::optional<Outcome>& outcome) {
    if (!outcome) return "has ended";
    if (outcome->reason == OutcomeReason::stopped) {
        const std::string by = outcome->stopped_by.empty() ? "on request" : by_whom(outcome->stopped_by);
        return "was stopped " + by;
    }
    if (outcome->exit_code) return fmt::format("exited with code {}", *outcome->exit_code);
    if (outcome->signal) return fmt::format("was ended by {}", domain::signal_name(*outcome->signal));
    return outcome->reason == OutcomeReason::exec_failed ? "could not be started" : "ended in a way nobody can know";
}

}  // namespace

std::string fate(const std::optional<Outcome>& outcome) {
    return fate_alone(outcome) + (outcome ? in_brackets(domain::causes_text(outcome->causes)) : "");
}

}  // namespace persistproc::tools
