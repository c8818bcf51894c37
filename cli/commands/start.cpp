#include "cli/commands/start.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cerrno>
#include <filesystem>
#include <map>
#include <set>
#include <variant>

#include "cli/commands/wait.hpp"
#include "cli/common_flags.hpp"
#include "cli/daemon_start.hpp"
#include "cli/environment.hpp"
#include "cli/format/ending.hpp"
#include "cli/format/json_text.hpp"
#include "cli/format/process_text.hpp"
#include "cli/joining.hpp"
#include "cli/run_survey.hpp"
#include "cli/settle.hpp"
#include "cli/slow_end.hpp"
#include "cli/targets.hpp"
#include "cli/words.hpp"
#include "common/async/task_group.hpp"
#include "common/base/file_lock.hpp"
#include "common/base/text.hpp"
#include "common/ops/error.hpp"
#include "common/ops/start_process.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::commands {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

/// The process whose id or label `word` is, or its name in the project of this directory: `start db` means the one that
/// there is.
const ProcessView* find_known(const std::vector<ProcessView>& views, const std::string& word) {
    for (const auto& view : views)
        if (view.id == word || view.label == word) return &view;
    return find_in_project_here(views, word);
}

/// What is to be typed about a process that `word` names. `variables`: flags of restart that were given, too.
std::string advice(const ProcessView& known, const std::string& word, const std::string& variables) {
    const std::string name = base::escape_line(domain::command_line({word}));
    return fmt::format("\"{}\" names a process that exists ({}): persistproc {} {} starts it again as it is{}",
                       base::excerpt(word), known.id, domain::is_live(known) ? "restart" : "start", name,
                       variables.empty() ? "" : fmt::format(", persistproc restart {} {} with that", name, variables));
}

Error not_redefined(const ProcessView& known, const StartArguments& arguments) {
    const std::string& flag = arguments.defining_flag;
    const bool is_of_restart = flag == "env" || flag == "env-file";
    const std::string redefining = redefining_line(arguments, known);
    std::string out = advice(known, arguments.word, is_of_restart ? fmt::format("--{} …", flag) : "");
    if (!redefining.empty())
        out += fmt::format(", with --{}: {}", flag, redefining);
    else if (!is_of_restart)
        out += fmt::format("; --{} is for a new one", flag);
    return Error{ErrorCode::invalid, out + "; to run a program of that name, put -- before it"};
}

/// Those that all of the words name, in their order; empty: one of them names none.
std::vector<const ProcessView*> find_all_known(const std::vector<ProcessView>& views,
                                               const std::vector<std::string>& words) {
    std::vector<const ProcessView*> out;
    for (const std::string& word : words) {
        const ProcessView* const known = find_known(views, word);
        if (known == nullptr) return {};
        if (std::find(out.begin(), out.end(), known) == out.end()) out.push_back(known);
    }
    return out;
}

/// A flag behind the names that says how a process is to be, or which daemon is asked; empty: there is none.
std::string foreign_flag(const StartArguments& arguments) {
    constexpr std::string_view others[] = {"data-dir", "port", "help"};
    for (const TypedFlag& each : arguments.behind)
        if (is_defining_flag(each.name) ||
            std::find(std::begin(others), std::end(others), each.name) != std::end(others))
            return each.text.substr(0, each.text.find_first_of(" ="));
    return arguments.defining_flag.empty() ? std::string() : "--" + arguments.defining_flag;
}

/// `start web --label x`, `start web nothing`: what is to be typed where the first word is no program but a process.
/// Empty: it is none.
std::string advice_on_process(const std::vector<ProcessView>& views, const StartArguments& arguments) {
    const auto& misplaced = arguments.misplaced;
    // One word may be a command line of names.
    const bool is_whole = !arguments.names.empty() && find_known(views, arguments.names.front()) != nullptr;
    const auto& names = is_whole ? arguments.names : arguments.request.definition.command;
    const ProcessView* const known = find_known(views, names.front());
    if (known == nullptr) return {};
    const std::string variables = misplaced && misplaced->sets_variables ? misplaced->flags : std::string();
    const std::string flag = foreign_flag(arguments);
    if (names.size() > 1 && !find_all_known(views, names).empty()) {
        const std::string all = base::excerpt(domain::command_line(names));
        const std::string what =
            flag.empty()        ? fmt::format("start {} starts those that do not run", all)
            : variables.empty() ? fmt::format("restart {} starts all of them again; {} is for a new one", all, flag)
                                : fmt::format("restart {} {} starts all of them again with that", all, variables);
        return "these are processes that exist: persistproc " + what;
    }
    std::string out = advice(*known, names.front(), names.size() == 1 ? variables : std::string());
    const auto unknown =
        std::find_if(names.begin(), names.end(), [&](const auto& each) { return find_known(views, each) == nullptr; });
    if (unknown != names.end())
        out += fmt::format("; no process is {}", base::quote(base::excerpt(*unknown)));
    else if (misplaced && misplaced->flags.starts_with("--label "))
        out += fmt::format(", persistproc rename {} LABEL gives it another label",
                           base::escape_line(domain::command_line({names.front()})));
    else if (variables.empty() && !flag.empty())
        out += fmt::format("; {} is for a new one", flag);
    return out;
}

/// Takes those flags for what they would be before the word. Errors: invalid.
Result<void> take_flags_behind(BackgroundArguments& arguments, Context& context) {
    CommonFlags common;
    auto flags = flags_of(arguments);
    add_common_flags(common, flags);
    std::vector<GivenFlag> given;
    for (const TypedFlag& each : arguments.behind) given.push_back({each.name, each.value, {}});
    if (auto applied = apply_flags(flags, given); !applied) return base::with_context(applied.error(), "start");
    if (auto fine = arguments.ready.check(); !fine) return base::with_context(fine.error(), "start");
    if (common.format) context.common.format = *common.format;
    if (common.json) context.common.format = OutputFormat::json;
    context.common.no_color = context.common.no_color || common.no_color;
    context.common.quiet = context.common.quiet || common.quiet;
    context.console = context.console.with(context.common);
    if (arguments.names.size() == 1) {
        arguments.request.definition.command = arguments.names;
        arguments.word = arguments.names.front();
    }
    arguments.behind.clear();
    arguments.misplaced.reset();
    return {};
}

/// For what could not be executed: whether a process was meant.
Task<Error> with_advice(Context context, Error failed, StartArguments arguments) {
    if (failed.code != ErrorCode::exec_failed || arguments.dashes) co_return failed;
    const std::filesystem::path data = context.common.data_directory;
    auto client = co_await DaemonClient::connect(context.executor, data, silence_teller(context.common));
    if (!client) co_return failed;
    auto views = co_await (*client)->list_all();
    if (!views) co_return failed;
    if (Error meant{ErrorCode::invalid, advice_on_process(*views, arguments)}; !meant.message.empty()) co_return meant;
    const auto unknown = refuse_unknown_id(arguments.request.definition.command.front());
    co_return unknown ? *unknown : failed;
}

int show(const Console& console, const ProcessView& view, bool created) {
    if (console.json())
        console.print(format::started_json(view, created));
    else
        console.answer(created ? format::process_line(view) : format::joined_line(view));
    return 0;
}

/// Shows what has been started, once it has had time to fail. `hint`: why it may have failed.
Task<int> show_begun(Context context, DaemonClient& client, ProcessView view, std::chrono::nanoseconds span,
                     bool autostart, std::string hint) {
    if (span.count() == 0) co_return show(context.console, view, true);
    SlowEnd end{context.console, "start"};
    end.going_on = [name = format::name_text(view)] { return name; };
    auto watching = watch_beginning(context, client, view, span, autostart);
    auto signal = leave_by_signal(context.executor, std::move(end));
    auto first = co_await (std::move(watching) || std::move(signal));
    if (first.index() != 0) co_return end_by_signal(std::get<1>(first));
    auto watched = std::move(std::get<0>(first));
    if (!watched) {
        const int status = context.console.fail(watched.error());
        co_return watched.error().code == ErrorCode::not_found ? begun_badly_status : status;
    }
    view = std::move(*watched);
    if (!has_begun_badly(view)) {
        if (context.console.json() || domain::is_live(view)) co_return show(context.console, view, true);
        context.console.print(format::ending_text(view, base::wall_now()) + "\n");
        co_return 0;
    }
    if (context.console.json()) show(context.console, view, true);
    co_await tell_failure(context, std::move(view));
    if (!hint.empty()) context.console.note(hint);
    co_return begun_badly_status;
}

struct Starts {
    std::map<std::string, const ProcessView*> known{};  // by what names it here: its id
    bool fresh = false;
    Beginnings beginnings{};
    std::set<std::string> running{};  // ids of those that ran already
};

Task<ViewResult> start_one(Context context, DaemonClient& client, std::string id, Starts& starts) {
    auto request = make_again_request(*starts.known.at(id), starts.fresh);
    ++starts.beginnings.asking;
    auto started = co_await client.start(std::move(request));
    --starts.beginnings.asking;
    if (!started) co_return started.error();
    if (!started->created) {
        starts.running.insert(started->id);
        co_return std::move(*started);
    }
    if (const std::string lacking = lacking_text(*started); !lacking.empty()) context.console.note(lacking);
    ProcessView begun = std::move(*started);
    co_return co_await watch_one(context, client, std::move(begun), starts.beginnings);
}

/// The program's own status, of one that ended before it was ready; no success.
int own_status(const ProcessView& ended) {
    if (ended.signal) return 128 + domain::find_signal(*ended.signal).value_or(0);
    return ended.exit_code.value_or(0) == 0 ? begun_badly_status : *ended.exit_code;
}

/// Makes `view` what it is now. Returns 0, or the exit status of one that is not ready, which is told but in JSON.
Task<int> see_ready(Context context, ProcessView& view, ReadyWait::Each waited) {
    const std::filesystem::path data = context.common.data_directory;
    const auto client = co_await DaemonClient::connect(context.executor, data, silence_teller(context.common));
    if (client) {
        auto now = co_await (*client)->find(view.id);
        if (now) view = std::move(*now);
    }
    if (!waited.failed) co_return 0;
    if (waited.failed->code != ErrorCode::conflict || !domain::has_ended(view))
        co_return context.console.json() ? ops::exit_status(*waited.failed) : context.console.fail(*waited.failed);
    if (!context.console.json()) co_await tell_failure(context, view);
    co_return own_status(view);
}

std::string url_text(const std::optional<std::string>& url) { return url ? ", " + base::escape_line(*url) : ""; }

/// Shows what has been started, once it is ready.
Task<int> show_ready(Context context, ProcessView view, bool created, ReadyWaitArguments asked) {
    std::vector<std::string> ids(1, view.id);
    const auto waited = co_await wait_until_ready(context, std::move(ids), asked.timeout_seconds);
    if (waited.left) co_return *waited.left;
    const int status = co_await see_ready(context, view, waited.each.front());
    if (context.console.json())
        show(context.console, view, created);
    else if (status == 0)
        context.console.answer(format::process_line(view) + url_text(waited.each.front().url));
    co_return status;
}

/// Starts processes that exist, all at once. Returns the exit status.
Task<int> start_all(Context context, std::vector<const ProcessView*> known, bool fresh, std::chrono::nanoseconds span,
                    ReadyWaitArguments asked) {
    Starts starts{.fresh = fresh, .beginnings = {.settle = span}};
    std::vector<std::string> ids;
    for (const ProcessView* const each : known) {
        ids.push_back(each->id);
        starts.known[each->id] = each;
    }
    TargetOperation operation = [&](DaemonClient& client, std::string id) {
        return start_one(context, client, std::move(id), starts);
    };
    SlowEnd end{context.console, "start"};
    end.going_on = [&starts] { return starts.beginnings.going_on("what was started"); };
    constexpr ViewFilter any = [](const ProcessView&) { return true; };
    auto results =
        co_await for_each_target(context.executor, context.common, ids, any, std::move(operation), std::move(end));
    if (results.left_by != 0) co_return end_by_signal(results.left_by);
    int unready = 0;                          // the exit status of the first
    std::map<std::string, std::string> urls;  // told behind it, by id
    if (asked.wait) {
        std::vector<ProcessView*> started;
        std::vector<std::string> waited_for;
        for (ViewResult& one : results.results) {
            if (!one) continue;
            started.push_back(&*one);
            waited_for.push_back(one->id);
        }
        const auto waited = co_await wait_until_ready(context, std::move(waited_for), asked.timeout_seconds);
        if (waited.left) co_return *waited.left;
        for (std::size_t i = 0; i < started.size(); ++i) {
            const int own = co_await see_ready(context, *started[i], waited.each[i]);
            if (unready == 0) unready = own;
            if (own != 0) starts.beginnings.failed.insert(started[i]->id);
            urls[started[i]->id] = url_text(waited.each[i].url);
        }
    }
    const auto line = [&](const ProcessView& view) {
        if (starts.beginnings.failed.contains(view.id)) return std::string();  // that was told
        return begun_line(view) + (starts.running.contains(view.id) ? " already" : "") + urls[view.id];
    };
    int status = show_results(context.console, results, ids, line);
    if (status == 0) status = unready;
    co_return status == 0 ? starts.beginnings.status() : status;
}

/// What `asking` answers, or the signal that ended the client. Tells of what it waits for.
template <class Answer>
Task<std::variant<Answer, int>> unless_left(Context context, Task<Answer> asking, ViewPredicate is_meant) {
    async::TaskGroup telling(context.executor);
    SlowEnd end{context.console, "start"};
    telling.spawn("slow end", watch_slow_end(context, std::move(is_meant), end));
    auto signal = leave_by_signal(context.executor, std::move(end));
    auto first = co_await (std::move(asking) || std::move(signal));
    co_await telling.close();
    co_return first;
}

}  // namespace

/// Of a command that names none.
static Error no_program(const StartArguments& arguments) {
    Error failed{
        ErrorCode::exec_failed,
        fmt::format("{}: no such program in PATH", base::excerpt(arguments.request.definition.command.front())),
        ENOENT};
    return explained(std::move(failed), arguments);
}

/// Of one word that is no process, as there is none, and no program. Returns the exit status.
static int refuse_unknown(const Console& console, const BackgroundArguments& options) {
    Error unknown = no_such_process(options.word);
    unknown.message += fmt::format("; nor is it a program: {}", no_program(options).message);
    console.fail(unknown);
    return unknown_process_status;
}

Task<std::optional<Error>> refuse_vain_start(Context context, StartArguments arguments) {
    if (may_be_program(arguments)) co_return std::nullopt;
    const std::filesystem::path data = context.common.data_directory;
    const auto client = co_await DaemonClient::connect(context.executor, data, silence_teller(context.common));
    if (client || client.error().code != ErrorCode::unavailable) co_return std::nullopt;
    // One that holds the directory and does not answer may know more than its files say.
    const auto held = base::is_locked(data / rundir::daemon_lock_name);
    const auto there = count_processes(data);
    if ((held && *held) || !there || !there->has_none()) co_return std::nullopt;
    co_return no_program(arguments);
}

Task<int> start(Context context, BackgroundArguments options) {
    auto request = make_start_request(options);
    if (!request && !options.unsplit) co_return context.console.fail(explained(request.error(), options));
    const auto vain = co_await refuse_vain_start(context, options);
    if (vain && (options.unsplit || !options.is_bare()))
        co_return context.console.fail(options.unsplit ? *options.unsplit : *vain);
    if (vain) co_return refuse_unknown(context.console, options);
    auto client = co_await connect_or_start(context.executor, context.common, !options.no_autostart);
    if (!client) co_return context.console.fail(not_connected(client.error(), context.common, options));
    tell_daemon_port(context, **client, options);
    std::string again;  // the id of a process that exists; the daemon knows whether it runs when its turn has come
    const bool may_be_names = !options.names.empty() && (options.unsplit || !names_program(options));
    if (!options.word.empty() || may_be_names) {
        auto views = co_await (*client)->list_all();
        if (!views) co_return context.console.fail(views.error());
        if (views->empty() && !options.unsplit && options.is_bare() && !may_be_program(options))
            co_return refuse_unknown(context.console, options);
        const auto& command = options.request.definition.command;
        const auto named = may_be_names ? find_all_known(*views, options.names) : std::vector<const ProcessView*>();
        const bool is_plain = !named.empty() && foreign_flag(options).empty();
        if (is_plain && !options.behind.empty())
            if (auto taken = take_flags_behind(options, context); !taken) co_return context.console.fail(taken.error());
        if (is_plain && options.names.size() > 1) {
            const auto span = options.ready.wait ? std::chrono::nanoseconds(0) : settle_span(options.settle.seconds);
            co_return co_await start_all(context, named, options.fresh, span, options.ready);
        }
        if (options.word.empty() && may_be_names) {
            const Error meant{ErrorCode::invalid, advice_on_process(*views, options)};
            if (!meant.message.empty()) co_return context.console.fail(meant);
        }
        const ProcessView* const known = options.word.empty() ? nullptr : find_known(*views, options.word);
        // The command of a process that is labelled like it, `start --label db db`, may be said again.
        if (known != nullptr && !options.is_bare() && known->command != command)
            co_return context.console.fail(not_redefined(*known, options));
        if (known != nullptr && options.is_bare()) {
            again = known->id;
            request = make_again_request(*known, options.fresh);
        }
    }
    if (options.unsplit && again.empty()) co_return context.console.fail(*options.unsplit);
    ViewPredicate is_replaced = is_replaced_by(*request);
    if (!again.empty()) is_replaced = [again](const ProcessView& view) { return view.id == again; };
    auto starting =
        start_process(context.executor, context.common, !options.no_autostart, std::move(*client), std::move(*request));
    auto answer = co_await unless_left(context, std::move(starting), std::move(is_replaced));
    if (answer.index() != 0) co_return end_by_signal(std::get<1>(answer));
    auto& started = std::get<0>(answer);
    if (!started && !again.empty()) co_return context.console.fail(started.error());
    if (!started) {
        Error error = explained(started.error(), options);
        const Error failed = co_await with_advice(context, std::move(error), options);
        co_return context.console.fail(failed);
    }
    std::string hint = options.misplaced ? options.misplaced->hint() : std::string();
    if (options.misplaced && options.misplaced->is_peculiar) context.console.note(std::exchange(hint, {}));
    const std::string ignored = ignored_text(started->response, options);
    if (!ignored.empty()) context.console.note(ignored);
    if (const std::string lacking = lacking_text(started->response); !lacking.empty()) context.console.note(lacking);
    if (options.ready.wait) {
        tell_leftovers_ended(context.console, started->response);
        const bool created = started->response.created;
        co_return co_await show_ready(context, started->response, created, options.ready);
    }
    if (!started->response.created) co_return show(context.console, started->response, false);
    tell_leftovers_ended(context.console, started->response);
    const auto span = settle_span(options.settle.seconds);
    co_return co_await show_begun(context, *started->client, started->response, span, !options.no_autostart,
                                  std::move(hint));
}

extern const Subcommand start_subcommand = make_subcommand<start>(ops::StartRequest::typed);

}  // namespace persistproc::cli::commands
