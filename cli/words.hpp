#pragma once
/// What people type who come from elsewhere, or who mistype, and what it is here. Nothing here starts anything.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.hpp"
#include "common/base/result.hpp"
#include "common/domain/process.hpp"

namespace persistproc::cli {

struct StartArguments;

/// Whether the first word of the command is a program, as far as its PATH tells; a path always is.
bool names_program(const StartArguments& arguments);

/// What to do in place of another tool's flag, given with its dashes; empty: nothing is known of it.
std::string instead_of_flag(std::string_view subcommand, std::string_view flag);

/// Where a subcommand was given what it does not take: how a program that people know by the same name is run, "; to
/// run …". Empty: none is known.
std::string namesake_hint(std::string_view subcommand);

/// A command as advice repeats it: quoted for a shell, of variables that it sets the names alone.
std::string shown_command(const std::vector<std::string>& command);

/// One word with blanks is a command line: as agents give it, split like a shell does. `line`: what was typed before
/// it, "persistproc run". Errors: invalid, naming --shell or -e where that is what is meant.
Result<std::vector<std::string>> split_line(std::string_view line, const std::string& word);

/// Why a command whose first word sets a variable is not run: -e does that. Nothing: it sets none.
std::optional<Error> refuse_assignment(std::string_view line, const std::vector<std::string>& command);

/// Why a command is not run whose first word is a command line and no program, with the flags of ours behind it:
/// `start "npm start" --name api`. Nothing: its own first word is no program either.
std::optional<Error> refuse_quoted(const StartArguments& arguments, const std::vector<FlagShape>& flags);

/// Why a first word that is a line of ours, `persistproc 'list -a'`, is not run: it is a subcommand only without the
/// quotes. Nothing: it is none, or a program of that name is there.
std::optional<Error> refuse_quoted_subcommand(const StartArguments& arguments);

/// Why `word`, all there is of a command, is none: it is the file of another tool that describes programs. Nothing: it
/// is none.
std::optional<Error> refuse_project_file(std::string_view word);

/// Flags behind the command that are spelled as ours are. They belong to the program.
struct Misplaced {
    std::string flag;                  // the first one: "--name"
    bool is_peculiar = false;          // no program is known for it
    bool sets_variables = false;       // as all of them do
    std::string flags;                 // "--name api", of variables the names alone
    std::string line;                  // "persistproc start --name api --", to stand before the command
    std::vector<std::string> command;  // without them

    std::string hint() const;
};
/// Short flags, which many programs have, are looked for only where they set a variable. Nothing: there are none, or
/// the program runs others and has flags like these.
std::optional<Misplaced> find_misplaced(const std::vector<std::string>& command, std::string_view line,
                                        const std::vector<FlagShape>& own_flags);

/// Why the command of a `run` is not run, as far as no daemon need be asked: a first word that is nearly a subcommand
/// and no program.
std::optional<Error> refuse_mistyped(const StartArguments& arguments);

/// What to type in place of a word of another tool, or of a command to come: "persistproc rm TARGET". Empty: it is
/// none.
std::string instead_of(std::string_view word);

/// The subcommand that `word` is a slip for; empty: none.
std::string near_subcommand(std::string_view word);

/// Whether the command may be executed, as far as its first word tells: a path, something in PATH, or a shell's line.
bool may_be_program(const StartArguments& arguments);

/// Whether `refuse_known` may have something to say.
bool may_be_known(const StartArguments& arguments);
/// Why the command of a `run` is not run: it names a process that exists, and is no program or is one word without
/// `run` before it; or has the form of an id, or is a subcommand
/// to come, or the word of another tool for what is to be done with a process.
std::optional<Error> refuse_known(const StartArguments& arguments, const std::vector<ProcessView>& views);

/// What to type so that a process that exists becomes what the flags say, and keeps its id; empty: no flag says
/// anything of it, or one does that has a command of its own (the label, variables) or makes
/// another one (the directory).
std::string redefining_line(const StartArguments& arguments, const ProcessView& known);

/// For what is no program: the process whose label it nearly is.
std::optional<Error> refuse_near(const StartArguments& arguments, const std::vector<ProcessView>& views);

/// For what is no program and names no process: why, where it has the form of an id or a PID.
std::optional<Error> refuse_unknown_id(const std::string& word);

}  // namespace persistproc::cli
