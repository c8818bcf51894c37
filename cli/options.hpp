#pragma once
/// A command line as values: the flags of every subcommand, and the subcommand with its own arguments.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.hpp"
#include "common/schema/field.hpp"

namespace persistproc {
namespace cli {

enum class OutputFormat { text, json };
/// What a signal to `run` means for the process it shows.
enum class OnExit { detach, stop };

/// Flags of every subcommand.
struct CommonOptions {
    std::string data_directory;  // resolved, absolute
    std::uint16_t port = 0;      // of a daemon that has to be started
    bool port_given = false;     // by a flag: a daemon that serves another is not meant
    bool port_behind = false;    // by one behind the subcommand, and by nothing else: a program's may be meant
    bool port_chosen = false;    // by a flag, a variable or the file of settings
    OutputFormat format = OutputFormat::text;
    bool no_color = false;
    bool no_color_typed = false;  // as a flag: in a pipe, too
    bool quiet = false;
    bool compat = false;                    // of a daemon that has to be started
    bool autostart = true;                  // it may be started
    std::vector<std::string> daemon_flags;  // as well, beside those that follow from the above
    std::string settings_fault;             // what is wrong with the file of settings, where that is no obstacle
};

struct Subcommand;

struct Invocation {
    CommonOptions common;
    std::string help;  // not empty: it is asked for, and nothing else
    const Subcommand* subcommand = nullptr;
    std::shared_ptr<void> arguments;  // of the subcommand
};

/// `arguments` without the program's name. Reads PERSISTPROC_* variables for what no flag says. Errors: invalid, one
/// line that says what is wrong and what is accepted.
Result<Invocation> parse_invocation(const std::vector<std::string>& arguments);

/// The format asked for by a command line that could not be parsed, or else by the environment or the settings, so that
/// its error comes in that format. Blocks on the disk.
OutputFormat guess_format(const std::vector<std::string>& arguments);

}  // namespace cli

namespace schema {
template <>
struct EnumNames<cli::OutputFormat> {
    using E = cli::OutputFormat;
    static constexpr std::pair<E, std::string_view> names[] = {{E::text, "text"}, {E::json, "json"}};
};
template <>
struct EnumNames<cli::OnExit> {
    using E = cli::OnExit;
    static constexpr std::pair<E, std::string_view> names[] = {{E::detach, "detach"}, {E::stop, "stop"}};
};
}  // namespace schema
}  // namespace persistproc
