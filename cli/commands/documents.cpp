// What is made from the table of subcommands when the project is built or installed.
#include <cstdio>

#include "cli/format/help.hpp"
#include "cli/format/manual.hpp"
#include "cli/subcommand.hpp"

namespace persistproc::cli::commands {

namespace {

struct DocumentArguments {
    std::string name;

    template <class Each>
    static constexpr void fields(Each&&) {}
    Result<void> take(std::vector<std::string> words, const Given& given) {
        if (words.size() == 1) name = words[0];
        if (name == "persistproc.1" || name == "persistprocd.8" || name == "README") return {};
        return unexpected_word(given.subcommand, words.empty() ? "" : words[0]);
    }
};

std::string all_of_stdin() {
    std::string out;
    char buffer[4096];
    for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;) out.append(buffer, got);
    return out;
}

int print_document(const CommonOptions&, const Console& console, DocumentArguments arguments) {
    const std::string_view name = arguments.name;
    if (name == "README")
        console.print(format::readme_table());
    else if (name == "persistproc.1")
        console.print(format::client_manual());
    else
        console.print(format::daemon_manual(all_of_stdin()));
    return 0;
}

}  // namespace

/// Reserved: for the build. persistprocd.8 takes the daemon's --help from stdin.
extern const Subcommand document_subcommand = make_subcommand<print_document>({.name = "__document"});

}  // namespace persistproc::cli::commands
