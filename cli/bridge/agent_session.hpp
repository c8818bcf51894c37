#pragma once
/// The agent's session with the daemon: carried over daemons that have forgotten it, and listened to.
#include <functional>
#include <string>

#include "cli/bridge/daemon_link.hpp"
#include "common/async/mutex.hpp"
#include "common/async/task_group.hpp"
#include "common/mcp/client/client_session.hpp"

namespace persistproc::cli::bridge {

/// Begins `session` with the answer to `initialize`; `id` is that of the answer's header. Pure. False: it is a refusal.
bool learn(mcp::client::ClientSession& session, std::string id, const std::string& answer);

class AgentSession {
public:
    /// What is given outlives this object, but is used by its tasks alone. `put` gets what the daemon says of itself,
    /// as lines for the agent.
    AgentSession(boost::asio::any_io_executor executor, DaemonLink& link, async::TaskGroup& tasks,
                 std::function<void(std::string line)> put);

    std::string headers() const { return session_.headers(); }
    std::uint64_t generation() const noexcept { return session_.generation; }
    bool has_id() const noexcept { return !session_.id.empty(); }

    /// The agent's `initialize` was answered; from here on the session's stream is read.
    void begin(std::string initialize, const std::string& answer, std::string id);
    /// The agent's notifications/initialized.
    void introduce(std::string initialized) { initialized_ = std::move(initialized); }
    /// Begins it again when the daemon does not know it: the agent hears nothing of it. `generation`: of the one that
    /// was refused. False: that cannot be done.
    Task<bool> renew(std::uint64_t generation);
    /// Gives `take` the rest of an answer whose stream the daemon ended early, until it says true or `is_over` does.
    /// `track` outlives the task.
    Task<> resume(mcp::client::Track* track, std::function<bool(std::string message)> take,
                  std::function<bool()> is_over);
    /// Says good-bye; waits at most 0.3 s.
    Task<> leave();

private:
    Task<> listen();
    Task<mcp::client::Heard> hear(mcp::client::Track* track);
    Task<> end();

    DaemonLink& link_;
    async::TaskGroup& tasks_;
    std::function<void(std::string)> put_;
    async::SystemClock clock_;
    mcp::client::ClientSession session_;
    std::string initialize_;   // the agent's request, as it came; empty: not begun
    std::string initialized_;  // its notification; empty while it has not come
    bool is_listening_ = false;
    async::Mutex renewing_;
};

}  // namespace persistproc::cli::bridge
