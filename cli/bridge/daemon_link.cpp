#include "cli/bridge/daemon_link.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <cerrno>

#include "cli/client.hpp"
#include "cli/daemon_start.hpp"
#include "cli/event_loop.hpp"
#include "common/async/offload.hpp"
#include "common/base/diagnostics.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::bridge {

namespace {

namespace fs = std::filesystem;
using mcp::client::Endpoint;

using boost::asio::experimental::awaitable_operators::operator||;

/// The daemon says something at least every fifteen seconds while a request is open.
constexpr std::chrono::seconds longest_silence{45};
constexpr std::chrono::milliseconds dying_pause{20};
constexpr int dying_tries = 20;
constexpr std::chrono::milliseconds first_pause{100};
constexpr std::chrono::milliseconds longest_pause{5000};

Endpoint endpoint_of(const fs::path& socket) {
    Endpoint endpoint = mcp::client::socket_endpoint(socket);
    endpoint.peer = "daemon";
    // Who comes by the socket is trusted with more than an agent: the one behind this bridge is not.
    endpoint.headers.emplace_back("Persistproc-Audience", "agent");
    return endpoint;
}

/// A daemon that was started without XDG_RUNTIME_DIR (or with it, when we have none) is found through the data
/// directory.
Task<Result<base::UniqueFd>> dial(boost::asio::any_io_executor executor, fs::path data) {
    Endpoint first = endpoint_of(rundir::daemon_socket_path(data));
    Endpoint second = endpoint_of(rundir::fallback_socket_path(data));
    const bool is_one = first.socket == second.socket;
    auto fd = co_await mcp::client::open_connection(executor, std::move(first));
    if (fd || is_one || fd.error().code != ErrorCode::unavailable) co_return fd;
    co_return co_await mcp::client::open_connection(executor, std::move(second));
}

/// On a thread and a loop of its own: starting blocks.
Result<bool> bring_up(CommonOptions options) {
    std::optional<Error> failed;
    const auto connect = [&](boost::asio::any_io_executor executor) -> Task<int> {
        auto client = co_await connect_or_start(executor, options, true);
        if (!client) failed = client.error();
        co_return 0;
    };
    run_task(connect);
    if (failed) return *failed;
    return true;
}

}  // namespace

DaemonLink::DaemonLink(boost::asio::any_io_executor executor, CommonOptions options, bool autostart)
    : executor_(executor),
      options_(std::move(options)),
      autostart_(autostart),
      connections_(
          executor, endpoint_of(rundir::daemon_socket_path(options_.data_directory)),
          [executor, data = fs::path(options_.data_directory)] { return dial(executor, data); }, clock_),
      starting_(executor) {}

DaemonLink::~DaemonLink() = default;

std::string DaemonLink::request(std::string_view verb, std::string_view headers, std::string_view body) const {
    return mcp::client::http_request(connections_.endpoint(), verb, headers, body);
}

Task<Result<DaemonLink::Lease>> DaemonLink::open_to_running() { return connections_.open(std::chrono::nanoseconds(0)); }

Task<Result<DaemonLink::Lease>> DaemonLink::open() {
    auto lease = co_await open_to_running();
    if (lease || lease.error().code != ErrorCode::unavailable || connections_.is_closed()) co_return lease;
    if (!autostart_) {
        Error refused = no_daemon(options_.data_directory);
        if (refused.code == ErrorCode::unavailable) refused.message += " (--no-autostart was given)";
        co_return refused;
    }
    auto started = co_await start();
    if (!started) co_return started.error();
    co_return co_await open_to_running();
}

Task<Result<mcp::client::Answer>> DaemonLink::talk(Lease* lease, std::string bytes, mcp::client::EventSink sink) {
    auto exchanging = (*lease)->exchange(std::move(bytes), 0, std::move(sink));
    auto silence = mcp::client::until_silent(lease->wire(), clock_, longest_silence);
    auto telling = tell_silence();
    auto first = co_await (std::move(exchanging) || std::move(silence) || std::move(telling));
    if (first.index() != 0) co_return silent_daemon(options_.data_directory);
    auto answer = std::move(std::get<0>(first));
    if (answer) say_silence(nullptr);
    co_return std::move(answer);
}

void DaemonLink::say_silence(const Error* silence) {
    const bool was_told = std::exchange(is_silence_told_, silence != nullptr);
    if (was_told == is_silence_told_) return;
    if (silence != nullptr)
        base::report(base::Severity::warning, "{}", silence->message);
    else
        base::report(base::Severity::info, "the daemon answers again");
}

Task<> DaemonLink::tell_silence() {
    const fs::path data = options_.data_directory;
    GreetingProbe probe = [executor = executor_, data] { return answers_greeting(executor, data); };
    SilenceTeller teller = [this](const Error* silence) { say_silence(silence); };
    const bool is_silent = co_await until_silent_too_long(data, std::move(probe), std::move(teller));
    if (!is_silent) throw boost::system::system_error(boost::asio::error::operation_aborted);
}

void DaemonLink::ensure_recovery(async::TaskGroup& tasks) {
    if (is_recovering_) return;
    is_recovering_ = true;
    tasks.spawn("recovery", recover());
}

Task<> DaemonLink::recover() {
    for (int tries = 0; tries < dying_tries; ++tries) {
        auto lease = co_await open();
        if (!lease) break;
        // The listener of a daemon that is just dying takes connections for a moment still.
        const MonoTime next = clock_.now() + dying_pause;
        co_await clock_.sleep_until(next);
        if ((*lease)->is_stale()) continue;
        lease->give_back();
        break;
    }
    is_recovering_ = false;
}

Task<Result<void>> DaemonLink::start() {
    auto guard = co_await starting_.lock();
    {
        // Whoever was first may have started it.
        auto probe = co_await open_to_running();
        if (probe) {
            probe->give_back();
            co_return Result<void>();
        }
    }
    if (failure_ && clock_.now() < next_start_) co_return *failure_;
    is_starting_ = true;
    std::function<Result<bool>()> work = [options = options_] { return bring_up(options); };
    auto working = async::offload(thread_, std::move(work));
    auto done = co_await std::move(working);
    is_starting_ = false;
    if (done) {
        failure_.reset();
        pause_ = std::chrono::nanoseconds(0);
        base::report(base::Severity::info, "started a daemon for {}", options_.data_directory);
        co_return Result<void>();
    }
    failure_ = done.error();
    pause_ = std::clamp<std::chrono::nanoseconds>(pause_ * 2, first_pause, longest_pause);
    next_start_ = clock_.now() + pause_;
    base::report(base::Severity::error, "{}", failure_->message);
    co_return *failure_;
}

}  // namespace persistproc::cli::bridge
