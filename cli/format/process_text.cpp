#include "cli/format/process_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "common/base/text.hpp"

namespace persistproc::cli::format {

namespace {

/// Columns that a text takes, one per code point: exact for what commands and labels usually hold.
std::size_t columns_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string cut_to(const std::string& text, std::size_t columns) {
    if (columns_of(text) <= columns || columns == 0) return text;
    std::size_t seen = 0, at = 0;
    while (at < text.size()) {
        if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80 && ++seen == columns) break;
        ++at;
    }
    return text.substr(0, at) + "…";
}

std::string safe(std::string_view text) { return base::escape_line(base::to_valid_utf8(text)); }

std::string age(const std::optional<WallTime>& since, WallTime now) {
    if (!since) return "";
    return base::format_age(std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(now - *since)));
}

std::string ports_text(const std::vector<int>& ports) { return fmt::format("{}", fmt::join(ports, ",")); }

std::string last_exit(const ProcessView& view) {
    if (view.signal) return *view.signal;
    if (view.exit_code) return fmt::format("{}", *view.exit_code);
    return "";
}

std::string_view colour_of(const schema::Open<ProcessState>& state) {
    if (!state.known()) return "";
    switch (*state.known()) {
        case ProcessState::running: return "\x1b[32m";
        case ProcessState::starting:
        case ProcessState::stopping:
        case ProcessState::backoff: return "\x1b[33m";
        case ProcessState::failed:
        case ProcessState::gave_up:
        case ProcessState::lost:
        case ProcessState::unreachable: return "\x1b[31m";
        default: return "";
    }
}

using Row = std::vector<std::string>;
constexpr std::size_t label_column = 1, state_column = 2;
/// Numbers stand right.
constexpr std::array is_right = {false, false, false, true, true, true, false, true, true};
const Row head = {"ID", "LABEL", "STATE", "PID", "UPTIME", "RESTARTS", "PORTS", "CPU", "MEMORY", "LAST EXIT"};
const Row wide_head = {"STARTED BY", "DIRECTORY", "DESCRIPTION"};

/// With how many of what it started still run, where that is all that does: they hold ports and memory. With that it
/// was stopped, where its outcome is that of the run before.
std::string state_word(const ProcessView& view) {
    std::string out(view.state.word());
    for (const auto& each : view.causes)
        if (each.code == CauseCode::called_off)
            out += ", stopped";
        else if (each.code == CauseCode::left_running)
            out += ", " + domain::cause_text(each);
    return out;
}

Row wide_row(const ProcessView& view) {
    return {safe(view.started_by), safe(view.working_directory), safe(view.description)};
}

Row make_row(const ProcessView& view, WallTime now, bool wide) {
    Row row(head.size());
    row[0] = view.id;
    row[label_column] = safe(view.label);
    row[state_column] = state_word(view);
    row[3] = view.pid ? fmt::format("{}", *view.pid) : "";
    row[4] = domain::is_live(view) ? age(view.started_at, now) : "";
    row[5] = fmt::format("{}", view.restarts);
    row[6] = ports_text(view.ports);
    row[7] = view.cpu_percent ? fmt::format("{:.1f}%", *view.cpu_percent) : "";
    row[8] = view.memory_bytes ? format_bytes(*view.memory_bytes) : "";
    row[9] = last_exit(view);
    if (wide)
        for (auto& each : wide_row(view)) row.push_back(std::move(each));
    return row;
}

}  // namespace

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

std::string process_table(const std::vector<ProcessView>& views, WallTime now, const TextStyle& style) {
    if (views.empty()) return "no processes\n";
    std::vector<Row> rows = {head};
    if (style.wide) rows[0].insert(rows[0].end(), wide_head.begin(), wide_head.end());
    for (const auto& view : views) rows.push_back(make_row(view, now, style.wide));
    const std::size_t column_count = rows[0].size();
    std::vector<std::size_t> widths(column_count);
    for (const auto& row : rows)
        for (std::size_t i = 0; i < column_count; ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
    if (style.width > 0 && !style.wide) {
        // The label gives way so that a process stays on one line.
        std::size_t others = 2 * (column_count - 1);
        for (std::size_t i = 0; i < column_count; ++i) others += i == label_column ? 0 : widths[i];
        const auto room = static_cast<std::size_t>(style.width);
        constexpr std::size_t least = 12;
        widths[label_column] = std::min(widths[label_column], room > others + least ? room - others : least);
    }
    std::string out;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        std::string line;
        for (std::size_t i = 0; i < column_count; ++i) {
            const bool right = i < is_right.size() && is_right[i];
            const std::string text = cut_to(rows[r][i], widths[i]);
            const std::string fill(widths[i] - std::min(widths[i], columns_of(text)), ' ');
            if (i > 0) line += "  ";
            if (right) line += fill;
            const std::string_view colour =
                style.colour && r > 0 && i == state_column ? colour_of(views[r - 1].state) : "";
            line += colour;
            line += text;
            if (!colour.empty()) line += "\x1b[0m";
            if (!right) line += fill;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    }
    // What is wrong with one that runs, or why nobody knows how it ended, has no column.
    for (const auto& view : views)
        if (!view.causes.empty() && (domain::is_live(view) || view.state == ProcessState::lost))
            out += fmt::format("{}: {}\n", view.id, safe(domain::causes_text(view.causes)));
    return out;
}

namespace {

std::string stop_text(const ProcessView& view) {
    std::string out = view.stopped_by.empty() ? "stopped" : "stopped by " + safe(view.stopped_by);
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

std::string state_text(const ProcessView& view) {
    std::string out(view.state.word());
    switch (view.state.known().value_or(ProcessState::running)) {
        case ProcessState::exited:
            out = view.exit_code ? fmt::format("exited with code {}", *view.exit_code) : "exited";
            break;
        case ProcessState::killed: out = view.signal ? fmt::format("killed by {}", *view.signal) : "killed"; break;
        case ProcessState::stopped: out = stop_text(view); break;
        case ProcessState::failed: out = "could not be started"; break;
        case ProcessState::backoff: out = "waiting to be restarted" + last_end_text(view); break;
        case ProcessState::gave_up: out = "gave up restarting" + last_end_text(view); break;
        default: break;
    }
    if (view.reason == OutcomeReason::oom) out += " (out of memory)";
    if (view.reason && !view.reason->known()) out += " (" + safe(view.reason->word()) + ")";
    if (!view.causes.empty()) out += ": " + safe(domain::causes_text(view.causes));
    return out;
}

std::string process_line(const ProcessView& view) {
    std::string out = fmt::format("{} ({}) ", view.id, safe(view.label));
    out += domain::is_live(view) ? "is " : "";
    out += state_text(view);
    if (view.pid && domain::is_live(view)) out += fmt::format(", PID {}", *view.pid);
    return out;
}

std::string process_details(const ProcessView& view, WallTime now) {
    std::string out;
    const auto line = [&](std::string_view name, const std::string& value) {
        if (!value.empty()) out += fmt::format("{:<18} {}\n", name, value);
    };
    const auto time = [&](const std::optional<WallTime>& at) {
        return at ? fmt::format("{} ({} ago)", base::format_rfc3339(*at), age(at, now)) : std::string();
    };
    line("id", view.id);
    line("label", safe(view.label));
    line("description", safe(view.description));
    line("state", state_text(view));
    if (view.ready) line("ready", *view.ready ? "yes" : "no");
    line("command", safe(domain::command_line(view.command)));
    line("working directory", safe(view.working_directory));
    line("pid", view.pid ? fmt::format("{}", *view.pid) : "");
    line("run", view.run.value_or(""));
    line("restarts", fmt::format("{}", view.restarts));
    line("started", time(view.started_at));
    line("ended", time(view.ended_at));
    line("ports", ports_text(view.ports));
    line("cpu", view.cpu_percent ? fmt::format("{:.1f}%", *view.cpu_percent) : "");
    line("memory", view.memory_bytes ? format_bytes(*view.memory_bytes) : "");
    line("last output", time(view.last_output_at));
    line("log", safe(view.log_path.value_or("")));
    line("started by", safe(view.started_by));
    return out;
}

}  // namespace persistproc::cli::format
