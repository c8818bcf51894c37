#pragma once
/// What people type who come from elsewhere, or who mistype, and what it is here. Nothing here starts anything.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"
#include "common/domain/process.hpp"

namespace persistproc::cli {

struct StartArguments;

/// Why `word` is no program to run: it is a subcommand to come. Nothing: it is none.
std::optional<Error> refuse_reserved(std::string_view word);

/// What to do in place of another tool's flag, given with its dashes; empty: nothing is known of it.
std::string instead_of_flag(std::string_view subcommand, std::string_view flag);

/// One word with blanks is a command line: as agents give it, split like a shell does. Errors: invalid, naming --shell
/// or -e where that is what is meant.
Result<std::vector<std::string>> split_line(std::string_view subcommand, const std::string& word);

/// Why a command whose first word sets a variable is not run: -e does that. Nothing: it sets none.
std::optional<Error> refuse_assignment(std::string_view subcommand, const std::vector<std::string>& command);

/// Why `word`, all there is of a command, is none: it is the file of another tool that describes programs. Nothing: it
/// is none.
std::optional<Error> refuse_project_file(std::string_view word);

/// An own flag that stands behind the command, where it belongs to the program; as a hint.
std::optional<std::string> misplaced_flag(const StartArguments& arguments);

/// Why the command of a `run` is not run, as far as no daemon need be asked: a first word that is nearly a subcommand
/// and no program.
std::optional<Error> refuse_mistyped(const StartArguments& arguments);

/// Whether `refuse_known` may have something to say.
bool may_be_known(const StartArguments& arguments);
/// Why the command of a `run` is not run: it names a process that exists, or is the word of another tool for what is to
/// be done with one.
std::optional<Error> refuse_known(const StartArguments& arguments, const std::vector<ProcessView>& views);

}  // namespace persistproc::cli
