#include "cli/format/ending.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"

namespace persistproc::cli::format {

namespace {

constexpr std::size_t most_name_characters = 40;
constexpr std::size_t short_target_bytes = 24;

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

std::string shown(std::string_view text) {
    std::string out = base::escape_line(base::to_valid_utf8(text));
    std::size_t characters = 0;
    for (std::size_t i = 0; i < out.size(); ++i)
        if (begins_character(out[i]) && ++characters > most_name_characters) return out.substr(0, i) + "…";
    return out;
}

std::string causes(const ProcessView& view) {
    return view.causes.empty() ? "" : ": " + base::escape_line(told_causes(view));
}

/// How its last run ended.
std::string how(const ProcessView& view) {
    const bool is_oom = view.reason && *view.reason == OutcomeReason::oom;
    std::string_view word;  // that only a newer daemon can explain
    if (!view.state.known()) word = view.state.word();
    if (view.reason && !view.reason->known()) word = view.reason->word();
    const std::string as = word.empty() ? std::string() : fmt::format(" ({})", shown(word));
    if (view.exit_code) return fmt::format("exited with code {}{}", *view.exit_code, as);
    if (view.signal) return fmt::format("was killed by {}{}{}", *view.signal, is_oom ? " (out of memory)" : "", as);
    return "ended" + as;
}

/// Why its last run could not be started: an end that is none of a program's.
std::string unstarted_text(const ProcessView& view) {
    const auto why = std::find_if(view.causes.begin(), view.causes.end(),
                                  [](const Cause& each) { return each.code == CauseCode::start_failed; });
    return why == view.causes.end() ? "" : ": " + base::escape_line(told_cause(view, *why));
}

std::string next_run(const ProcessView& view, WallTime now) {
    for (const auto& each : view.causes)
        if (each.code == CauseCode::runs_again && each.at)
            return "; restarts in " + span_text(std::max(std::chrono::nanoseconds(0), *each.at - now));
    return "; it will be restarted";
}

}  // namespace

std::string name_text(const ProcessView& view) {
    const bool has_own = view.label != domain::default_label(view.command, view.working_directory);
    return fmt::format("{} ({})", view.id, shown(has_own ? view.label : domain::command_line(view.command)));
}

std::string target_text(const ProcessView& view) {
    const std::string& label = view.label;
    const bool is_plain = !label.empty() && label.size() <= short_target_bytes && label.front() != '-' &&
                          base::shell_quote(label) == label &&
                          !std::all_of(label.begin(), label.end(), [](char c) { return c >= '0' && c <= '9'; });
    return is_plain ? label : view.id;
}

std::string span_text(std::chrono::nanoseconds span) {
    const double seconds = std::chrono::duration<double>(span).count();
    if (seconds < 0.9995) return fmt::format("{:.0f} ms", std::max(0.0, seconds * 1000));
    if (seconds < 9.95) {
        std::string tenths = fmt::format("{:.1f}", seconds);
        if (tenths.ends_with(".0")) tenths.resize(tenths.size() - 2);
        return tenths + " s";
    }
    return seconds < 60 ? fmt::format("{:.0f} s", seconds) : base::format_age(span);
}

std::string grace_text(const ProcessView& view) {
    const double seconds = view.own_grace_seconds.value_or(Definition{}.grace_seconds);
    return span_text(std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9)));
}

std::string actor_text(std::string_view actor) { return is_own_client(actor) ? "you" : std::string(actor); }

std::string told_cause(const ProcessView& view, Cause cause) {
    if (cause.by) cause.by = actor_text(*cause.by);
    return domain::cause_text(view, cause);
}

std::string told_causes(const ProcessView& view) {
    std::string out;
    for (const Cause& each : view.causes) out += (out.empty() ? "" : "; ") + told_cause(view, each);
    return out;
}

std::string stopper_text(std::string_view stopped_by) {
    if (stopped_by.empty()) return {};
    // Clients call themselves by name and version; ours is a person's.
    if (is_own_client(stopped_by)) return " from a command line";
    const std::size_t version = stopped_by.rfind(' ');
    const bool has_version = version != std::string_view::npos && version + 1 < stopped_by.size() &&
                             stopped_by[version + 1] >= '0' && stopped_by[version + 1] <= '9' &&
                             !stopped_by.ends_with('"');
    return " by " + base::escape_line(has_version ? stopped_by.substr(0, version) : stopped_by);
}

static std::string stopper_of(const ProcessView& view) {
    return domain::has_cause(view, CauseCode::shut_down) ? " by persistproc shutdown" : stopper_text(view.stopped_by);
}

bool has_failed(const ProcessView& view) {
    if (view.state == ProcessState::stopped || domain::is_live(view)) return false;
    return view.exit_code.value_or(1) != 0;
}

std::string ending_text(const ProcessView& view, WallTime now, std::string_view missed) {
    const std::string before = missed.empty() ? std::string() : fmt::format(" before {}", missed);
    std::string after = before;
    if (view.started_at && view.ended_at && *view.ended_at >= *view.started_at)
        after = " after " + span_text(*view.ended_at - *view.started_at) + before;
    const bool is_unstarted = view.reason && *view.reason == OutcomeReason::exec_failed;
    const std::string ended = is_unstarted ? "could not be started" + before + unstarted_text(view) : how(view) + after;
    std::string said;
    switch (view.state.known().value_or(ProcessState::exited)) {
        case ProcessState::failed: said = "could not be started" + before + causes(view); break;
        case ProcessState::lost:
            said = domain::has_cause(view, CauseCode::machine_restarted)
                       ? "has ended with the machine" + before
                       : "has ended" + before + ", and nobody can know how" + causes(view);
            break;
        case ProcessState::stopped: said = "was stopped" + stopper_of(view) + after; break;
        case ProcessState::backoff: said = ended + next_run(view, now); break;
        case ProcessState::unsupported: said = "is unsupported" + causes(view); break;
        case ProcessState::gave_up: said = ended + "; it ended too often and is not restarted any more"; break;
        default: said = is_unstarted ? ended : ended + causes(view); break;
    }
    return name_text(view) + " " + said;
}

}  // namespace persistproc::cli::format
