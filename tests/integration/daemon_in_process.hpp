#pragma once
/// The daemon's services in this process, wired as in the program: real registry and run directories, fake shims and
/// time, and a client on an in-memory transport that sees the bytes a wire would carry.
#include <boost/asio/io_context.hpp>
#include <functional>
#include <set>

#include "daemon/core/local_run_directories.hpp"
#include "daemon/core/projects/local_project_source.hpp"
#include "daemon/registry/async_registry.hpp"
#include "daemon/services.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_shims.hpp"
#include "tests/support/memory_transport.hpp"
#include "tests/support/temporary_directory.hpp"

namespace persistproc::tests {

using schema::Json;

/// The real store behind three switches: one that lets every change fail, one that holds changes back, all or some, and
/// one that lets none become durable.
class SwitchedStore final : public core::Store {
public:
    SwitchedStore(core::Store& behind, boost::asio::any_io_executor executor)
        : behind_(behind), released_(std::move(executor)) {}

    Task<Result<core::StoreSnapshot>> load() override { return behind_.load(); }
    Task<Result<void>> commit(core::StoreChange change) override {
        ++waiting;
        while (holds || (holds_these && holds_these(change))) co_await released_.wait();
        --waiting;
        if (fails) co_return Error{ErrorCode::io, "no space left on device"};
        co_return co_await behind_.commit(std::move(change));
    }
    Task<Result<void>> await_durable() override {
        while (is_syncing) co_await released_.wait();
        co_return boost::system::in_place_value;
    }
    Task<Result<std::vector<core::AuditEntry>>> read_audit(core::AuditQuery query) override {
        return behind_.read_audit(std::move(query));
    }
    async::Notifier& audited() override { return behind_.audited(); }
    void release() {
        holds = is_syncing = false;
        holds_these = {};
        released_.notify_all();
    }

    bool fails = false;
    bool holds = false;
    std::function<bool(const core::StoreChange&)> holds_these;
    bool is_syncing = false;
    std::size_t waiting = 0;

private:
    core::Store& behind_;
    async::Notifier released_;
};

class DaemonInProcess {
public:
    /// `compat`: with the tools of the Python original. `role`: whose client it is.
    explicit DaemonInProcess(core::SupervisorOptions options = {},
                             std::shared_ptr<TemporaryDirectory> data = std::make_shared<TemporaryDirectory>(),
                             bool adopt_now = true, bool compat = false,
                             mcp::Principal::Role role = mcp::Principal::Role::client);
    ~DaemonInProcess();

    /// Runs handlers until `condition` holds. What never comes true runs into the test's time limit.
    void run_until(const std::function<bool()>& condition);
    /// A request, without waiting for its answer.
    int send(const std::string& method, Json params);
    int call_later(const std::string& tool, Json arguments);
    /// The client loses interest in a call.
    void give_up(int id);
    bool is_answered(int id) const { return answers_.contains(id); }
    /// The answer (`result` or `error` inside), waited for.
    Json answer(int id);
    /// The result of a tool, waited for.
    Json call(const std::string& tool, Json arguments) {
        return answer(call_later(tool, std::move(arguments)))["result"];
    }
    /// Advances time by `by` and runs what has become ready.
    void advance(std::chrono::nanoseconds by);
    /// Advances by `step` again and again until `condition` holds, for what sleeps between reads of files.
    void advance_until(std::chrono::nanoseconds step, const std::function<bool()>& condition);
    void adopt();
    /// The notifications of a method so far, oldest first.
    std::vector<Json> heard(const std::string& method) const;

    boost::asio::io_context io{1};
    std::shared_ptr<TemporaryDirectory> data;
    FakeClock clock{io.get_executor()};
    FakeShims shims{io.get_executor()};
    boost::asio::thread_pool files{1};
    core::Workers workers;
    registry::AsyncRegistry registry;
    SwitchedStore store{registry, io.get_executor()};
    core::LocalRunDirectories directories;
    core::projects::LocalProjectSource projects;
    daemon::Services services;
    core::Supervisor& supervisor = services.supervisor;
    mcp::Server& server = services.server;

private:
    Task<> read_answers();
    std::unique_ptr<tests::Transport> client_;
    std::shared_ptr<tests::Transport> served_;
    async::TaskGroup tasks_{io.get_executor()};
    int next_id_ = 1;
    std::map<int, Json> answers_;
    std::vector<Json> notifications_;
};

/// `_meta["persistproc/error"].code` of a failed result, "" of a good one.
std::string error_code(const Json& result);

}  // namespace persistproc::tests
