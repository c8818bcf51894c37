#include "cli/doctor/examined.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <chrono>
#include <filesystem>

#include "common/async/clock.hpp"
#include "common/base/proc.hpp"
#include "common/base/text.hpp"
#include "common/base/version.hpp"
#include "common/mcp/client/client.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::doctor {

namespace fs = std::filesystem;

namespace {

using boost::asio::experimental::awaitable_operators::operator||;

/// A daemon that answers at all answers these questions at once.
constexpr auto answer_bound = std::chrono::seconds(10);
/// One that has not run at all for so long, while it was asked, hangs.
constexpr auto stuck_bound = std::chrono::milliseconds(600);
constexpr auto progress_interval = std::chrono::milliseconds(50);

std::uint16_t port_of(std::string_view endpoint) {
    const std::size_t colon = endpoint.rfind(':');
    const auto port = rundir::parse_port(endpoint.substr(colon + 1, endpoint.find('/', colon) - colon - 1), "endpoint");
    return port ? *port : std::uint16_t{0};
}

/// Completes when a process has not run for `stuck_bound`, or the time is over.
Task<> until_stuck(pid_t pid) {
    async::SystemClock clock;
    const MonoTime until = clock.now() + answer_bound;
    std::uint64_t seen = base::switches_of(pid);
    MonoTime since = clock.now();
    while (clock.now() < until && (pid == 0 || clock.now() - since < stuck_bound)) {
        const MonoTime next = clock.now() + progress_interval;
        co_await clock.sleep_until(next);
        const std::uint64_t now = base::switches_of(pid);
        if (now != seen) since = clock.now();
        seen = now;
    }
}

/// The task's answer, or that the time is over. `holder` is who should give it.
template <class T>
Task<Result<T>> bounded(Task<Result<T>> task, pid_t holder) {
    auto limit = until_stuck(holder);
    auto first = co_await (std::move(task) || std::move(limit));
    if (first.index() != 0) {
        Error late;
        late.code = ErrorCode::timeout;
        late.message = "it was asked and has not moved";
        co_return late;
    }
    co_return std::move(std::get<0>(first));
}

/// The name of the MCP server at `url`. The session is left to its own end, because ending it is what the daemon would
/// write down.
Task<Result<std::string>> greet_server(boost::asio::any_io_executor executor, std::string url) {
    auto endpoint = mcp::client::parse_endpoint(url);
    if (!endpoint) co_return endpoint.error();
    mcp::client::Options options;
    options.name = "persistproc-doctor";
    options.version = std::string(base::version());
    options.quick = true;
    auto client = co_await mcp::client::Client::connect(executor, std::move(*endpoint), std::move(options));
    if (!client) co_return client.error();
    co_return base::escape_line((*client)->server().name);
}

}  // namespace

bool is_anothers(const fs::path& data) {
    struct stat facts {};
    return ::stat(data.c_str(), &facts) == 0 && facts.st_uid != ::geteuid();
}

Task<Examined> examine(Context context) {
    Examined out;
    out.common = context.common;
    out.data = context.common.data_directory;
    out.port = context.common.port;
    out.endpoint = fmt::format("http://127.0.0.1:{}/mcp", out.port);
    out.holder = find_lock_holder(out.data);
    auto connecting = DaemonClient::connect(context.executor, out.data);
    auto client = co_await bounded(std::move(connecting), out.holder);
    if (!client) {
        out.daemon_failure = client.error();
        co_return out;
    }
    auto asked = (*client)->info();
    auto info = co_await bounded(std::move(asked), out.holder);
    if (!info) {
        out.daemon_failure = info.error();
        co_return out;
    }
    out.daemon = std::move(*info);
    out.endpoint = out.daemon->endpoint;
    out.port = port_of(out.endpoint);
    auto listed = (*client)->list_all();
    auto views = co_await bounded(std::move(listed), out.holder);
    if (views) out.processes = std::move(*views);
    auto greeting = greet_server(context.executor, out.endpoint);
    out.server = co_await bounded(std::move(greeting), 0);
    co_return out;
}

}  // namespace persistproc::cli::doctor
