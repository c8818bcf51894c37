#pragma once
/// The bridge's way to the daemon: connections to it, and starting it when it is not there.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "cli/options.hpp"
#include "common/async/mutex.hpp"
#include "common/async/task_group.hpp"
#include "common/mcp/client/connections.hpp"

namespace persistproc::cli::bridge {

/// What the answers to POST may be.
inline constexpr std::string_view accepts = "Accept: application/json, text/event-stream\r\n";

class DaemonLink {
public:
    using Lease = mcp::client::Connections::Lease;

    /// `autostart`: a daemon that is not there is started.
    DaemonLink(boost::asio::any_io_executor executor, CommonOptions options, bool autostart);
    /// Waits for a start that is under way (at most some 40 s); see `is_starting`.
    ~DaemonLink();
    DaemonLink(const DaemonLink&) = delete;
    DaemonLink& operator=(const DaemonLink&) = delete;

    /// A connection, to a daemon that is started first where it must be. After a start that failed the failure is
    /// repeated for a while, longer each time (0.1 to 5 s), so that nobody waits for what does not work. Errors:
    /// unavailable, with the command that starts one or the reason why it does not start; denied.
    Task<Result<Lease>> open();
    /// The same without starting anything.
    Task<Result<Lease>> open_to_running();

    /// A connection was lost: those that are idle are not trusted any more.
    void drop_idle() { connections_.drop_idle(); }

    /// A start is under way, on a thread of its own.
    bool is_starting() const noexcept { return is_starting_; }

    /// "POST", "GET", "DELETE" with the headers that every request of an agent carries.
    std::string request(std::string_view verb, std::string_view headers, std::string_view body) const;
    const mcp::client::Endpoint& endpoint() const noexcept { return connections_.endpoint(); }
    /// One exchange on a connection, given up when the daemon hangs: `silent_daemon` after 10 s in which
    /// it was suspended or answered no greeting, told on stderr before, or after 45 s of silence. Errors
    /// otherwise: see Wire.
    Task<Result<mcp::client::Answer>> talk(Lease* lease, std::string bytes, mcp::client::EventSink sink);

    /// A connection was lost: sees to it that a daemon is there again before the agent asks for it.
    Task<> recover();
    /// The same as a task of the group, unless there is one.
    void ensure_recovery(async::TaskGroup& tasks);
    void close() { connections_.close(); }

private:
    Task<Result<void>> start();
    Task<> tell_silence();
    void say_silence(const Error* silence);

    boost::asio::any_io_executor executor_;
    CommonOptions options_;
    bool autostart_;
    async::SystemClock clock_;
    mcp::client::Connections connections_;
    async::Mutex starting_;
    bool is_starting_ = false;
    bool is_recovering_ = false;
    bool is_silence_told_ = false;
    std::optional<Error> failure_;  // of the last start
    MonoTime next_start_{};
    std::chrono::nanoseconds pause_{};
    boost::asio::thread_pool thread_{1};
};

}  // namespace persistproc::cli::bridge
