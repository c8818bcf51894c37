#include "cli/format/help.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/common_flags.hpp"
#include "common/base/cells.hpp"
#include "common/base/columns.hpp"

namespace persistproc::cli::format {

namespace {

std::string summary_of(const ops::Typed& typed) {
    std::string also(typed.aliases);
    for (std::size_t at = 0; (at = also.find(' ', at)) != std::string::npos; at += 2) also.replace(at, 1, ", ");
    return also.empty() ? std::string(typed.summary) : fmt::format("{} ({})", typed.summary, also);
}

/// A subcommand's flags and those of every subcommand, in the order help shows them.
struct Declared {
    std::shared_ptr<void> arguments;
    CommonFlags common;
    std::vector<Flag> flags;
    std::size_t own = 0;

    explicit Declared(const Subcommand& subcommand)
        : arguments(subcommand.make()), flags(subcommand.flags(arguments.get())), own(flags.size()) {
        add_common_flags(common, flags);
    }
};

/// Without reserved words, which have no summary.
std::vector<const Subcommand*> shown_subcommands() {
    std::vector<const Subcommand*> out;
    for (const Subcommand* each : all_subcommands())
        if (!each->typed.summary.empty()) out.push_back(each);
    return out;
}

std::string with_words(const Subcommand& subcommand) {
    const ops::Typed& typed = subcommand.typed;
    return typed.words.empty() ? std::string(typed.name) : fmt::format("{} {}", typed.name, typed.words);
}

}  // namespace

std::string usage_line(const Subcommand& subcommand) {
    const Declared declared(subcommand);
    const std::string_view words = subcommand.typed.words;
    return fmt::format("{}{}{}", subcommand.typed.name, declared.own > 0 ? " [FLAGS]" : "",
                       words.empty() ? std::string() : fmt::format(" {}", words));
}

std::string general_help(int terminal) {
    const std::size_t columns = base::help_columns(terminal);
    std::string out =
        "persistproc: the process layer for people and coding agents\n\n"
        "Usage: persistproc SUBCOMMAND …, or persistproc CMD… to run a command\n\n";
    std::size_t width = 0;
    for (const Subcommand* each : shown_subcommands()) width = std::max(width, base::cells_of(with_words(*each)));
    for (const Subcommand* each : shown_subcommands())
        out += base::list_entry(with_words(*each), width, summary_of(each->typed), columns);
    for (const std::string_view each :
         {"TARGET: an id (p3), a label, a PID or a command. Own flags end at the first word of a command.",
          "Every subcommand: --port, --data-dir, --format text|json, --json, --no-color, -q, --help."})
        out += "\n" + base::wrap(each, columns);
    out +=
        "\n\n"
        "  persistproc run --label web npm run dev  # Ctrl+C detaches, it goes on\n"
        "  persistproc list\n"
        "  persistproc output -f web\n";
    return out;
}

std::string subcommand_help(const Subcommand& subcommand, int terminal) {
    const std::size_t columns = base::help_columns(terminal);
    const ops::Typed& typed = subcommand.typed;
    const Declared declared(subcommand);
    std::string text(typed.text);
    if (!typed.aliases.empty()) text += fmt::format(" Also: {}.", typed.aliases);
    std::string out = fmt::format("Usage: persistproc {}\n\n{}\n\n", usage_line(subcommand), base::wrap(text, columns));
    std::size_t width = 0;
    for (const Flag& flag : declared.flags) width = std::max(width, base::cells_of(flag_text(flag)));
    for (const Flag& flag : declared.flags) {
        if (declared.own > 0 && &flag == declared.flags.data() + declared.own) out += "\nFlags of every subcommand:\n";
        out += base::list_entry(flag_text(flag), width, flag.facts.sentence(), columns);
    }
    std::string statuses;
    for (const ops::ExitStatus& each : typed.statuses)
        if (!each.text.empty()) statuses += base::list_entry(std::to_string(each.status), 3, each.text, columns);
    if (!statuses.empty()) out += "\nExit status:\n" + statuses;
    std::string examples;
    for (const std::string_view each : typed.examples)
        if (!each.empty()) examples += fmt::format("  {}\n", each);
    if (!examples.empty()) out += "\nExamples:\n" + examples;
    return out;
}

std::string readme_table() {
    std::string out = "| subcommand | what it does |\n|---|---|\n";
    for (const Subcommand* each : shown_subcommands()) {
        const Declared declared(*each);
        std::string row = fmt::format("`{}`", with_words(*each));
        for (std::string_view rest = each->typed.aliases; !rest.empty();) {
            const std::size_t blank = rest.find(' ');
            row += fmt::format(", `{}`", rest.substr(0, blank));
            rest.remove_prefix(blank == std::string_view::npos ? rest.size() : blank + 1);
        }
        row += fmt::format(" | {}", each->typed.text);
        for (std::size_t i = 0; i < declared.own; ++i)
            row += fmt::format("{}`{}`", i == 0 ? " " : ", ", flag_text(declared.flags[i]));
        for (std::size_t i = 0; i < std::size(each->typed.statuses); ++i) {
            const ops::ExitStatus& status = each->typed.statuses[i];
            if (!status.text.empty())
                row += fmt::format("{}{}: {}", i == 0 ? (declared.own > 0 ? ". Exit status " : " Exit status ") : ", ",
                                   status.status, status.text);
        }
        // A bar would end the cell, except the one between the two.
        const std::size_t bar = row.find(" | ", row.find('`', 1));
        std::string escaped;
        for (std::size_t i = 0; i < row.size(); ++i)
            escaped += row[i] == '|' && i != bar + 1 ? "\\|" : std::string(1, row[i]);
        out += fmt::format("| {} |\n", escaped);
    }
    return out;
}

}  // namespace persistproc::cli::format
