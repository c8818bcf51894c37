#include "cli/environment.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include "cli/commands/arguments.hpp"
#include "cli/commands/project_arguments.hpp"
#include "cli/exec_failure.hpp"
#include "common/base/file.hpp"
#include "common/base/random.hpp"
#include "common/base/text.hpp"
#include "common/config/environment_file.hpp"
#include "common/rundir/run_mark.hpp"

namespace persistproc::cli {

namespace {

bool is_ours(std::string_view variable) {
    const std::string_view name = variable.substr(0, variable.find('='));
    return name.starts_with("PERSISTPROC_") || name.starts_with("LISTEN_") || name == "NOTIFY_SOCKET" ||
           name == "INVOCATION_ID" || name == "JOURNAL_STREAM" || name == rundir::run_mark_name;
}

std::vector<std::vector<std::int64_t>> own_limits() {
    std::vector<std::vector<std::int64_t>> out;
    const auto number = [](rlim_t value) {
        return value > static_cast<rlim_t>(INT64_MAX) ? -1 : static_cast<std::int64_t>(value);
    };
    for (int resource = 0; resource < static_cast<int>(RLIM_NLIMITS); ++resource) {
        rlimit limit{};
        if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) continue;
        out.push_back({resource, number(limit.rlim_cur), number(limit.rlim_max)});
    }
    return out;
}

std::int64_t own_umask() {
    // It can only be read by setting it; nothing else runs yet.
    const mode_t mask = ::umask(0);
    ::umask(mask);
    return static_cast<std::int64_t>(mask);
}

}  // namespace

Result<std::string> working_directory(const std::string& given) {
    std::error_code failed;
    const std::filesystem::path path =
        std::filesystem::canonical(given.empty() ? std::filesystem::path(".") : std::filesystem::path(given), failed);
    if (failed && given.empty())
        return Error{ErrorCode::invalid,
                     fmt::format("this directory cannot be used: {}; name another: -C DIR", failed.message())};
    if (failed)
        return Error{ErrorCode::invalid,
                     fmt::format("working directory {}: {}", base::excerpt(given), failed.message())};
    if (!std::filesystem::is_directory(path, failed))
        return Error{ErrorCode::invalid, fmt::format("working directory {}: not a directory", base::excerpt(given))};
    return path.native();
}

std::vector<std::string> inherited_environment(const char* const* variables) {
    std::vector<std::string> out;
    for (; *variables != nullptr; ++variables)
        if (!is_ours(*variables)) out.emplace_back(*variables);
    return out;
}

namespace {

/// What --env says counts more than a file.
Result<void> add_files(const std::vector<std::string>& files, domain::Environment& into) {
    domain::Environment from_files;
    for (const auto& file : files) {
        auto text = base::read_file(file, config::max_environment_file_bytes);
        if (!text) {
            Error refused = base::with_context(text.error(), "--env-file");
            // One that was to be given with -e.
            if (const std::string shown = base::hide_values(file); shown != file)
                refused.message = fmt::format("--env-file {}: no such file; a variable: -e NAME=VALUE", shown);
            // What was typed names no file that can be read.
            refused.code = ErrorCode::invalid;
            return refused;
        }
        auto variables = config::parse_environment_file(*text, file);
        if (!variables) return variables.error();
        for (auto& [name, value] : *variables) from_files[name] = std::move(value);
    }
    into.merge(from_files);
    return {};
}

/// With what is wrong besides: a flag of ours that stands where the program has it.
Error with_hint(Error failed, const std::optional<Misplaced>& misplaced) {
    // Advice that begins with the line says it already.
    const bool is_told = misplaced && failed.message.find(misplaced->line) != std::string::npos;
    if (misplaced && !is_told) failed.message += "; " + misplaced->hint();
    return failed;
}

}  // namespace

std::string program_port_hint(const CommonOptions& common, const StartArguments& arguments) {
    return fmt::format("a port of the program stands behind the command: {} --port {}",
                       shown_command(arguments.request.definition.command), common.port);
}

Error not_connected(Error failed, const CommonOptions& common, const StartArguments& arguments) {
    if (failed.code != ErrorCode::conflict || !common.port_behind) return failed;
    failed.message += "; " + program_port_hint(common, arguments);
    return failed;
}

void tell_daemon_port(const Context& context, const DaemonClient& client, const StartArguments& arguments) {
    if (!client.is_started_here || !context.common.port_behind) return;
    context.console.note(fmt::format("--port is the daemon's, which was started at port {}; {}", context.common.port,
                                     program_port_hint(context.common, arguments)));
}

Error explained(Error failed, const StartArguments& arguments) {
    const auto& misplaced = arguments.misplaced;
    // What others are for is known once the program has failed.
    if (failed.code != ErrorCode::exec_failed && (!misplaced || !misplaced->is_peculiar)) return failed;
    if (failed.code != ErrorCode::exec_failed) return with_hint(std::move(failed), misplaced);
    const Definition& definition = arguments.request.definition;
    if (definition.shell) return failed;
    auto directory = working_directory(definition.working_directory);
    if (!directory) return failed;
    const auto own = arguments.request.environment.find("PATH");
    const char* inherited = std::getenv("PATH");
    const std::string path = own != arguments.request.environment.end() ? own->second : inherited ? inherited : "";
    std::string why = misplaced ? explain_exec_failure(misplaced->command, *directory, path, misplaced->line + " ")
                                : explain_exec_failure(definition.command, *directory, path);
    if (!why.empty()) failed.message = std::move(why);
    return with_hint(std::move(failed), misplaced);
}

Result<void> complete_place(ops::ProjectPlace& place, const std::string& word) {
    std::error_code failed;
    if (std::filesystem::is_directory(word, failed))
        place.directory = word;
    else if (!word.empty())
        place.file = word;
    // A file is named from where it is typed, not from the directory that is meant.
    if (place.file) place.file = std::filesystem::absolute(*place.file, failed).native();
    auto directory = working_directory(place.directory);
    if (!directory) return directory.error();
    place.directory = std::move(*directory);
    auto variables = inherited_environment(::environ);
    // No file can name the others.
    std::erase_if(variables, [](const std::string& each) { return !base::is_utf8(each); });
    place.base_environment = std::move(variables);
    return {};
}

Result<ops::RestartRequest> make_restart_request(const RestartArguments& arguments) {
    ops::RestartRequest request = arguments.request;
    if (auto read = add_files(arguments.environment_files, request.environment); !read) return read.error();
    if (arguments.update_environment) request.base_environment = inherited_environment(::environ);
    ops::carry_bytes(request);
    return request;
}

namespace {

std::string new_request_key() {
    std::array<std::uint8_t, 16> key;
    base::fill_random(key);
    return base::to_hex(key);
}

}  // namespace

ops::StartRequest make_again_request(const ProcessView& known, bool fresh) {
    ops::StartRequest request;
    request.definition.command = known.command;
    request.definition.working_directory = known.working_directory;
    request.process = known.id;
    if (fresh) request.if_running = ops::IfRunning::restart;
    request.request_key = new_request_key();
    return request;
}

Result<ops::StartRequest> make_start_request(const StartArguments& arguments) {
    ops::StartRequest request = arguments.request;
    auto directory = working_directory(request.definition.working_directory);
    if (!directory) return directory.error();
    request.definition.working_directory = std::move(*directory);
    if (auto read = add_files(arguments.environment_files, request.environment); !read) return read.error();
    if (arguments.colour)
        for (const auto name : colour_variables) request.environment.emplace(name, "1");
    if (arguments.fresh) request.if_running = ops::IfRunning::restart;
    request.base_environment = inherited_environment(::environ);
    request.umask = own_umask();
    request.limits = own_limits();
    request.request_key = new_request_key();
    ops::carry_bytes(request);
    return request;
}

Result<ops::RunProjectRequest> make_project_request(const ProjectChoice& choice) {
    ops::RunProjectRequest out;
    auto directory = working_directory(choice.directory);
    if (!directory) return directory.error();
    out.directory = std::move(*directory);
    std::error_code failed;
    // A file is named from where it is typed, not from the directory that is meant.
    if (choice.file) out.file = std::filesystem::absolute(*choice.file, failed).native();
    auto variables = inherited_environment(::environ);
    // No file can name the others.
    std::erase_if(variables, [](const std::string& each) { return !base::is_utf8(each); });
    out.base_environment = std::move(variables);
    out.umask = own_umask();
    out.limits = own_limits();
    return out;
}

}  // namespace persistproc::cli
