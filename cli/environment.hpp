#pragma once
/// What only the client at the user's terminal can know of the process to be started.
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/client.hpp"
#include "cli/context.hpp"
#include "cli/options.hpp"
#include "common/base/result.hpp"
#include "common/domain/process.hpp"

namespace persistproc::ops {
struct ProjectPlace;
struct RestartRequest;
struct RunProjectRequest;
struct StartRequest;
}  // namespace persistproc::ops

namespace persistproc::cli {

struct ProjectChoice;
struct RestartArguments;
struct StartArguments;

/// The variables by which --color asks for colours.
inline constexpr std::array<std::string_view, 2> colour_variables = {"FORCE_COLOR", "CLICOLOR_FORCE"};

/// "NAME=value" of this process without what belongs to the supervision of us and not to the program: PERSISTPROC_*,
/// NOTIFY_SOCKET, LISTEN_*, INVOCATION_ID, JOURNAL_STREAM.
std::vector<std::string> inherited_environment(const char* const* variables);

/// The request for a definition, with environment, umask and limits of this process. Errors: invalid (a variable, a
/// file, the working directory), io.
Result<ops::StartRequest> make_start_request(const StartArguments& arguments);
/// The request that starts a process as it was defined; `fresh`: also where it runs.
ops::StartRequest make_again_request(const ProcessView& known, bool fresh);
/// For a start: why no daemon answers it, with what is typed for a port of the program, where it may have been meant.
Error not_connected(Error failed, const CommonOptions& common, const StartArguments& arguments);
/// Says so where a port that was given behind the subcommand made a daemon begin there: it may have been meant for the
/// program.
void tell_daemon_port(const Context& context, const DaemonClient& client, const StartArguments& arguments);
/// A start that was refused: a program that could not be executed with what its file tells of that and what to type,
/// and whatever it was with a hint at flags that stand behind the command. Other errors as they are.
Error explained(Error failed, const StartArguments& arguments);
/// What was typed of a project made whole: its directory, and the variables that its files may name. `word`: a
/// directory or a file, instead of flags; may be empty. Errors: invalid.
Result<void> complete_place(ops::ProjectPlace& place, const std::string& word);
/// Of a directory as it was typed (empty: the present one), as others name it. Errors: invalid.
Result<std::string> working_directory(const std::string& given);
/// The request for each target, with the environment that is asked for. Errors: as above.
Result<ops::RestartRequest> make_restart_request(const RestartArguments& arguments);

/// What is asked of a project, with directory, environment, umask and limits of this process. Errors: invalid.
Result<ops::RunProjectRequest> make_project_request(const ProjectChoice& choice);

}  // namespace persistproc::cli
