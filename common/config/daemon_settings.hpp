#pragma once
/// What `persistprocd` and `persistproc serve` are both told, in one set of words.
#include <fcntl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "common/schema/field.hpp"

namespace persistproc::config {

/// Which daemon: flags of the daemon, and of the client beside every subcommand.
struct DaemonPlace {
    std::string port, data_directory;  // as typed; empty: not given

    template <class Each>
    static constexpr void fields(Each&& each) {
        using P = DaemonPlace;
        using schema::field;
        each(field("port", &P::port)
                 .as_flag("port", "N", "Port of the daemon on 127.0.0.1; 0: any free one (PERSISTPROC_PORT, 8947)"));
        each(field("data_directory", &P::data_directory)
                 .as_flag("data-dir", "DIR",
                          "Where processes and output are kept (PERSISTPROC_DATA_DIR, ~/.local/state/persistproc)")
                 .of_kind(schema::ValueKind::directory));
    }
};

/// How one daemon is run: what the file does not say.
struct DaemonFlags {
    bool verbose = false;
    std::optional<int> ready_fd;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using F = DaemonFlags;
        using schema::field;
        each(field("verbose", &F::verbose).as_flag("v,verbose", "", "Say what it does"));
        each(field("ready_fd", &F::ready_fd)
                 .range(0, 65535)
                 .as_flag("ready-fd", "FD",
                          "Write READY=1 and ENDPOINT=URL to this descriptor once it serves, or ERROR=why"));
    }
};

/// To be asked before anything is opened: later the number may be that of a file of ours. Errors: invalid (no
/// descriptor of that number is open).
inline Result<void> check_ready_fd(std::optional<int> fd) {
    if (!fd || ::fcntl(*fd, F_GETFD) >= 0) return {};
    return Error{ErrorCode::invalid, "--ready-fd " + std::to_string(*fd) + ": no descriptor of that number is open"};
}

/// What the file can say, too, as keys of [daemon]. As given: what is absent is the daemon's own choice. Texts are read
/// by the daemon.
struct DaemonSettings {
    std::optional<rundir::Auth> auth;
    std::vector<std::string> allowed_origins;
    bool compat = false;
    std::optional<std::uint64_t> keep_ended;
    std::optional<std::uint64_t> max_processes;
    std::optional<std::uint64_t> agent_starts;
    std::optional<std::string> process_log_limit;
    std::optional<std::string> total_log_limit;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using S = DaemonSettings;
        using schema::field;
        using schema::ValueKind;
        constexpr double most = 999'999'999;
        each(field("auth", &S::auth)
                 .as_flag("auth", "WAY",
                          "What agents over TCP must show: peer, whose they are by the kernel's word, or the token "
                          "besides (PERSISTPROC_AUTH, peer)"));
        each(field("allowed_origins", &S::allowed_origins)
                 .as_flag("allow-origin", "ORIGIN",
                          "Let a browser's pages of this origin in, too, for example http://localhost:6274"));
        each(field("compat", &S::compat)
                 .as_flag("compat", "", "Offer agents the tools of the Python persistproc too (PERSISTPROC_COMPAT=1)"));
        each(field("keep_ended", &S::keep_ended)
                 .range(0, most)
                 .as_flag("keep-ended", "COUNT", "Processes that have ended and are still remembered (100)"));
        each(field("max_processes", &S::max_processes)
                 .range(1, most)
                 .as_flag("max-processes", "COUNT", "Processes that live at once (2000)"));
        each(field("agent_starts", &S::agent_starts)
                 .range(0, most)
                 .as_flag("agent-starts", "COUNT",
                          "Starts of agents a second, five times that after a pause (20); 0: no bound"));
        each(field("process_log_limit", &S::process_log_limit)
                 .as_flag("process-log-limit", "SIZE", "Output kept of each process (64MiB)")
                 .of_kind(ValueKind::size));
        each(field("total_log_limit", &S::total_log_limit)
                 .as_flag("total-log-limit", "SIZE", "Output kept in all (2GiB)")
                 .of_kind(ValueKind::size));
    }
};

/// The keys of [daemon]: the settings, and the port.
inline std::vector<std::string> daemon_keys() {
    std::vector<std::string> out;
    DaemonSettings::fields([&out](const auto& field) { out.emplace_back(field.flag); });
    out.emplace_back("port");
    return out;
}

}  // namespace persistproc::config
