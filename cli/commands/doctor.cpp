#include <fmt/format.h>

#include "cli/commands/arguments.hpp"
#include "cli/doctor/checks.hpp"
#include "cli/format/cells.hpp"
#include "cli/format/help.hpp"
#include "cli/format/json_text.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli::commands {

namespace {

constexpr int problem_status = 1;

/// In the order of the answer.
constexpr doctor::Check checks[] = {doctor::check_programs,       doctor::check_path,        doctor::check_settings,
                                    doctor::check_data_directory, doctor::check_disk_space,  doctor::check_daemon,
                                    doctor::check_endpoint,       doctor::check_linger,      doctor::check_descriptors,
                                    doctor::check_inherited,      doctor::check_log_watches, doctor::check_runs,
                                    doctor::check_processes,      doctor::check_agents};

/// In a terminal what takes more than one line goes on indented, its advice in
/// a line of its own.
std::string text_of(const std::vector<format::CheckLine>& lines, const format::TextStyle& style) {
    constexpr std::size_t status_width = 8, indent = status_width + 1;
    const std::string_view arrow = style.ascii ? "->" : "→";
    const auto columns = static_cast<std::size_t>(style.width);
    std::string out;
    for (const format::CheckLine& line : lines) {
        const std::string detail = fmt::format("{}: {}", line.name, base::escape_line(line.detail));
        const std::string advice =
            line.advice.empty() ? std::string() : fmt::format("{} {}", arrow, base::escape_line(line.advice));
        out += fmt::format("{:<{}} ", line.status, status_width);
        std::string text = advice.empty() ? detail : fmt::format("{} {}", detail, advice);
        if (columns > 0 && indent + format::cells_of(text) > columns) {
            text = format::wrap_behind(detail, columns, indent);
            if (!advice.empty()) text += "\n" + std::string(indent, ' ') + format::wrap_behind(advice, columns, indent);
        }
        out += text + "\n";
    }
    return out;
}

}  // namespace

static Task<int> doctor(Context context, NoArguments) {
    const doctor::Examined examined = co_await doctor::examine(context);
    doctor::Findings findings;
    for (const doctor::Check check : checks) check(examined, findings);
    context.console.print(context.console.json() ? format::checks_json(findings.lines())
                                                 : text_of(findings.lines(), context.console.style()));
    co_return findings.has_problem() ? problem_status : 0;
}

extern const Subcommand doctor_subcommand = without_settings(make_subcommand<doctor>({
    .name = "doctor",
    .words = "",
    .summary = "examine the installation",
    .text = "Examines the installation, the daemon and the clients' files, "
            "and says what to do. Changes nothing.",
    .examples = {"persistproc doctor"},
    .statuses = {{0, "no problem"}, {1, "problems"}},
}));

}  // namespace persistproc::cli::commands
