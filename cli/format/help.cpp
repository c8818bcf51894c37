#include "cli/format/help.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/common_flags.hpp"
#include "cli/format/cells.hpp"

namespace persistproc::cli::format {

namespace {

/// Lines that are longer are hard to read.
constexpr std::size_t most_columns = 100;

std::size_t columns_of(int terminal) {
    constexpr std::size_t usual = 80;
    return terminal <= 0 ? usual : std::min(static_cast<std::size_t>(terminal), most_columns);
}

std::string padded(std::string_view text, std::size_t width) {
    std::string out(text);
    if (const std::size_t used = cells_of(text); used < width) out.append(width - used, ' ');
    return out;
}

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

/// One line of a list, "  NAME  what it is", or more where that is long.
std::string entry(std::string_view name, std::size_t name_width, std::string_view text, std::size_t columns) {
    constexpr std::size_t least = 24;  // columns for the text
    const std::size_t indent = name_width + 4;
    if (columns >= indent + least)
        return fmt::format("  {}  {}\n", padded(name, name_width), wrap_behind(text, columns, indent));
    constexpr std::size_t below = 6;
    return fmt::format("  {}\n{:{}}{}\n", name, "", below, wrap_behind(text, columns, below));
}

std::string with_words(const Subcommand& subcommand) {
    const ops::Typed& typed = subcommand.typed;
    return typed.words.empty() ? std::string(typed.name) : fmt::format("{} {}", typed.name, typed.words);
}

}  // namespace

std::string wrap(std::string_view text, std::size_t width) {
    std::string out, line;
    while (!text.empty()) {
        const std::size_t blank = text.find(' ');
        const std::string_view word = text.substr(0, blank);
        text.remove_prefix(blank == std::string_view::npos ? text.size() : blank + 1);
        if (!line.empty() && cells_of(line) + 1 + cells_of(word) > width) {
            out += line + "\n";
            line.clear();
        }
        if (!line.empty()) line += ' ';
        line += word;
    }
    return out + line;
}

std::string wrap_behind(std::string_view text, std::size_t columns, std::size_t indent) {
    constexpr std::size_t least = 20;
    std::string out = wrap(text, columns > indent + least ? columns - indent : least);
    for (std::size_t at = 0; (at = out.find('\n', at)) != std::string::npos; at += indent + 1)
        out.insert(at + 1, indent, ' ');
    return out;
}

std::string usage_line(const Subcommand& subcommand) {
    const Declared declared(subcommand);
    const std::string_view words = subcommand.typed.words;
    return fmt::format("{}{}{}", subcommand.typed.name, declared.own > 0 ? " [FLAGS]" : "",
                       words.empty() ? std::string() : fmt::format(" {}", words));
}

std::string general_help(int terminal) {
    const std::size_t columns = columns_of(terminal);
    std::string out =
        "persistproc: the process layer for people and coding agents\n\n"
        "Usage: persistproc SUBCOMMAND …, or persistproc CMD… to run a command\n\n";
    std::size_t width = 0;
    for (const Subcommand* each : shown_subcommands()) width = std::max(width, cells_of(with_words(*each)));
    for (const Subcommand* each : shown_subcommands())
        out += entry(with_words(*each), width, summary_of(each->typed), columns);
    for (const std::string_view each :
         {"TARGET: an id (p3), a label, a PID or a command. Own flags end at the first word of a command.",
          "Every subcommand: --port, --data-dir, --format text|json, --json, --no-color, -q, --help."})
        out += "\n" + wrap(each, columns);
    out +=
        "\n\n"
        "  persistproc run npm run dev        # Ctrl+C detaches, the program goes on\n"
        "  persistproc list\n"
        "  persistproc output -f web\n";
    return out;
}

std::string subcommand_help(const Subcommand& subcommand, int terminal) {
    const std::size_t columns = columns_of(terminal);
    const ops::Typed& typed = subcommand.typed;
    const Declared declared(subcommand);
    std::string text(typed.text);
    if (!typed.aliases.empty()) text += fmt::format(" Also: {}.", typed.aliases);
    std::string out = fmt::format("Usage: persistproc {}\n\n{}\n\n", usage_line(subcommand), wrap(text, columns));
    std::size_t width = 0;
    for (const Flag& flag : declared.flags) width = std::max(width, cells_of(flag_text(flag)));
    for (const Flag& flag : declared.flags) {
        if (declared.own > 0 && &flag == declared.flags.data() + declared.own) out += "\nFlags of every subcommand:\n";
        out += entry(flag_text(flag), width, flag.facts.sentence(), columns);
    }
    std::string statuses;
    for (const ops::ExitStatus& each : typed.statuses)
        if (!each.text.empty()) statuses += entry(std::to_string(each.status), 3, each.text, columns);
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
