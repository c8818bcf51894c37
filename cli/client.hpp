#pragma once
/// The daemon's operations as typed calls. No JSON leaves this file's source.
///
/// One executor, one thread. Failures of a tool and of the connection are values alike; `unavailable` means that no
/// daemon answered. What only reads outlives a restart of the daemon; of all else `unavailable` says that it may have
/// happened. Cancelling a call ends a wait; the daemon finishes every other thing that it began.
#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.hpp"
#include "cli/silent_daemon.hpp"
#include "common/async/clock.hpp"
#include "common/base/result.hpp"
#include "common/domain/process.hpp"

namespace persistproc {
namespace mcp::client {
class Client;
}
namespace ops {
struct StartRequest;
struct StartResponse;
struct StopRequest;
struct RestartRequest;
struct RestartResponse;
struct SignalRequest;
struct ProcessDetails;
struct RemoveRequest;
struct RenameRequest;
struct FlushRequest;
struct WaitRequest;
struct WaitMeta;
struct ListRequest;
struct AuditRequest;
struct AuditResponse;
struct DaemonInfo;
struct ShutdownResponse;
struct RunProjectRequest;
struct RunProjectResponse;
struct AllowRequest;
struct CheckRequest;
struct CheckResponse;
struct PortRequest;
struct PortResponse;
struct RevokeRequest;
struct RevokeResponse;
}  // namespace ops

namespace cli {

struct RawAnswer;

class DaemonClient {
public:
    /// When a daemon that was reached is greeted: before anything else, so that one which answers nothing is known; or
    /// not at all as long as only questions are asked, each of which then needs no round trip but its own.
    enum class Greeting { first, late };

    /// Connects to the daemon of a data directory. One that is silent, now or during a call, is told to `teller` and
    /// given up after `silence_limit`. Errors: unavailable (as `no_daemon`, or as `silent_daemon`), denied, corrupt.
    static Task<Result<std::unique_ptr<DaemonClient>>> connect(boost::asio::any_io_executor executor,
                                                               std::filesystem::path data, SilenceTeller teller = {},
                                                               Greeting greeting = Greeting::first);
    /// The same of the data directory that `options` name, telling on stderr where there is no `teller`. Where that has
    /// been removed under the daemon, the first answer comes with a warning on stderr, and what fails for it says so.
    /// Errors: also conflict (it serves another port than the one that a flag asked for).
    static Task<Result<std::unique_ptr<DaemonClient>>> connect(boost::asio::any_io_executor executor,
                                                               CommonOptions options,
                                                               Greeting greeting = Greeting::first,
                                                               SilenceTeller teller = {});
    ~DaemonClient();
    DaemonClient(const DaemonClient&) = delete;
    DaemonClient& operator=(const DaemonClient&) = delete;

    /// With a request key it is repeated like what only reads, and starts nothing twice.
    Task<Result<ops::StartResponse>> start(ops::StartRequest request);
    Task<Result<ProcessView>> stop(ops::StopRequest request);
    Task<Result<ops::RestartResponse>> restart(ops::RestartRequest request);
    Task<Result<ProcessView>> signal(ops::SignalRequest request);
    Task<Result<ProcessView>> remove(ops::RemoveRequest request);
    Task<Result<ProcessView>> rename(ops::RenameRequest request);
    Task<Result<ProcessView>> flush(ops::FlushRequest request);
    Task<Result<std::vector<ProcessView>>> list(ops::ListRequest request);
    Task<Result<std::vector<ProcessView>>> list_all();
    /// The one process a target names. Errors: not_found, ambiguous, with candidates.
    Task<Result<ProcessView>> find(std::string target);
    /// As `find`, in full, with why it failed: `run`, else the newest one, unless it lives. Of a daemon of an older
    /// release: the view alone.
    Task<Result<ops::ProcessDetails>> describe(std::string target, std::optional<std::string> run = std::nullopt);
    /// `told`, unless null, outlives the call and is set to what the daemon says of a wait that has failed.
    Task<Result<ops::WaitMeta>> wait(ops::WaitRequest request, std::optional<ops::WaitMeta>* told = nullptr);
    Task<Result<ops::RunProjectResponse>> run_project(ops::RunProjectRequest request);
    Task<Result<ops::ShutdownResponse>> shut_down(bool keep);
    Task<Result<ops::AuditResponse>> audit(ops::AuditRequest request);
    Task<Result<ops::DaemonInfo>> info();
    Task<Result<ops::CheckResponse>> check(ops::CheckRequest request);
    Task<Result<ops::CheckResponse>> allow(ops::AllowRequest request);
    Task<Result<ops::RevokeResponse>> revoke(ops::RevokeRequest request);
    Task<Result<ops::PortResponse>> port(ops::PortRequest request);
    /// Whether the last call failed because its daemon was gone, rather than by an answer.
    bool was_cut_off() const noexcept { return was_cut_off_; }
    /// It was started by this client, just now.
    bool is_started_here = false;
    /// Who is told of its silence from now on.
    void set_silence_teller(SilenceTeller teller) { teller_ = std::move(teller); }

private:
    DaemonClient(std::unique_ptr<mcp::client::Client> client, std::filesystem::path data, SilenceTeller teller);
    /// `repeatable`: a second time changes nothing. `meta_of_failed`, unless null, outlives the call and is set to the
    /// `_meta` of an answer that is an error.
    template <class Request>
    Task<Result<RawAnswer>> ask(Request request, bool repeatable, schema::Json* meta_of_failed = nullptr);
    Task<Result<RawAnswer>> ask_again(std::string operation, schema::Json arguments);
    /// Its id.
    Task<std::optional<std::string>> find_in_project_here(std::string name);
    template <class Response, class Request>
    Task<Result<Response>> call(Request request, bool repeatable = false);

    /// Of an answer: says, or makes it say, that the data directory is gone.
    void notice_removal(Result<RawAnswer>& answer);

    std::unique_ptr<mcp::client::Client> client_;
    std::optional<CommonOptions> options_;  // of a client that tells of what it notices
    std::filesystem::path data_;
    SilenceTeller teller_;
    bool has_told_removal_ = false;
    bool was_cut_off_ = false;
};

/// The process that the project of the directory where this is called knows by that name; null: there is none.
const ProcessView* find_in_project_here(const std::vector<ProcessView>& views, std::string_view name);

/// Whether a daemon answers a greeting within a second; true also where nobody listens.
Task<bool> answers_greeting(boost::asio::any_io_executor executor, std::filesystem::path data);

/// That none serves this data directory, with the command that starts one (unavailable); that the one which holds it
/// was suspended (`silent_daemon`); or why there can be none for this user (denied). Blocks.
Error no_daemon(const std::filesystem::path& data);

/// The port that a daemon's endpoint names ("http://127.0.0.1:8947/mcp"); 0: none. Pure.
std::uint16_t port_of(std::string_view endpoint);

/// The command that starts a daemon for this data directory, as a user types it.
std::string serve_command(const std::filesystem::path& data);

}  // namespace cli
}  // namespace persistproc
