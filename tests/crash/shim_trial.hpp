#pragma once
/// One run of a keeper whose system calls fail or at one of which it dies, and what must be true of it afterwards.
///
/// The program prints numbered lines to both streams, over several segments, then waits; the driver, which plays the
/// daemon, stops it then; it says one more line and ends with 5.
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/logstore/format.hpp"
#include "common/rundir/state.hpp"

namespace persistproc::tests {

inline constexpr int program_code = 5;

/// What the daemon has been told.
struct Told {
    bool ready = false, started = false, exec_failed = false, exited = false, tree_empty = false;
    rundir::RunState started_state, final_state;
};

struct TrialResult {
    Told told;
    int status = 0;         // of the keeper, as waitpid has it
    bool has_hung = false;  // it neither died nor left; killed by us
    int programs = 0;       // processes that outlived the keeper
    std::uint32_t calls = 0, injected = 0;
    std::vector<std::uint8_t> order;  // Call of each call
    std::vector<std::uint32_t> uses;  // of each Call
    std::filesystem::path run_directory;
    std::filesystem::path log;
};

/// What is recorded: the bytes of each stream, and what is said to be missing.
struct Recorded {
    std::string out, err, recovered;
    std::uint64_t dropped = 0;  // by the records of gaps
    std::uint64_t evicted = 0;  // with the oldest segments
    std::vector<std::uint8_t> events;
};

/// Directory on memory where there is one, so that syncs cost nothing; removed with all it holds.
class FastDirectory {
public:
    FastDirectory();
    ~FastDirectory();
    FastDirectory(const FastDirectory&) = delete;
    FastDirectory& operator=(const FastDirectory&) = delete;
    const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

/// Plays one run in `data` with PERSISTPROC_FAULT=`fault` (empty: none) to its end. `journal`: a file for the journal.
/// `silence`: from the program's last line to its stop. `number`: of the run, of p1; the ones before it have ended.
TrialResult play(const std::filesystem::path& data, const std::string& fault, const std::filesystem::path& journal = {},
                 std::chrono::milliseconds silence = {}, std::uint32_t number = 1);

/// The log as it stands in the files. Fails with a line that says what is broken.
std::optional<std::string> read_recorded(const std::filesystem::path& log, Recorded& out);

/// Opens the log as its next holder does, which repairs it. Returns errno or 0.
int repair(const std::filesystem::path& log);

/// What the program of the first run prints to each stream.
const std::string& program_out();
const std::string& program_err();
/// What that of a run prints to both: no line of it is like another, nor like one of another run.
std::string printed_by(std::uint32_t number);

/// What is wrong with a run whose keeper was killed; empty: nothing. Repairs the log.
std::string judge_killed(const TrialResult& result);
/// What is wrong with a run in which calls failed with `error`. Not `is_recordable`: the disk takes no state any more.
std::string judge_failed(const TrialResult& result, int error, bool is_recordable);

}  // namespace persistproc::tests
