#include "cli/format/process_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/format/cells.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/process_table.hpp"
#include "common/base/text.hpp"
#include "common/ops/client_operations.hpp"

namespace persistproc::cli::format {

namespace {

std::string safe(std::string_view text) { return base::escape_line(base::to_valid_utf8(text)); }

}  // namespace

std::string age_text(WallTime since, WallTime now) {
    return base::format_age(std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(now - since)));
}

std::string short_time(std::chrono::nanoseconds time) {
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    if (milliseconds >= 10'000) return base::format_age(time);
    return milliseconds < 1000 ? fmt::format("{} ms", std::max<std::int64_t>(0, milliseconds))
                               : fmt::format("{:.1f} s", static_cast<double>(milliseconds) / 1000);
}

std::string format_bytes(std::int64_t bytes) {
    constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

namespace {

std::string stop_text(const ProcessView& view) {
    const bool is_told = !view.stopped_by.empty() && !is_own_client(view.stopped_by);
    std::string out = is_told ? "stopped by " + safe(view.stopped_by) : "stopped";
    if (view.exit_code) out += fmt::format(" (exited with code {})", *view.exit_code);
    if (view.signal) out += fmt::format(" ({})", *view.signal);
    return out;
}

/// How the run before ended.
std::string last_end_text(const ProcessView& view) {
    if (view.exit_code) return fmt::format(" (exited with code {})", *view.exit_code);
    return view.signal ? fmt::format(" (killed by {})", *view.signal) : "";
}

}  // namespace

namespace {

/// Without its causes.
std::string bare_state_text(const ProcessView& view, std::optional<WallTime> now) {
    std::string out(view.state.word());
    switch (view.state.known().value_or(ProcessState::running)) {
        case ProcessState::exited:
            out = view.exit_code ? fmt::format("exited with code {}", *view.exit_code) : "exited";
            break;
        case ProcessState::killed: out = view.signal ? fmt::format("killed by {}", *view.signal) : "killed"; break;
        case ProcessState::stopped: out = stop_text(view); break;
        case ProcessState::failed: out = "could not be started"; break;
        case ProcessState::waiting: out = "waiting"; break;
        case ProcessState::backoff: out = "waiting to be restarted" + last_end_text(view); break;
        case ProcessState::gave_up: out = "gave up restarting" + last_end_text(view); break;
        default:
            if (!view.state.known()) out = safe(out) + last_end_text(view);
            break;
    }
    if (view.reason == OutcomeReason::oom) out += " (out of memory)";
    if (view.reason && !view.reason->known() && view.reason->word() != view.state.word())
        out += " (" + safe(view.reason->word()) + ")";
    // It looks healthy between two crashes.
    const bool is_in_crash_loop =
        view.state == ProcessState::running && domain::has_cause(view, CauseCode::quick_failures);
    if (is_in_crash_loop && now && view.started_at) out += " for " + short_time(*now - *view.started_at);
    return out;
}

/// ", suspended", ": why; and why".
std::string causes_behind(const ProcessView& view, std::optional<WallTime> now) {
    std::string out;
    std::string_view before = ": ";
    for (const Cause& each : view.causes) {
        if (each.code == CauseCode::suspended) {
            out += ", suspended";
            continue;
        }
        const bool runs_again = now && each.at && each.code == CauseCode::runs_again;
        out += before;
        out += runs_again ? fmt::format("restarts in {}{}", short_time(*each.at - *now), domain::count_text(each))
                          : safe(told_cause(view, each));
        before = "; ";
    }
    return out;
}

}  // namespace

std::string state_text(const ProcessView& view, std::optional<WallTime> now) {
    return bare_state_text(view, now) + causes_behind(view, now);
}

bool ended_badly(const ProcessView& view) {
    const bool is_of_checks = view.reason == OutcomeReason::not_ready || view.reason == OutcomeReason::unhealthy;
    if (is_of_checks && domain::has_ended(view)) return true;
    switch (view.state.known().value_or(ProcessState::running)) {
        case ProcessState::exited: return view.exit_code != 0;
        case ProcessState::killed:
        case ProcessState::failed:
        case ProcessState::backoff:
        case ProcessState::gave_up:
        case ProcessState::lost: return true;
        default: return false;
    }
}

std::string target_word(const ProcessView& view) {
    constexpr std::size_t longest = 24;
    const bool is_word =
        view.label.size() <= longest && !view.label.starts_with('-') &&
        std::all_of(view.label.begin(), view.label.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    return is_word ? base::shell_quote(view.label) : view.id;
}

static std::string line_with(const ProcessView& view, std::string_view behind) {
    std::string out = fmt::format("{} ({}) ", view.id, safe(view.label));
    out += domain::is_live(view) ? "is " : "";
    const WallTime now = base::wall_now();
    out += bare_state_text(view, now);
    if (view.pid && domain::is_live(view)) out += fmt::format(", PID {}", *view.pid);
    return fmt::format("{}{}{}", out, behind, causes_behind(view, now));
}

std::string process_line(const ProcessView& view) { return line_with(view, ""); }
std::string joined_line(const ProcessView& view) { return line_with(view, " already"); }

namespace {

/// The bytes of `text` that stand in a row of `cells`: up to a blank if there is one, else behind a slash or comma,
/// else as many as there is room for.
std::size_t row_of(std::string_view text, std::size_t cells) {
    if (cells_of(text) <= cells) return text.size();
    const std::size_t most = cut_end(text, cells, "").size();
    // A blank that stands just behind the row needs no room in it.
    if (const std::size_t blank = text.rfind(' ', most); blank != std::string_view::npos && blank > 0) return blank;
    const std::size_t mark = text.substr(0, most).find_last_of("/,");
    return mark != std::string_view::npos && mark > 0 ? mark + 1 : std::max<std::size_t>(most, 1);
}

/// One "name  value" each; a value that is too long for the terminal goes on below itself.
class Rows {
public:
    explicit Rows(const TextStyle& style) : style_(style) {}
    void add(std::string_view name, std::string_view value, std::string_view colour = "") {
        if (value.empty()) return;
        constexpr std::size_t indent = 19, least = 20;
        const std::string text = shown(value, style_);
        const auto width = static_cast<std::size_t>(style_.width);
        const std::size_t room = width >= indent + least ? width - indent : SIZE_MAX;
        out_ += fmt::format("{:<{}}{}", name, indent, colour);
        for (std::string_view rest = text; !rest.empty();) {
            const std::size_t end = row_of(rest, room);
            out_ += rest.substr(0, end);
            rest.remove_prefix(end);
            if (rest.starts_with(' ')) rest.remove_prefix(1);
            if (!rest.empty()) out_ += '\n' + std::string(indent, ' ');
        }
        if (!colour.empty()) out_ += no_colour;
        out_ += '\n';
    }
    std::string take() { return std::move(out_); }

private:
    const TextStyle& style_;
    std::string out_;
};

}  // namespace

std::string up_line(const domain::ProjectPlace& place) {
    return fmt::format("persistproc up -C {} {}", base::shell_quote(place.file.substr(0, place.file.rfind('/'))),
                       base::shell_quote(place.process));
}

namespace {

/// "on-failure; gives up after 8 runs in a row shorter than 10s".
std::string policy_text(const ops::ProcessDetails& process) {
    if (!process.restart_policy) return "";
    std::string out(process.restart_policy->word());
    if (!process.restart_policy->known()) return out;
    std::replace(out.begin(), out.end(), '_', '-');
    if (*process.restart_policy == domain::RestartPolicy::never || !process.most_quick_failures) return out;
    return fmt::format("{}; gives up after {} shorter than {}", out,
                       base::counted(*process.most_quick_failures, "run", "runs in a row"),
                       base::format_seconds(process.healthy_seconds.value_or(0)));
}

/// Empty: it has none, as usual.
std::string input_text(const ProcessView& process) {
    if (process.input == domain::Input::none) return "";
    if (process.input != domain::Input::tty) return std::string(process.input.word());
    return "terminal" + (process.size ? " " + domain::to_string(*process.size) : "");
}

std::string advice_for(const ProcessView& view) {
    const std::string target = target_word(view);
    if (view.state == ProcessState::unreachable) return "persistproc doctor says what is wrong";
    if (view.state == ProcessState::backoff)
        return fmt::format("persistproc start {0} runs it now, persistproc stop {0} never again", target);
    if (domain::has_cause(view, CauseCode::suspended))
        return fmt::format("persistproc signal CONT {} continues it", target);
    if (view.state == ProcessState::unsupported) return "use the version that wrote it";
    if (!domain::is_live(view) && domain::has_tree(view))
        return fmt::format("persistproc stop {} ends what it left running", target);
    if (!ended_badly(view)) return "";
    if (!domain::is_command_known(view.command)) return fmt::format("persistproc rm {} forgets it", target);
    // A start of it alone would not wait for what it needs.
    if (view.project && domain::has_cause(view, CauseCode::dependency))
        return up_line(*view.project) + " begins it once what it needs is there";
    return fmt::format("persistproc start {} runs it again", target);
}

}  // namespace

std::string error_text(const ops::PrintedError& error) {
    std::string place = error.file.value_or("");
    for (const auto& number : {error.line, error.column})
        if (number && !place.empty()) place += fmt::format(":{}", *number);
    return place.empty() ? error.message : fmt::format("{}: {}", place, error.message);
}

std::string process_details(const ops::ProcessDetails& process, WallTime now, const TextStyle& style) {
    Rows rows(style);
    const auto time = [&](const std::optional<WallTime>& at) {
        return at ? fmt::format("{} ({} ago)", base::format_rfc3339(*at), age_text(*at, now)) : std::string();
    };
    const auto number = [](const std::optional<std::int64_t>& value) {
        return value ? fmt::format("{}", *value) : std::string();
    };
    rows.add("id", process.id);
    rows.add("label", process.label);
    rows.add("description", process.description);
    rows.add("state", state_text(process, now), style.colour ? colour_of(process) : "");
    if (process.failure) rows.add("why", process.failure->text);
    if (process.error) rows.add("error", error_text(*process.error));
    rows.add("to do", advice_for(process));
    if (process.ready) rows.add("ready", *process.ready ? "yes" : "no");
    rows.add("not ready", process.detail);
    rows.add("url", process.url.value_or(""));
    rows.add("ready when", fmt::format("{}", fmt::join(process.ready_checks, "; ")));
    rows.add("healthy while", fmt::format("{}", fmt::join(process.health_checks, "; ")));
    if (process.project) {
        const std::string changed = "; it has changed since up: persistproc up applies it";
        rows.add("project", fmt::format("{}, {}{}", process.project->name, process.project->file,
                                        process.file_changed.value_or(false) ? changed : std::string()));
    }
    rows.add("command", domain::command_line(process.command));
    rows.add("working directory", process.working_directory);
    rows.add("variables set", fmt::format("{}", fmt::join(process.variable_names, ", ")));
    rows.add("pid", number(process.pid));
    rows.add("programs", number(process.programs));
    rows.add("run", process.run.value_or(""));
    rows.add("restarts", fmt::format("{}", process.restarts));
    rows.add("restart policy", policy_text(process));
    rows.add("input", input_text(process));
    if (process.first_signal && process.grace)
        rows.add("stop",
                 fmt::format("{}, SIGKILL after {}", *process.first_signal, base::format_seconds(*process.grace)));
    rows.add("started", time(process.started_at));
    std::string ended = time(process.ended_at);
    if (process.started_at && process.ended_at)
        ended += fmt::format(", after {}", short_time(*process.ended_at - *process.started_at));
    rows.add("ended", ended);
    rows.add("ports", fmt::format("{}", fmt::join(process.ports, ",")));
    rows.add("cpu", process.cpu_percent ? fmt::format("{:.1f}%", *process.cpu_percent) : "");
    rows.add("memory", process.memory_bytes.value_or(0) > 0 ? format_bytes(*process.memory_bytes) : "");
    rows.add("last output", time(process.last_output_at));
    rows.add("log", process.log_path.value_or(""));
    rows.add("started by", actor_text(process.started_by));
    rows.add("stopped by", actor_text(process.stopped_by));
    return rows.take();
}

}  // namespace persistproc::cli::format
