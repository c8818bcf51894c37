#pragma once
/// The command line as values: one struct per subcommand. Everything about flags stands in options.cpp.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/api/agent_setup.hpp"
#include "common/base/result.hpp"
#include "common/domain/process.hpp"

namespace persistproc::cli {

enum class OutputFormat { text, json };

/// Flags of every subcommand.
struct CommonOptions {
    std::string data_directory;  // resolved, absolute
    std::uint16_t port = 0;      // of a daemon that has to be started
    OutputFormat format = OutputFormat::text;
    bool verbose = false;
    bool quiet = false;
    bool compat = false;  // of a daemon that has to be started
};

/// What `run` and `start` say about the process.
struct DefinitionOptions {
    std::vector<std::string> command;
    std::optional<std::string> label;
    std::string working_directory;       // as given; empty: the current one
    std::vector<std::string> variables;  // KEY=VALUE
    std::vector<std::string> environment_files;
    std::optional<domain::RestartPolicy> restart;
    std::optional<std::string> stop_signal;
    std::optional<double> grace_seconds;
    bool shell = false;
    bool fresh = false;
    bool autostart = true;
};

enum class OnExit { detach, stop };

struct RunOptions {
    DefinitionOptions definition;
    OnExit on_exit = OnExit::detach;
    std::uint64_t history = 0;
    bool raw = false;
};
struct StartOptions {
    DefinitionOptions definition;
};
struct ServeOptions {
    bool detach = false;
    std::optional<int> ready_fd;
};
struct TargetOptions {
    std::vector<std::string> targets;
};
struct StopOptions : TargetOptions {
    bool force = false;
    std::optional<double> grace_seconds;
};
struct RestartOptions : StopOptions {};
struct SignalOptions : TargetOptions {
    std::string signal;
};
struct ListOptions {
    std::optional<std::string> target;
    std::optional<std::string> working_directory;
    std::optional<std::string> state;
};
struct StatusOptions : TargetOptions {};
struct RemoveOptions : TargetOptions {};

enum class StreamOption { combined, out, err };

struct OutputOptions {
    std::string target;
    std::uint64_t lines = 100;  // 0: all
    bool lines_given = false;
    bool follow = false;
    std::optional<std::string> since, until, grep, run, cursor;
    StreamOption stream = StreamOption::combined;
    bool timestamps = false;
    bool raw = false;
};

enum class WaitFor { pattern, port, quiet, exit };

struct WaitOptions {
    std::string target;
    WaitFor until = WaitFor::exit;
    std::string pattern;
    std::uint16_t port = 0;
    double quiet_seconds = 0;
    std::optional<double> timeout_seconds;  // nothing: as long as it takes
};
struct ShutdownOptions {
    bool keep = false;
};
struct SetupOptions {
    const api::Agent* agent = nullptr;  // one of known_agents()
    api::AgentScope scope = api::AgentScope::user;
    std::string name = "persistproc";  // of the entry
    bool print = false;
    bool stdio = false;
};
struct DoctorOptions {};
struct VersionOptions {};
struct McpOptions {
    bool autostart = true;
};
struct HelpOptions {
    std::string text;
};

struct Invocation {
    CommonOptions common;
    std::variant<HelpOptions, RunOptions, StartOptions, ServeOptions, StopOptions, RestartOptions, SignalOptions,
                 ListOptions, StatusOptions, RemoveOptions, OutputOptions, WaitOptions, ShutdownOptions, SetupOptions,
                 DoctorOptions, VersionOptions, McpOptions>
        verb;
};

/// `arguments` without the program's name. Reads PERSISTPROC_* variables for what no flag says. Errors: invalid, one
/// line that says what is wrong and what is accepted.
Result<Invocation> parse_invocation(const std::vector<std::string>& arguments);

/// The format asked for by a command line that could not be parsed, so that its error comes in that format.
OutputFormat guess_format(const std::vector<std::string>& arguments);

}  // namespace persistproc::cli
