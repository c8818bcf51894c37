#pragma once
/// Plays the daemon to a real persistproc-shim: makes the run directory, starts the program, speaks over its channels.
/// Every wait has a deadline and fails the test by an exception.
#include <poll.h>
#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/unique_fd.hpp"
#include "common/logstore/format.hpp"
#include "common/rundir/frame.hpp"
#include "common/rundir/spec.hpp"
#include "tests/support/temporary_directory.hpp"

namespace persistproc::tests {

class KeeperDriver {
public:
    /// Makes the run directory of p1.<run> below `data`, with PATH=/usr/bin:/bin as the environment.
    KeeperDriver(const std::filesystem::path& data, std::vector<std::string> argv, std::uint32_t run = 1);
    ~KeeperDriver();
    KeeperDriver(const KeeperDriver&) = delete;
    KeeperDriver& operator=(const KeeperDriver&) = delete;

    rundir::RunSpec spec;                    // may be changed before `launch`
    std::string program = PERSISTPROC_SHIM;  // likewise

    /// Starts the shim and waits for `ready`.
    void launch();
    /// Kills it and reaps it. This process adopts what it leaves.
    void kill();
    /// Starts a shim that takes over and hands it what the one before handed out, but for the `withheld` kind.
    rundir::RunState take_over(rundir::DescriptorKind withheld = {});
    /// `launch`, `commit`, and the first state that says whether the program runs.
    rundir::RunState start();
    void send(rundir::MessageType type, std::uint64_t request = 0, int signal = 0, std::uint32_t grace_ms = 0,
              bool force = false, std::uint64_t epoch = 1);
    /// One packet as it is, with duplicates of the descriptors.
    void send_packet(std::string_view bytes, const std::vector<int>& descriptors);
    void send(const rundir::ControlMessage& message, const rundir::DescriptorList& descriptors = {},
              const std::vector<int>& fds = {});
    rundir::ControlMessage receive();
    rundir::ControlMessage wait_for(rundir::MessageType type);
    /// The first state that is final (exited or exec_failed).
    rundir::RunState wait_for_end();
    /// The daemon dies: its end of the channel closes.
    void hang_up();
    /// Another daemon comes through `ctl`; afterwards the calls above speak over that connection.
    void connect();
    /// Waits until the shim has left. Returns its exit status.
    int wait_for_leave();

    rundir::RunState state_on_disk() const;
    std::string output() const;
    std::vector<logstore::IndexRecord> records() const;
    /// Waits until the recorded output contains `text`.
    void wait_for_output(const std::string& text) const;
    std::filesystem::path run_directory() const;
    pid_t shim_pid() const { return pid_; }

    /// Closes what came of that kind, as the daemon does with what no successor needs any more.
    void drop_spare(rundir::DescriptorKind kind) { spares_.erase({kind, 0}); }

private:
    std::filesystem::path data_;
    void execute(const char* option);
    base::UniqueFd channel_;
    pid_t pid_ = -1;
    std::map<std::pair<rundir::DescriptorKind, int>, base::UniqueFd> spares_;  // that came with messages
};

/// argv of the scripted program (tests/programs/child.cpp).
std::vector<std::string> child(std::vector<std::string> words);

/// Whether a process of that pid exists and is no zombie.
bool is_running(pid_t pid);

}  // namespace persistproc::tests
