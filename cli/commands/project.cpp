#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/commands/project_arguments.hpp"
#include "cli/commands/project_call.hpp"
#include "cli/daemon_start.hpp"
#include "cli/environment.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/project_text.hpp"
#include "cli/silent_daemon.hpp"
#include "common/base/file.hpp"
#include "common/base/text.hpp"
#include "common/project/draft.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::commands {

namespace {

constexpr int wrong_file_status = 2;

int fail_for_file(const Console& console, const Error& error) {
    console.fail(error);
    return wrong_file_status;
}

void say_what_is_wrong(const Console& console, const ops::CheckResponse& project) {
    for (const auto& each : project.problems) console.say(each);
    for (const auto& each : project.notes) console.note("note: " + each);
    for (const auto& each : project.passed_over) console.note("not read: " + each);
    for (const auto& each : project.others)
        console.note(fmt::format("{} lies there, too: persistproc check FILE", base::escape_line(each)));
}

int show(const Console& console, const ops::CheckResponse& project) {
    if (console.json()) {
        console.print(format::project_json(project));
    } else {
        if (project.problems.empty())
            console.print(format::project_text(project, console.style()) +
                          fmt::format("\ndigest {}\n{}\n", project.digest,
                                      project.allowed ? "agents may start it as it is"
                                                      : "agents may not start it: persistproc allow lets them"));
        say_what_is_wrong(console, project);
    }
    return project.problems.empty() ? 0 : wrong_file_status;
}

/// Of what only looks: that a daemon runs from now on is said.
Task<Result<std::unique_ptr<DaemonClient>>> connect_to_look(Context context) {
    const bool had_daemon = find_lock_holder(context.common.data_directory) != 0;
    auto client = co_await connect_or_start(context.executor, context.common, true);
    if (client && !had_daemon)
        context.console.note(
            fmt::format("no daemon served {}; it was started: it keeps the book of ports and who allowed what",
                        context.common.data_directory));
    co_return client;
}

/// Neither, nor a daemon that would make one: nothing has been allowed.
bool has_no_database(const std::filesystem::path& data) {
    std::error_code failed;
    return find_lock_holder(data) == 0 && !std::filesystem::exists(data / rundir::database_name, failed) && !failed;
}

/// Errors: conflict (it is there), io.
Result<void> write_new(const std::string& path, std::string_view text) {
    auto file = base::open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (!file && file.error().os_error == EEXIST)
        return Error{ErrorCode::conflict, base::escape_line(path) + " is there already; it stays as it is"};
    if (!file) return file.error();
    if (const int failed = base::write_all(file->get(), text); failed != 0) {
        // A half would be read instead of what is there besides, and not be written anew.
        ::unlink(path.c_str());
        return base::os_failure(base::escape_line(path), failed);
    }
    return {};
}

/// `why` no project's file gives it that port, with what a process of this name listens on all the same, or who tells.
Task<std::string> unbooked_port(DaemonClient& client, std::string name, std::string why) {
    const auto view = co_await client.find(std::move(name));
    if (!view || !domain::is_live(*view)) co_return why;
    const std::string of = format::name_text(*view);
    if (view->ports.empty())
        co_return fmt::format("{}; persistproc status {} shows {}, which listens on no port yet", why, view->id, of);
    co_return fmt::format("{} listens on {} {}; {}", of, view->ports.size() == 1 ? "port" : "ports",
                          fmt::join(view->ports, ", "), why);
}

}  // namespace

static Task<int> init(Context context, InitArguments options) {
    auto directory = working_directory(options.directory);
    if (!directory) co_return context.console.fail(directory.error());
    std::error_code failed;
    if (options.from) options.from = std::filesystem::absolute(*options.from, failed).native();
    const auto drafted = project::draft_project(*directory, options.from);
    if (!drafted) co_return fail_for_file(context.console, drafted.error());
    if (auto written = write_new(drafted->file, drafted->draft.text); !written) {
        context.console.fail(written.error());
        co_return 1;
    }
    const project::Loaded& read = drafted->draft.read;
    for (const auto& each : read.notes) context.console.note("note: " + read.text(each));
    const std::string& from = drafted->from;
    if (context.console.json())
        context.console.print(
            format::texts_json({{"file", drafted->file}, {"from", from.empty() ? std::nullopt : std::optional(from)}}));
    else
        context.console.answer(fmt::format("{} is written{}; persistproc check shows what it comes to",
                                           base::escape_line(drafted->file),
                                           from.empty() ? "" : ", from " + base::escape_line(from)));
    co_return 0;
}

static Task<int> check(Context context, CheckArguments options) {
    if (auto whole = complete_place(options.request.place, options.word); !whole)
        co_return context.console.fail(whole.error());
    const ops::ProjectPlace& place = options.request.place;
    if (auto there = check_project_there(context, place.directory, place.file); !there)
        co_return fail_for_file(context.console, there.error());
    auto client = co_await connect_to_look(context);
    if (!client) co_return context.console.fail(client.error());
    auto project = co_await (*client)->check(std::move(options.request));
    if (!project) co_return fail_for_file(context.console, project.error());
    co_return show(context.console, *project);
}

static Task<int> allow(Context context, AllowArguments options) {
    if (auto whole = complete_place(options.request.place, options.word); !whole)
        co_return context.console.fail(whole.error());
    const ops::ProjectPlace& place = options.request.place;
    if (auto there = check_project_there(context, place.directory, place.file); !there)
        co_return fail_for_file(context.console, there.error());
    auto client = co_await connect_or_start(context.executor, context.common, true);
    if (!client) co_return context.console.fail(client.error());
    auto project = co_await (*client)->allow(std::move(options.request));
    if (!project) co_return fail_for_file(context.console, project.error());
    co_return show(context.console, *project);
}

static Task<int> revoke(Context context, RevokeArguments options) {
    if (auto whole = complete_place(options.request.place, options.word); !whole)
        co_return context.console.fail(whole.error());
    Result<ops::RevokeResponse> answer = ops::RevokeResponse{};
    if (has_no_database(context.common.data_directory)) {
        const auto found = find_project(options.request.place.directory, options.request.place.file);
        if (!found) co_return fail_for_project(context.console, found.error());
        answer->file = found->file;
    } else {
        auto client = co_await connect_or_start(context.executor, context.common, true);
        if (!client) co_return context.console.fail(client.error());
        answer = co_await (*client)->revoke(std::move(options.request));
        if (!answer) co_return fail_for_project(context.console, answer.error());
    }
    if (context.console.json())
        context.console.print(format::revoked_json(*answer));
    else
        context.console.answer(fmt::format("{} {}", base::escape_line(answer->file),
                                           answer->was_allowed ? "is not allowed any more" : "was not allowed"));
    co_return 0;
}

static Task<int> port(Context context, PortArguments options) {
    const std::string no_word;
    if (auto whole = complete_place(options.request.place, no_word); !whole)
        co_return context.console.fail(whole.error());
    const ops::ProjectPlace& place = options.request.place;
    if (auto there = check_project_there(context, place.directory, place.file); !there)
        co_return fail_for_project(context.console, there.error());
    auto client = co_await connect_or_start(context.executor, context.common, true);
    if (!client) co_return context.console.fail(client.error());
    const std::string asked = options.request.process;
    auto answer = co_await (*client)->port(std::move(options.request));
    if (!answer) {
        Error failed = answer.error();
        // Whoever types a number asks who has that port.
        if (!asked.empty() && asked.find_first_not_of("0123456789") == std::string::npos)
            failed.message += fmt::format("; persistproc list shows which process has port {}", asked);
        else if (failed.code == ErrorCode::not_found)
            failed.message = co_await unbooked_port(**client, asked, failed.message);
        co_return fail_for_project(context.console, failed);
    }
    if (context.console.json()) {
        context.console.print(format::ports_json(*answer));
        co_return 0;
    }
    for (const auto& each : answer->ports)
        context.console.print(answer->ports.size() == 1 ? fmt::format("{}\n", each.number)
                                                        : fmt::format("{} {}\n", each.name, each.number));
    co_return 0;
}

extern const Subcommand init_subcommand = make_subcommand<init>({
    .name = "init",
    .words = "[DIR]",
    .summary = "write a persistproc.toml",
    .text = "Writes persistproc.toml: what process-compose.yaml, a Procfile, .claude/launch.json or package.json there "
            "says, else an example to go on with. One that is there stays as it is.",
    .examples = {"persistproc init", "persistproc init --from Procfile.dev"},
    .statuses = {{1, "there is one already"}, {2, "the file it is made of is wrong"}},
    .words_kind = schema::ValueKind::directory,
});
extern const Subcommand check_subcommand = make_subcommand<check>(ops::CheckRequest::typed);
extern const Subcommand allow_subcommand = make_subcommand<allow>(ops::AllowRequest::typed);
extern const Subcommand revoke_subcommand = make_subcommand<revoke>(ops::RevokeRequest::typed);
extern const Subcommand port_subcommand = make_subcommand<port>(ops::PortRequest::typed);

}  // namespace persistproc::cli::commands
