// What is made from the table of subcommands when the project is built or installed.
#include <cstdio>

#include "cli/format/help.hpp"
#include "cli/format/manual.hpp"
#include "cli/format/tool_table.hpp"
#include "cli/subcommand.hpp"

namespace persistproc::cli::commands {

namespace {

std::string all_of_stdin() {
    std::string out;
    char buffer[4096];
    for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;) out.append(buffer, got);
    return out;
}

std::string daemon_manual() { return format::daemon_manual(all_of_stdin()); }

constexpr std::pair<std::string_view, std::string (*)()> documents[] = {{"README", format::readme_table},
                                                                        {"README.tools", format::tool_table},
                                                                        {"persistproc.1", format::client_manual},
                                                                        {"persistprocd.8", daemon_manual}};

struct DocumentArguments {
    std::string (*make)() = nullptr;

    template <class Each>
    static constexpr void fields(Each&&) {}
    Result<void> take(std::vector<std::string> words, const Given& given) {
        const std::string name = words.size() == 1 ? words[0] : std::string();
        for (const auto& [known, makes] : documents)
            if (name == known) make = makes;
        if (make == nullptr) return unexpected_word(given.subcommand, words.empty() ? "" : words[0]);
        return {};
    }
};

int print_document(const CommonOptions&, const Console& console, DocumentArguments arguments) {
    console.print(arguments.make());
    return 0;
}

}  // namespace

/// Reserved: for the build. persistprocd.8 takes the daemon's --help from stdin.
extern const Subcommand document_subcommand = make_subcommand<print_document>({.name = "__document"});

}  // namespace persistproc::cli::commands
