#pragma once
/// Everything that lives while the daemon serves, in the order in which it must go: the real world, the services over
/// it, and their doors (HTTP on loopback, the unix socket). One io_context, one thread.
#include <boost/asio/io_context.hpp>
#include <memory>

#include "common/mcp/http/http_server.hpp"
#include "daemon/base_environment.hpp"
#include "daemon/core/local_run_directories.hpp"
#include "daemon/core/local_shim_host.hpp"
#include "daemon/core/projects/local_project_source.hpp"
#include "daemon/heap.hpp"
#include "daemon/http/listener.hpp"
#include "daemon/options.hpp"
#include "daemon/registry/async_registry.hpp"
#include "daemon/services.hpp"

namespace persistproc::daemon {

class Daemon {
public:
    /// `io`, `options` and `peers`, who is asked whose a connection is, outlive it. Nothing is opened yet.
    Daemon(boost::asio::io_context& io, const Options& options, access::PeerOwner& peers,
           core::SupervisorOptions supervising, registry::EndedSessions ended, mcp::http::HttpOptions http);

    /// Binds; from then on clients may connect, and are answered. Errors: conflict, denied, io.
    Result<void> open();
    /// Begins to serve: adopts what ran before, obeys signals and shutdowns, stops `io` in the end.
    void start();
    /// Where agents reach it, once it is open: "http://127.0.0.1:8947/mcp".
    const std::string& endpoint() const noexcept { return endpoint_; }
    /// Exit status of the program, once `io` has stopped.
    int status() const { return status_; }

private:
    class Graveyard final : public mcp::http::SessionGraveyard {
    public:
        explicit Graveyard(registry::AsyncRegistry& registry) : registry_(registry) {}
        bool contains(const std::string& id) const override { return registry_.is_dead_session(id); }
        void bury(const std::string& id) override { registry_.bury_session(id); }

    private:
        registry::AsyncRegistry& registry_;
    };

    core::SupervisorOptions with_environment(core::SupervisorOptions options);
    mcp::http::HttpOptions with_pages(mcp::http::HttpOptions http);
    ops::DaemonInfo info() const;
    void link_fallback(const std::filesystem::path& socket);
    void leave();
    Task<> find_process(std::uint64_t socket, std::function<void(pid_t)> then);
    Task<> adopt();
    Task<> announce();
    Task<> obey_signals();
    Task<> follow_shutdown();
    Task<> run();

    boost::asio::io_context& io_;
    const Options& options_;
    access::PeerOwner& peers_;
    async::SystemClock clock_;
    boost::asio::thread_pool files_{2};
    boost::asio::thread_pool chores_{1};  // may take seconds, and nobody waits for them
    core::Workers workers_;
    registry::AsyncRegistry registry_;
    Graveyard graveyard_;
    core::LocalShimHost shims_;
    core::LocalRunDirectories directories_;
    BaseEnvironment environment_;
    core::projects::LocalProjectSource projects_;
    HeapTrimmer heap_;
    Services services_;
    const std::string token_;  // that agents over TCP must show; empty: none
    mcp::http::HttpServer http_;
    std::unique_ptr<http::Listener> listener_;
    async::TaskGroup tasks_;
    async::Notifier leaving_;
    bool is_leaving_ = false;
    int status_ = 0;
    std::string endpoint_;
};

}  // namespace persistproc::daemon
