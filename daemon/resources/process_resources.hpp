#pragma once
/// Processes as MCP resources: `persistproc://processes`, `…/{id}` and `…/{id}/output`; and what tells clients of
/// changes: resource updates, throttled, and log messages about processes that end.
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "common/async/task_group.hpp"
#include "common/mcp/server.hpp"
#include "daemon/core/log_changes.hpp"
#include "daemon/core/supervisor.hpp"

namespace persistproc::resources {

/// What a URI of ours names.
struct Address {
    enum class Kind { all, process, output };
    Kind kind = Kind::all;
    ProcessId id;
};
/// Pure. No value: not one of ours.
std::optional<Address> find_address(std::string_view uri);
std::string uri_of(const Address& address);

class ProcessResources final : public mcp::ResourceProvider {
public:
    /// Registers itself with `server` and subscribes to events; all references outlive it. `readers` runs what reads
    /// logs.
    ProcessResources(boost::asio::any_io_executor executor, async::Clock& clock, core::Supervisor& supervisor,
                     boost::asio::thread_pool& readers, core::LogChanges& log_changes, mcp::Server& server);
    ~ProcessResources() override;

    Task<Result<mcp::ResourcePage>> list(std::optional<std::string> cursor, mcp::CallContext context) override;
    std::vector<mcp::ResourceTemplate> templates() const override;
    Task<Result<mcp::ReadResource>> read(std::string uri, mcp::CallContext context) override;
    void interest(const std::string& uri, bool wanted) override;

    /// Tells of nothing any more; completes when its tasks are gone.
    Task<> close();

private:
    /// One URI that somebody listens to.
    struct Watched {
        Address address;
        MonoTime told = MonoTime::min();
        bool is_pending = false;
        std::unique_ptr<async::TaskGroup> following;  // of an output: who reads the log's notifications
    };

    Task<> hear_events(core::Events::Subscription events);
    void hear(const core::Event& event);
    void process_changed(const core::ProcessChanged& change);
    void touch_process(ProcessId id);
    void tell_of_end(ProcessId id);
    void list_changed();
    void touch(const std::string& uri);
    void follow(const std::string& uri, Watched& watched);
    Task<> follow_output(std::string uri, std::filesystem::path log);
    Task<> touch_later(std::string uri, MonoTime at);
    Task<> tell_list_later(MonoTime at);
    Task<Result<mcp::ReadResource>> read_output(std::string uri, ProcessId id);

    boost::asio::any_io_executor executor_;
    async::Clock& clock_;
    core::Supervisor& supervisor_;
    boost::asio::thread_pool& readers_;
    core::LogChanges& log_changes_;
    mcp::Server& server_;
    std::map<std::string, Watched> watched_;
    std::set<ProcessId> ended_;  // a run of it has, and nobody was told yet: its tree may still be on the way out
    MonoTime list_told_ = MonoTime::min();
    bool list_pending_ = false;
    async::TaskGroup tasks_;
};

}  // namespace persistproc::resources
