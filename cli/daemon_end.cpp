#include "cli/daemon_end.hpp"

#include <chrono>

#include "cli/client.hpp"
#include "common/base/file_lock.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli {

namespace {

constexpr auto leaving_bound = std::chrono::seconds(10);
constexpr auto look_again = std::chrono::milliseconds(5);

/// The daemon leaves after its answer; its lock says when it has.
Task<Result<void>> wait_until_gone(std::filesystem::path lock) {
    async::SystemClock clock;
    const MonoTime deadline = clock.now() + leaving_bound;
    while (clock.now() < deadline) {
        auto held = base::is_locked(lock);
        if (held ? !*held : held.error().code == ErrorCode::not_found) co_return Result<void>();
        const MonoTime next = clock.now() + look_again;
        co_await clock.sleep_until(next);
    }
    co_return Error{ErrorCode::timeout, "the daemon was asked to end and still holds its data directory"};
}

}  // namespace

Task<Result<ops::ShutdownResponse>> end_daemon(boost::asio::any_io_executor executor, CommonOptions common, bool keep) {
    auto client = co_await DaemonClient::connect(executor, common);
    if (!client) co_return client.error();
    auto answer = co_await (*client)->shut_down(keep);
    if (!answer) co_return answer.error();
    client->reset();
    std::filesystem::path lock = std::filesystem::path(common.data_directory) / rundir::daemon_lock_name;
    auto gone = co_await wait_until_gone(std::move(lock));
    if (!gone) co_return gone.error();
    co_return std::move(*answer);
}

}  // namespace persistproc::cli
