#include "cli/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <charconv>
#include <utility>

#include "cli/console.hpp"
#include "cli/run_survey.hpp"
#include "common/base/text.hpp"
#include "common/base/version.hpp"
#include "common/mcp/client/client.hpp"
#include "common/ops/client_operations.hpp"
#include "common/ops/list_processes.hpp"
#include "common/ops/project_operations.hpp"
#include "common/ops/restart_process.hpp"
#include "common/ops/run_project.hpp"
#include "common/ops/start_process.hpp"
#include "common/ops/stop_process.hpp"
#include "common/ops/wait_for_process.hpp"
#include "common/project/foreign.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "common/schema/json.hpp"

namespace persistproc::cli {

namespace fs = std::filesystem;
using schema::Json;

using boost::asio::experimental::awaitable_operators::operator||;

/// An answer before its type is known.
struct RawAnswer {
    Json structured;
    Json meta;
};

namespace {

/// A daemon answers a greeting at once, whatever else it does.
constexpr auto greeting_patience = std::chrono::seconds(1);
/// One that is replaced by another is back within this time.
constexpr auto return_patience = std::chrono::milliseconds(300);

/// JSON holds text alone. Errors: invalid, naming the argument.
Result<void> check_texts(const Json& arguments) {
    for (const auto& [name, value] : arguments.items())
        if (value.is_string() && !base::is_utf8(value.get_ref<const std::string&>()))
            return Error{ErrorCode::invalid, fmt::format("{}: not UTF-8", name)};
    return {};
}

/// What becomes of a deed that nobody saw the end of.
Error died_before_answer(Error failed, std::string_view deed, const std::string& target) {
    // Stops and restarts are recorded before they are done.
    const bool is_recorded = deed == "stop" || deed == "restart";
    failed.message =
        fmt::format("{}: {}; {} persistproc status {}", base::excerpt(target), failed.message,
                    is_recorded ? fmt::format("a {} that is on record is carried out by the next daemon:", deed)
                                : std::string("whether it was done, the next daemon tells:"),
                    base::shell_quote(base::excerpt(target)));
    return failed;
}

Task<Result<std::unique_ptr<mcp::client::Client>>> greet(boost::asio::any_io_executor executor, fs::path data,
                                                         DaemonClient::Greeting greeting) {
    mcp::client::Options options;
    options.name = "persistproc";
    options.version = std::string(base::version());
    options.quick = true;
    options.greets_late = greeting == DaemonClient::Greeting::late;
    options.return_patience = return_patience;
    const fs::path first_place = rundir::daemon_socket_path(data), fallback = rundir::fallback_socket_path(data);
    std::vector<mcp::client::Endpoint> places;
    places.push_back(mcp::client::socket_endpoint(first_place));
    // A daemon that was started without XDG_RUNTIME_DIR (or with it, when we have none) is found through the data
    // directory; when that was removed, or took no socket, by a name without a file.
    if (fallback != first_place) places.push_back(mcp::client::socket_endpoint(fallback));
    places.push_back(mcp::client::socket_endpoint(rundir::abstract_socket_name(data)));
    places.back().is_abstract = true;
    for (auto& place : places) {
        mcp::client::Endpoint endpoint = std::move(place);
        endpoint.peer = "daemon";
        auto client = co_await mcp::client::Client::connect(executor, std::move(endpoint), options);
        if (client || client.error().code != ErrorCode::unavailable) co_return client;
    }
    co_return no_daemon(data);
}

}  // namespace

std::uint16_t port_of(std::string_view endpoint) {
    const std::size_t colon = std::min(endpoint.rfind(':'), endpoint.size());
    std::uint16_t port = 0;
    std::from_chars(endpoint.data() + std::min(colon + 1, endpoint.size()), endpoint.data() + endpoint.size(), port);
    return port;
}

std::string serve_command(const fs::path& data) {
    auto standard = rundir::find_data_directory();
    if (standard && *standard == data) return "persistproc serve --detach";
    return fmt::format("persistproc serve --detach --data-dir {}", base::shell_quote(data.native()));
}

Error no_daemon(const fs::path& data) {
    if (auto usable = rundir::check_usable(data); !usable) return usable.error();
    // Suspended before it listened.
    if (is_stopped(find_lock_holder(data))) return silent_daemon(data);
    return Error{ErrorCode::unavailable,
                 fmt::format("no daemon serves {}; start one: {}", data.native(), serve_command(data))};
}

DaemonClient::DaemonClient(std::unique_ptr<mcp::client::Client> client, fs::path data, SilenceTeller teller)
    : client_(std::move(client)), data_(std::move(data)), teller_(std::move(teller)) {}
DaemonClient::~DaemonClient() = default;

Task<bool> answers_greeting(boost::asio::any_io_executor executor, fs::path data) {
    async::SystemClock clock;
    const MonoTime until = clock.now() + greeting_patience;
    auto asking = greet(executor, std::move(data), DaemonClient::Greeting::first);
    auto limit = clock.sleep_until(until);
    const auto first = co_await (std::move(asking) || std::move(limit));
    co_return first.index() == 0;
}

Task<Result<std::unique_ptr<DaemonClient>>> DaemonClient::connect(boost::asio::any_io_executor executor, fs::path data,
                                                                  SilenceTeller teller, Greeting greeting) {
    auto attempt = greet(executor, data, greeting);
    auto limit = until_silent_too_long(data, GreetingProbe(), teller);
    auto greeted = co_await unless_silent(std::move(attempt), std::move(limit));
    if (!greeted) co_return silent_daemon(data);
    if (!*greeted) co_return greeted->error();
    if (teller) teller(nullptr);
    std::unique_ptr<DaemonClient> client(new DaemonClient(std::move(**greeted), data, std::move(teller)));
    co_return std::move(client);
}

Task<Result<std::unique_ptr<DaemonClient>>> DaemonClient::connect(boost::asio::any_io_executor executor,
                                                                  CommonOptions options, Greeting greeting,
                                                                  SilenceTeller teller) {
    fs::path data = options.data_directory;
    if (!teller) teller = silence_teller(options);
    auto client = co_await connect(executor, std::move(data), std::move(teller), greeting);
    if (client) (*client)->options_ = options;
    if (!client || !options.port_given || options.port == 0) co_return client;
    auto info = co_await (*client)->info();
    if (!info) co_return info.error();
    const std::uint16_t served = port_of(info->endpoint);
    if (served == options.port) co_return client;
    co_return Error{ErrorCode::conflict,
                    fmt::format("--port: the daemon of this data directory serves {}, not {}", served, options.port)};
}

void DaemonClient::notice_removal(Result<RawAnswer>& answer) {
    // Left half removed, it lacks at least what its daemon has locked.
    const auto there =
        options_ ? rundir::check_present(options_->data_directory, rundir::daemon_lock_name) : Result<void>();
    if (there) return;
    if (answer) {
        if (!options_->quiet && !std::exchange(has_told_removal_, true)) Console(*options_).note(there.error().message);
        return;
    }
    const std::string& data = options_->data_directory;
    const bool is_for_it =
        answer.error().code == ErrorCode::io || answer.error().message.find(data) != std::string::npos;
    if (!is_for_it) return;
    Error failed = there.error();
    if (has_told_removal_) failed.message = data + " is gone";
    answer = std::move(failed);
}

template <class Request>
Task<Result<RawAnswer>> DaemonClient::ask(Request request, bool repeatable, Json* meta_of_failed) {
    Json arguments = schema::to_arguments(request);
    if (auto checked = check_texts(arguments); !checked) co_return checked.error();
    mcp::client::CallOptions options;
    options.repeatable = repeatable;
    const std::string target = arguments.value("process", std::string());
    const Json asked = target.empty() ? Json() : arguments;
    auto asking = client_->call_tool(std::string(Request::operation.name), std::move(arguments), std::move(options));
    const auto executor = co_await boost::asio::this_coro::executor;
    GreetingProbe probe = [executor, data = data_] { return answers_greeting(executor, data); };
    auto silence = until_silent_too_long(data_, std::move(probe), teller_);
    auto first = co_await unless_silent(std::move(asking), std::move(silence));
    if (!first) {
        was_cut_off_ = true;
        Error given_up = silent_daemon(data_);
        if (!repeatable) given_up.message += "; what was asked of it may still be done";
        co_return given_up;
    }
    auto answered = std::move(*first);
    if (answered && teller_) teller_(nullptr);
    was_cut_off_ = !answered && answered.error().code == ErrorCode::unavailable;
    if (was_cut_off_ && !repeatable && !target.empty())
        co_return died_before_answer(answered.error(), Request::operation.audit, target);
    if (!answered) co_return answered.error();
    if (answered->is_error) {
        Error failed = mcp::failure_of(*answered);
        // What is asked of a project's file is named as it is there.
        constexpr bool is_of_file = std::is_same_v<Request, ops::PortRequest>;
        const bool may_be_short = !is_of_file && !target.empty() && !domain::find_process_id(target);
        if (failed.code == ErrorCode::not_found && may_be_short) {
            std::string name = target;
            auto id = co_await find_in_project_here(std::move(name));
            if (id) {
                auto again = asked;
                again["process"] = std::move(*id);
                co_return co_await ask_again(std::string(Request::operation.name), std::move(again));
            }
        }
        if (meta_of_failed) *meta_of_failed = std::move(answered->meta);
        co_return failed;
    }
    RawAnswer raw;
    if (answered->structured)
        raw.structured = std::move(*answered->structured);
    else if (auto read = mcp::read_json(answered->text, mcp::answer_limits))
        raw.structured = std::move(*read);
    raw.meta = std::move(answered->meta);
    co_return raw;
}

/// With another name for the process: the first one was none.
Task<Result<RawAnswer>> DaemonClient::ask_again(std::string operation, Json arguments) {
    mcp::client::CallOptions options;
    auto answered = co_await client_->call_tool(std::move(operation), std::move(arguments), std::move(options));
    if (!answered) co_return answered.error();
    if (answered->is_error) co_return mcp::failure_of(*answered);
    RawAnswer raw;
    if (answered->structured) raw.structured = std::move(*answered->structured);
    raw.meta = std::move(answered->meta);
    co_return raw;
}

const ProcessView* find_in_project_here(const std::vector<ProcessView>& views, std::string_view name) {
    if (name.empty()) return nullptr;  // what is no script has an empty name of one
    std::error_code failed;
    const std::string here = fs::current_path(failed).native() + "/";
    if (failed) return nullptr;
    const ProcessView* best = nullptr;
    std::size_t longest = 0;
    for (const ProcessView& view : views) {
        const bool is_it = view.project && (view.project->process == name ||
                                            project::script_name(view.project->file, view.command) == name);
        if (!is_it) continue;
        const std::string root = view.project->file.substr(0, view.project->file.rfind('/') + 1);
        if (!here.starts_with(root) || root.size() < longest) continue;
        best = &view;
        longest = root.size();
    }
    return best;
}

Task<std::optional<std::string>> DaemonClient::find_in_project_here(std::string name) {
    auto views = co_await list_all();
    if (!views) co_return std::nullopt;
    const ProcessView* const found = cli::find_in_project_here(*views, name);
    if (found == nullptr) co_return std::nullopt;
    co_return found->id;
}

template <class Response, class Request>
Task<Result<Response>> DaemonClient::call(Request request, bool repeatable) {
    auto raw = co_await ask(std::move(request), repeatable);
    notice_removal(raw);
    if (!raw) co_return raw.error();
    co_return schema::read_answer<Response>(raw->structured);
}

Task<Result<ops::StartResponse>> DaemonClient::start(ops::StartRequest request) {
    const bool has_key = request.request_key.has_value();
    auto started = co_await call<ops::StartResponse>(request, has_key);
    const bool is_refused = !started && started.error().code == ErrorCode::invalid;
    if (is_refused && request.process && started.error().message.starts_with("process: unknown"))
        co_return Error{ErrorCode::unsupported,
                        "the daemon is older than this client and starts no process by its name; nothing was done; a "
                        "new one that takes it over: persistproc serve --detach --replace"};
    // A daemon of an older release knows no keys. Then a start that was cut off is not asked for again.
    const bool is_too_new = is_refused && started.error().message.starts_with("request_key: unknown");
    if (!is_too_new) co_return started;
    request.request_key.reset();
    co_return co_await call<ops::StartResponse>(std::move(request));
}

Task<Result<ProcessView>> DaemonClient::stop(ops::StopRequest request) { return call<ProcessView>(std::move(request)); }

Task<Result<ops::RestartResponse>> DaemonClient::restart(ops::RestartRequest request) {
    return call<ops::RestartResponse>(std::move(request));
}

Task<Result<ProcessView>> DaemonClient::signal(ops::SignalRequest request) {
    return call<ProcessView>(std::move(request));
}

Task<Result<ProcessView>> DaemonClient::remove(ops::RemoveRequest request) {
    return call<ProcessView>(std::move(request));
}

Task<Result<ProcessView>> DaemonClient::rename(ops::RenameRequest request) {
    return call<ProcessView>(std::move(request));
}

Task<Result<ProcessView>> DaemonClient::flush(ops::FlushRequest request) {
    return call<ProcessView>(std::move(request));
}

Task<Result<std::vector<ProcessView>>> DaemonClient::list(ops::ListRequest request) {
    if (request.columns) {
        auto table = co_await call<ops::ListTable>(request, true);
        if (table) co_return std::move(table->processes);
        // A daemon of an older release tells all it knows.
        const bool is_older =
            table.error().code == ErrorCode::invalid && table.error().message.starts_with("columns: unknown");
        if (!is_older) co_return table.error();
        request.columns = false;
    }
    auto answer = co_await call<ops::ListResponse>(std::move(request), true);
    if (!answer) co_return answer.error();
    co_return std::move(answer->processes);
}

Task<Result<std::vector<ProcessView>>> DaemonClient::list_all() {
    ops::ListRequest request;
    co_return co_await list(std::move(request));
}

Task<Result<ProcessView>> DaemonClient::find(std::string target) {
    ops::ListRequest request;
    request.process = target;
    auto views = co_await list(std::move(request));
    if (!views) co_return views.error();
    if (views->empty()) co_return Error{ErrorCode::not_found, fmt::format("no process \"{}\"", target)};
    co_return std::move(views->front());
}

Task<Result<ops::ProcessDetails>> DaemonClient::describe(std::string target, std::optional<std::string> run) {
    ops::DescribeRequest request;
    request.process = target;
    request.run = std::move(run);
    auto details = co_await call<ops::ProcessDetails>(std::move(request), true);
    // One knows no such operation, or no run.
    const bool may_be_older = !details && (details.error().message.find("describe_process") != std::string::npos ||
                                           details.error().message.starts_with("run: unknown"));
    if (!may_be_older) co_return details;
    auto view = co_await find(std::move(target));
    if (!view) co_return view.error();
    ops::ProcessDetails out;
    static_cast<ProcessView&>(out) = std::move(*view);
    co_return out;
}

Task<Result<ops::WaitMeta>> DaemonClient::wait(ops::WaitRequest request, std::optional<ops::WaitMeta>* told) {
    const auto result_in = [](const Json& meta) {
        return meta.is_object() ? meta.value("persistproc/result", Json()) : Json();
    };
    Json meta_of_failed;
    auto raw = co_await ask(std::move(request), true, &meta_of_failed);
    notice_removal(raw);
    if (!raw) {
        auto failed = schema::read_answer<ops::WaitMeta>(result_in(meta_of_failed));
        if (told && failed) *told = std::move(*failed);
        co_return raw.error();
    }
    Json result = result_in(raw->meta);
    co_return schema::read_answer<ops::WaitMeta>(result);
}

Task<Result<ops::RunProjectResponse>> DaemonClient::run_project(ops::RunProjectRequest request) {
    // What is up already is left alone: a second time changes nothing but where they are to begin anew.
    const bool repeatable = request.action == ops::ProjectAction::show || (request.names.empty() && !request.anew);
    return call<ops::RunProjectResponse>(std::move(request), repeatable);
}

Task<Result<ops::ShutdownResponse>> DaemonClient::shut_down(bool keep) {
    ops::ShutdownRequest request;
    request.keep = keep;
    co_return co_await call<ops::ShutdownResponse>(std::move(request));
}

Task<Result<ops::AuditResponse>> DaemonClient::audit(ops::AuditRequest request) {
    co_return co_await call<ops::AuditResponse>(std::move(request), true);
}

Task<Result<ops::DaemonInfo>> DaemonClient::info() {
    ops::DaemonInfoRequest request;
    co_return co_await call<ops::DaemonInfo>(std::move(request), true);
}

Task<Result<ops::CheckResponse>> DaemonClient::check(ops::CheckRequest request) {
    return call<ops::CheckResponse>(std::move(request), true);
}

// A second time they change nothing.
Task<Result<ops::CheckResponse>> DaemonClient::allow(ops::AllowRequest request) {
    return call<ops::CheckResponse>(std::move(request), true);
}
Task<Result<ops::RevokeResponse>> DaemonClient::revoke(ops::RevokeRequest request) {
    return call<ops::RevokeResponse>(std::move(request), true);
}
Task<Result<ops::PortResponse>> DaemonClient::port(ops::PortRequest request) {
    return call<ops::PortResponse>(std::move(request), true);
}

}  // namespace persistproc::cli
