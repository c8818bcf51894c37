#pragma once
/// What checks ask of the machine. The real one is local_check_probes.hpp.
#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/async/clock.hpp"
#include "common/domain/process.hpp"
#include "common/domain/readiness.hpp"

namespace persistproc::core {

/// One look for one check of one run.
struct CheckQuestion {
    domain::Check check;
    domain::RunId run;
    std::string starter;                 // who started the process first, as the audit names them: whose turn it is
    WallTime started{};                  // when the run began
    std::chrono::nanoseconds timeout{};  // then it does not hold; of what is observed: none
    std::vector<int> ports;              // on which its tree listens, ascending
    std::vector<int> application_ports;  // of these, without those of debuggers and reloaders
    bool may_be_outside = false;         // the port was free before the run: whoever listens now may do so for it
    std::string working_directory;
    std::shared_ptr<const std::vector<std::string>> environment;  // "NAME=value"; of a command alone
    mode_t umask = 022;
    std::filesystem::path log;
    std::uint64_t log_begin = 0;  // of the run
};

struct CheckAnswer {
    bool holds = false;
    std::string detail;  // of one that does not, for people: "exit 2". What programs print is quoted in it
    pid_t listener = 0;  // that was met, or asked, on the port; 0: none that may be looked at
};

class CheckProbes {
public:
    virtual ~CheckProbes() = default;

    /// Whether it holds now. Of a line that is awaited (log): completes once one matches, or when it cannot be looked
    /// for, which the detail says. Cancelled, it ends what it has begun. One executor, one thread.
    virtual Task<CheckAnswer> ask(CheckQuestion question) = 0;

    /// Whether nobody listens on the port, at whatever address.
    virtual Task<bool> is_free(int port) = 0;

    /// "http://localhost:5173/": the first that the run has printed and whose port is one of these; empty: none.
    virtual Task<std::string> printed_url(std::filesystem::path log, domain::RunId run, std::vector<int> ports) = 0;
};

}  // namespace persistproc::core
