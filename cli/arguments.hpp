#pragma once
/// Splits a command line before anything interprets it: which words are our own flags, and which belong to the program
/// that is to be run. The latter are never looked at. Pure.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"

namespace persistproc::cli {

/// A flag as the splitter must know it.
struct FlagShape {
    std::string long_name;  // "label": given as --label
    char short_name = 0;    // 'C': given as -C; 0: none
    bool takes_value = false;
    std::string also;  // other names, separated by blanks: see schema::Field::also_typed

    bool is_also(std::string_view name) const;
};

/// Where own flags may stand.
enum class FlagPlace {
    before_words,  // the first word that is no flag ends them; all after it is the program's, byte for byte
    anywhere,      // between the words, too; `--` ends them
};

/// A flag as it was given.
struct GivenFlag {
    std::string name;   // the long one, which it may not have been given by
    std::string value;  // empty: it takes none
    std::string other;  // the one it was given by of those in FlagShape::also: "tail"; empty: its own, or its letter

    /// `--tail 0` is no line, as docker has it, and `-n 0` all of them.
    bool is_empty_tail() const { return other == "tail" && value == "0"; }
};

struct SplitArguments {
    std::vector<GivenFlag> flags;  // in order
    std::vector<std::string> words;
    std::vector<std::string> typed;  // the words that were flags and their values, as they stood
    bool dashes = false;             // `--` ended the flags
};

/// Accepts --name value, --name=value, -n value, -nvalue and flags without value in one group (-fv). Errors: invalid
/// (unknown flag, with the nearest known one, or what `subcommand` has in place of another tool's; missing value; value
/// where none belongs).
Result<SplitArguments> split_arguments(const std::vector<std::string>& arguments, const std::vector<FlagShape>& known,
                                       FlagPlace place, std::string_view subcommand = "");

/// One flag with its value, as it stands among other words.
struct TypedFlag {
    std::string name;  // the long one
    std::string value;
    std::string text;       // for a shell; of variables the names alone: "-e KEY=…"
    std::size_t words = 1;  // that it takes
};
/// The flag of `known` that begins with word `at`; nothing: none does.
std::optional<TypedFlag> find_flag_at(const std::vector<std::string>& words, std::size_t at,
                                      const std::vector<FlagShape>& known);

struct SortedWords {
    std::vector<TypedFlag> flags;
    std::vector<std::string> rest;  // in order, with everything from a `--` on
};
/// Tells flags of `known` from other words, wherever they stand.
SortedWords sort_out(const std::vector<std::string>& words, const std::vector<FlagShape>& known);

}  // namespace persistproc::cli
