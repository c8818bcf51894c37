#include "cli/format/process_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "cli/format/cells.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/process_text.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli::format {

std::string shown(std::string_view text, const TextStyle& style) {
    const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
    if (is_plain) return std::string(text);
    const std::string safe = base::escape_line(base::to_valid_utf8(text));
    return style.ascii ? to_ascii(safe) : safe;
}

namespace {

constexpr auto lately = std::chrono::minutes(10);

enum class Standing { lives, broken, ended_lately, ended };

Standing standing_of(const ProcessView& view, WallTime now) {
    if (domain::is_live(view) || domain::has_tree(view) || view.state == ProcessState::backoff ||
        view.state == ProcessState::waiting)
        return Standing::lives;
    switch (view.state.known().value_or(ProcessState::unsupported)) {
        case ProcessState::failed:
        case ProcessState::gave_up:
        case ProcessState::lost:
        case ProcessState::unsupported: return Standing::broken;
        default: break;
    }
    return view.ended_at && now - *view.ended_at < lately ? Standing::ended_lately : Standing::ended;
}

std::uint32_t number_of(const ProcessView& view) {
    const auto id = domain::find_process_id(view.id);
    return id ? id->number : 0;
}

/// What a process is sorted by, the smallest first.
double rank_of(const ProcessView& view, WallTime now, ListSort sort) {
    const bool is_live = domain::is_live(view);
    switch (sort) {
        case ListSort::uptime:
            return is_live && view.started_at ? -std::chrono::duration<double>(now - *view.started_at).count() : 1;
        case ListSort::cpu: return -view.cpu_percent.value_or(-1);
        case ListSort::memory: return -static_cast<double>(view.memory_bytes.value_or(-1));
        case ListSort::restarts: return -static_cast<double>(view.restarts);
        default: return 0;
    }
}

void sort_views(std::vector<ProcessView>& views, WallTime now, ListSort sort) {
    const auto key = [&](const ProcessView& view) {
        const Standing standing = sort == ListSort::state ? standing_of(view, now) : Standing::lives;
        const bool is_over = standing == Standing::ended_lately || standing == Standing::ended;
        const WallTime ended = is_over ? view.ended_at.value_or(WallTime{}) : WallTime{};
        // Processes of a project stand together, behind those of none.
        const std::string project = sort == ListSort::state && view.project ? view.project->file : std::string();
        return std::tuple(standing, -ended.time_since_epoch().count(), rank_of(view, now, sort), project,
                          sort == ListSort::label ? view.label : std::string(), number_of(view));
    };
    using Key = decltype(key(views.front()));
    std::vector<std::pair<Key, std::size_t>> order;
    order.reserve(views.size());
    for (const ProcessView& view : views) order.emplace_back(key(view), order.size());
    // As the daemon sends them, if all of them run.
    if (std::is_sorted(order.begin(), order.end())) return;
    // By what stood first, too: that is stable.
    std::sort(order.begin(), order.end());
    std::vector<ProcessView> sorted;
    sorted.reserve(views.size());
    for (const auto& [of_view, from] : order) sorted.push_back(std::move(views[from]));
    views = std::move(sorted);
}

/// What is left out when a terminal is too narrow: the highest rank first; 0 stays. Who asks for the wide table asks
/// for its own columns before all others.
struct Column {
    std::string_view head;
    bool is_number;
    int rank, rank_in_wide;
};
namespace at {
enum : std::size_t {
    id,
    label,
    state,
    pid,
    uptime,
    restarts,
    ports,
    cpu,
    memory,
    directory,
    command,
    started_by,
    description
};
}  // namespace at
constexpr std::array table_columns = {
    Column{"ID", false, 0, 0},         Column{"LABEL", false, 0, 0},   Column{"STATE", false, 0, 0},
    Column{"PID", true, 4, 7},         Column{"UPTIME", true, 2, 6},   Column{"RESTARTS", true, 7, 10},
    Column{"PORTS", false, 1, 4},      Column{"CPU", true, 5, 8},      Column{"MEMORY", true, 6, 9},
    Column{"DIRECTORY", false, 3, 5},  Column{"COMMAND", false, 8, 1}, Column{"STARTED BY", false, 8, 2},
    Column{"DESCRIPTION", false, 8, 3}};
using Row = std::array<std::string, table_columns.size()>;

std::string first_unit(const std::string& age) { return age.substr(0, age.find(' ')); }

/// "exited 3, 1 left running, 2m ago".
std::string state_cell(const ProcessView& view, WallTime now) {
    std::string out(view.state.word());
    const bool is_asked_for = view.state == ProcessState::stopped;
    if (view.signal && !is_asked_for) out += " " + *view.signal;
    if (view.exit_code && !is_asked_for) out += fmt::format(" {}", *view.exit_code);
    const bool is_new = view.reason && !view.reason->known() && view.reason->word() != view.state.word();
    if (is_new || view.reason == OutcomeReason::oom)
        out += fmt::format(" ({})", base::escape_line(base::to_valid_utf8(view.reason->word())));
    if (view.ready && view.state == ProcessState::running) out += *view.ready ? ", ready" : ", not ready";
    for (const Cause& each : view.causes) {
        if (each.code == CauseCode::called_off)
            out += ", stopped";
        else if (each.code == CauseCode::suspended)
            out += ", suspended";
        else if (each.code == CauseCode::quick_failures && domain::is_live(view))
            out += fmt::format(", {} short runs", each.count.value_or(0));
        else if (each.code == CauseCode::left_running)
            out += ", " + domain::cause_text(each);
        else if (each.code == CauseCode::runs_again && each.at)
            out += fmt::format(", in {}", short_time(*each.at - now));
        else if (each.code == CauseCode::waits_for)
            out += " for " + each.text.value_or("");
    }
    const bool is_to_come = view.state == ProcessState::backoff || view.state == ProcessState::waiting;
    if (!domain::is_live(view) && view.ended_at && !is_to_come)
        out += fmt::format(", {} ago", first_unit(age_text(*view.ended_at, now)));
    return out;
}

/// Why it is not ready, and what its state does not show, nor a warning of all.
std::string causes_without_column(const ProcessView& whole) {
    const bool is_unready = whole.ready == false && whole.state == ProcessState::running && !whole.detail.empty();
    std::string out = is_unready ? "not ready: " + whole.detail : std::string();
    if (whole.causes.empty()) return out;
    ProcessView view = whole;
    std::erase_if(view.causes, [](const Cause& each) {
        return each.code == CauseCode::suspended || each.code == CauseCode::data_removed ||
               each.code == CauseCode::quick_failures;
    });
    const std::string causes = told_causes(view);
    if (!out.empty() && !causes.empty()) out += "; ";
    return out + causes;
}

bool has_default_label(const ProcessView& view) {
    return view.label == domain::default_label(view.command, view.working_directory);
}

/// What fits of "3000,3001,…", whole numbers alone.
std::string cut_list(std::string text, std::size_t cells, std::string_view mark) {
    if (cells_of(text) <= cells) return text;
    const std::size_t room = cells - std::min(cells, cells_of(mark));
    const std::size_t comma = text.rfind(',', room > 0 ? room - 1 : 0);
    text.erase(comma == std::string::npos ? 0 : comma + 1);
    return text.append(mark);
}

Row make_row(const ProcessView& view, WallTime now, const TextStyle& style) {
    Row row;
    row[at::id] = view.id;
    row[at::label] = shown(view.label, style);
    row[at::state] = shown(state_cell(view, now), style);
    row[at::pid] = view.pid ? fmt::format("{}", *view.pid) : "";
    row[at::uptime] = domain::is_live(view) && view.started_at ? age_text(*view.started_at, now) : "";
    row[at::restarts] = view.restarts > 0 ? fmt::format("{}", view.restarts) : "";
    if (!view.ports.empty()) row[at::ports] = fmt::format("{}", fmt::join(view.ports, ","));
    row[at::cpu] = view.cpu_percent ? fmt::format("{:.1f}%", *view.cpu_percent) : "";
    row[at::memory] = view.memory_bytes.value_or(0) > 0 ? format_bytes(*view.memory_bytes) : "";
    row[at::directory] = shown(view.working_directory, style);
    if (!style.wide) return row;
    row[at::command] = shown(domain::command_line(view.command), style);
    row[at::started_by] = shown(actor_text(view.started_by), style);
    row[at::description] = shown(view.description, style);
    return row;
}

/// Which columns are shown, and how wide.
struct Layout {
    bool is_wide = false;
    std::array<bool, table_columns.size()> has{};
    std::array<std::size_t, table_columns.size()> width{};

    std::size_t total() const {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < table_columns.size(); ++i) sum += has[i] ? width[i] + (i == 0 ? 0 : 2) : 0;
        return sum;
    }
    /// Narrower by what there is too much, but not below `least`.
    void shrink(std::size_t column, std::size_t room, std::size_t least) {
        if (!has[column]) return;
        const std::size_t excess = total() > room ? total() - room : 0;
        const std::size_t can_give = width[column] > least ? width[column] - least : 0;
        width[column] -= std::min(excess, can_give);
    }
    /// Wider by what there is room for, up to `most`.
    void grow(std::size_t column, std::size_t room, std::size_t most) {
        const std::size_t spare = total() < room ? room - total() : 0;
        if (has[column] && width[column] < most) width[column] += std::min(spare, most - width[column]);
    }
    /// False: all that are left stay.
    bool drop_one() {
        const auto rank = [this](std::size_t i) {
            return is_wide ? table_columns[i].rank_in_wide : table_columns[i].rank;
        };
        std::size_t worst = at::id;
        for (std::size_t i = 0; i < table_columns.size(); ++i)
            if (has[i] && rank(i) > rank(worst)) worst = i;
        has[worst] = worst == at::id;
        return worst != at::id;
    }
};

std::size_t widest(const std::vector<Row>& rows, std::size_t column) {
    std::size_t most = 0;
    for (const Row& row : rows) most = std::max(most, cells_of(row[column]));
    return most;
}

/// Nothing is cut, and what is much longer than the rest takes its own row out of line.
Layout unbounded_layout(const std::vector<Row>& rows, const TextStyle& style) {
    constexpr std::size_t longest = 40;
    Layout out;
    for (std::size_t i = 0; i < table_columns.size(); ++i) {
        out.has[i] = i <= at::directory || style.wide;
        if (!out.has[i]) continue;
        out.width[i] = std::min(std::max(widest(rows, i), table_columns[i].head.size()), longest);
    }
    return out;
}

/// Leaves out columns until the rest fits, with what is cut still worth reading.
void narrow(Layout& layout, std::size_t room) {
    // Beside the command a label need not be told from others by itself.
    const std::pair<std::size_t, std::size_t> least[] = {
        {at::description, 11}, {at::directory, 14}, {at::command, 20}, {at::label, layout.is_wide ? 14 : 20}};
    const auto natural = layout.width;
    const auto shrink = [&] {
        for (const auto& [column, cells] : least) layout.shrink(column, room, cells);
    };
    for (shrink(); layout.total() > room && layout.drop_one();) shrink();
    for (auto each = std::rbegin(least); each != std::rend(least); ++each)
        layout.grow(each->first, room, natural[each->first]);
}

/// "npm run dev in ~/shop/web" in so many cells: both its parts are cut where there is no room, the longer one first.
std::string command_in(const std::string& command, std::string_view directory, std::size_t cells,
                       const TextStyle& style) {
    constexpr std::string_view between = " in ";
    const std::string whole = command + std::string(between) + short_directory(directory, SIZE_MAX, style);
    const std::size_t room = cells - std::min(cells, between.size());
    if (cells_of(whole) <= cells || room == 0) return cut_middle(whole, cells, style.mark());
    const std::size_t rest = room - std::min(room, cells_of(command));
    const std::string shorter = short_directory(directory, std::max(room / 2, rest), style);
    return cut_middle(command, room - std::min(room, cells_of(shorter)), style.mark()) + std::string(between) + shorter;
}

/// Whether another row has the same label.
std::vector<bool> find_repeated(const std::vector<Row>& rows) {
    std::map<std::string_view, std::size_t> uses;
    for (const Row& row : rows) ++uses[row[at::label]];
    std::vector<bool> out;
    for (const Row& row : rows) out.push_back(uses[row[at::label]] > 1);
    return out;
}

/// Changes what stands in the rows' label and directory to what there is room for.
Layout terminal_layout(std::vector<Row>& rows, const std::vector<ProcessView>& views, const TextStyle& style) {
    constexpr std::size_t shortest = 8, least_ports = 17;
    const auto room = static_cast<std::size_t>(style.width);
    const std::size_t most_ports = std::max(least_ports, room / 5);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i][at::directory] = short_directory(views[i].working_directory, SIZE_MAX, style);
        rows[i][at::ports] = cut_list(rows[i][at::ports], most_ports, style.mark());
        // The directory has its own column.
        if (has_default_label(views[i])) rows[i][at::label] = shown(domain::command_line(views[i].command), style);
    }
    Layout out;
    out.is_wide = style.wide;
    for (std::size_t i = 0; i < table_columns.size(); ++i) {
        const std::size_t most = widest(rows, i);
        out.has[i] = i <= at::state || ((i <= at::directory || style.wide) && most > 0);
        out.width[i] = std::max(most, table_columns[i].head.size());
    }
    narrow(out, room);
    std::vector<bool> has_place(rows.size(), false);
    if (!out.has[at::directory]) {
        // Commands that are equal are told apart by where they run; for others each cell is worth more.
        has_place = find_repeated(rows);
        for (std::size_t i = 0; i < rows.size(); ++i) {
            has_place[i] = has_place[i] && has_default_label(views[i]);
            if (!has_place[i]) continue;
            const std::size_t whole =
                cells_of(command_in(rows[i][at::label], views[i].working_directory, SIZE_MAX, style));
            out.width[at::label] = std::max(out.width[at::label], whole);
        }
        narrow(out, room);
    }
    for (const std::size_t column : {at::command, at::label, at::state}) out.shrink(column, room, shortest);
    // A directory is cut between its parts: what that leaves is the label's.
    std::size_t natural_label = widest(rows, at::label);
    if (!out.has[at::directory]) natural_label = std::max(natural_label, out.width[at::label]);
    const std::size_t directory_room = out.width[at::directory];
    for (std::size_t i = 0; i < rows.size(); ++i)
        rows[i][at::directory] = short_directory(views[i].working_directory, directory_room, style);
    out.width[at::directory] = std::max(widest(rows, at::directory), table_columns[at::directory].head.size());
    out.grow(at::label, room, natural_label);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::size_t cells = out.width[at::label];
        rows[i][at::label] = has_place[i] ? command_in(rows[i][at::label], views[i].working_directory, cells, style)
                                          : cut_middle(rows[i][at::label], cells, style.mark());
        rows[i][at::state] = cut_end(rows[i][at::state], out.width[at::state], style.mark());
        rows[i][at::command] = cut_middle(rows[i][at::command], out.width[at::command], style.mark());
        rows[i][at::description] = cut_end(rows[i][at::description], out.width[at::description], style.mark());
    }
    return out;
}

/// Without a newline behind it. `colour` is that of the state; empty: none.
void append_line(std::string& out, const Row& row, const Layout& layout, std::string_view colour) {
    const std::size_t begin = out.size();
    for (std::size_t i = 0; i < table_columns.size(); ++i) {
        if (!layout.has[i]) continue;
        const std::size_t own = cells_of(row[i]);
        const std::size_t fill = layout.width[i] > own ? layout.width[i] - own : 0;
        const bool is_coloured = i == at::state && !colour.empty();
        if (i > 0) out += "  ";
        if (table_columns[i].is_number) out.append(fill, ' ');
        if (is_coloured) out += colour;
        out += row[i];
        if (is_coloured) out += no_colour;
        if (!table_columns[i].is_number) out.append(fill, ' ');
    }
    while (out.size() > begin && out.back() == ' ') out.pop_back();
}

}  // namespace

std::string_view colour_of(const ProcessView& view) {
    constexpr std::string_view good = "\x1b[32m", moving = "\x1b[33m", bad = "\x1b[31m";
    if (!view.state.known()) return "";
    switch (*view.state.known()) {
        case ProcessState::running: return domain::has_cause(view, CauseCode::quick_failures) ? moving : good;
        case ProcessState::starting:
        case ProcessState::stopping:
        case ProcessState::waiting:
        case ProcessState::backoff: return moving;
        case ProcessState::exited: return view.exit_code.value_or(0) == 0 ? "" : bad;
        case ProcessState::killed:
        case ProcessState::failed:
        case ProcessState::gave_up:
        case ProcessState::lost:
        case ProcessState::unreachable: return bad;
        default: return "";
    }
}

std::string short_directory(std::string_view path, std::size_t cells, const TextStyle& style) {
    std::string text = shown(path, style);
    const std::string home = shown(style.home, style);
    const bool is_below =
        !home.empty() && text.starts_with(home) && (text.size() == home.size() || text[home.size()] == '/');
    if (is_below) text = "~" + text.substr(home.size());
    if (cells_of(text) <= cells) return text;
    const std::string begin = fmt::format("{}/{}", is_below ? "~" : "", style.mark());
    std::string out;
    for (std::size_t slash = text.rfind('/'); slash != std::string::npos && slash > 0;
         slash = text.rfind('/', slash - 1)) {
        std::string longer = begin + text.substr(slash);
        if (cells_of(longer) > cells) break;
        out = std::move(longer);
    }
    return out.empty() ? cut_middle(text, cells, style.mark()) : out;
}

ListChoice choose_processes(std::vector<ProcessView> views, WallTime now, bool all, ListSort sort) {
    ListChoice out;
    if (!all)
        out.ended =
            std::erase_if(views, [&](const ProcessView& view) { return standing_of(view, now) == Standing::ended; });
    sort_views(views, now, sort);
    out.shown = std::move(views);
    return out;
}

std::string process_table(const ListChoice& choice, WallTime now, const TextStyle& style) {
    const std::vector<ProcessView>& views = choice.shown;
    const bool is_bounded = style.width > 0;
    const auto fitted = [&](const std::string& line) {
        return is_bounded ? cut_end(line, static_cast<std::size_t>(style.width), style.mark()) : line;
    };
    const std::string footer =
        choice.ended > 0 ? fitted(fmt::format("{} ended: persistproc list -a", choice.ended)) + "\n" : "";
    if (views.empty()) return footer.empty() ? "no processes\n" : "nothing runs\n" + footer;
    std::vector<Row> rows;
    rows.reserve(views.size());
    for (const ProcessView& view : views) rows.push_back(make_row(view, now, style));
    const Layout layout = is_bounded ? terminal_layout(rows, views, style) : unbounded_layout(rows, style);
    // Only a terminal that has no room for three columns cuts what is coloured.
    const bool fits = !is_bounded || layout.total() <= static_cast<std::size_t>(style.width);
    Row head;
    for (std::size_t i = 0; i < table_columns.size(); ++i) head[i] = table_columns[i].head;
    std::string out, line;
    append_line(line, head, layout, "");
    out = fitted(line) + "\n";
    out.reserve(out.size() * (rows.size() + 1));
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::string_view colour = style.colour && fits ? colour_of(views[i]) : "";
        if (fits) {
            append_line(out, rows[i], layout, colour);
        } else {
            line.clear();
            append_line(line, rows[i], layout, colour);
            out += fitted(line);
        }
        out += '\n';
    }
    // What is wrong with one that runs, or why nobody knows how it ended, has no column.
    for (const ProcessView& view : views) {
        std::string causes =
            domain::is_live(view) || view.state == ProcessState::lost ? causes_without_column(view) : "";
        if (!causes.empty()) out += fitted(fmt::format("{}: {}", view.id, shown(causes, style))) + "\n";
    }
    return out + footer;
}

}  // namespace persistproc::cli::format
