#pragma once
/// Programs that the client runs to learn something of them, e.g. `persistprocd --version`.
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/result.hpp"

namespace persistproc::cli {

struct HelperCommand {
    std::filesystem::path program;                                 // not looked for in PATH
    std::vector<std::string> words;                                // behind the program's name
    enum class Stream { output, errors } stream = Stream::output;  // where the answer is written
    std::chrono::milliseconds patience = std::chrono::seconds(5);
};

struct HelperAnswer {
    std::string text;
    int status = 0;  // as a shell has it: 128 and the number of the signal that ended it
};

/// What `command` writes to its stream, and how it exits. It has this process's environment and no descriptor of it:
/// /dev/null is all else that it reads and writes. When its time is over, or it writes more than 64 KiB, it is killed;
/// what it has started is not. Blocks. Errors: exec_failed, timeout; io.
Result<HelperAnswer> run_helper(const HelperCommand& command);

}  // namespace persistproc::cli
