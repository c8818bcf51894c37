#include "cli/helper_command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

// Boost.Process 1.81 uses both and includes neither when its paths are those of the standard library.
#include <boost/optional.hpp>
#include <boost/type_traits.hpp>
#define BOOST_PROCESS_USE_STD_FS
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/readable_pipe.hpp>
#include <boost/process/v2/posix/default_launcher.hpp>
#include <boost/process/v2/process.hpp>

#include "common/base/file.hpp"
#include "common/base/unique_fd.hpp"

namespace persistproc::cli {

namespace asio = boost::asio;
namespace process_v2 = boost::process::v2;

namespace {

constexpr std::size_t max_answer_bytes = 64u << 10;

/// The descriptors of the new process. The launcher's own ways with them ignore failures (`process_stdio`) and leave
/// open what lies below its own pipe; what has failed after the fork it ends with exit(3), which would write what this
/// process has not written yet.
struct Descriptors {
    int null, answer, target;

    template <class Launcher>
    process_v2::error_code on_exec_setup(Launcher&, const std::filesystem::path&, const char* const*) const {
        for (const int each : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
            if (::dup2(each == target ? answer : null, each) < 0) return {errno, process_v2::system_category()};
        ::syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
        return {};
    }

    /// The failure is told by then.
    template <class... Any>
    void on_exec_error(Any&&...) const {
        ::_exit(127);
    }
};

}  // namespace

Result<HelperAnswer> run_helper(const HelperCommand& command) {
    auto null = base::open_file("/dev/null", O_RDWR);
    if (!null) return null.error();
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return base::os_failure("pipe", errno);
    base::UniqueFd ours(ends[0]), theirs(ends[1]);

    HelperAnswer out;
    bool is_whole = false, has_exited = false;
    int status = 0;
    // A loop of its own: the launcher has it begin anew in the child.
    asio::io_context loop(1);
    asio::readable_pipe answer(loop, ours.release());
    process_v2::posix::default_launcher launcher;
    boost::system::error_code failed;
    const bool is_output = command.stream == HelperCommand::Stream::output;
    const Descriptors descriptors{null->get(), theirs.get(), is_output ? STDOUT_FILENO : STDERR_FILENO};
    auto helper = launcher(loop.get_executor(), failed, command.program, command.words, descriptors);
    theirs.reset();
    if (failed) {
        // 1.81 does not reap what could not become the program.
        if (launcher.pid > 0) ::waitpid(launcher.pid, nullptr, 0);
        return Error{ErrorCode::exec_failed, fmt::format("{}: {}", command.program.native(), failed.message()),
                     failed.value()};
    }
    asio::async_read(answer, asio::dynamic_buffer(out.text, max_answer_bytes),
                     [&](const boost::system::error_code& end, std::size_t) { is_whole = end == asio::error::eof; });
    helper.async_wait([&](const boost::system::error_code& error, int) {
        has_exited = !error;
        status = helper.native_exit_code();
    });
    loop.run_for(command.patience);
    // What still runs is killed and reaped with `helper`.
    if (!is_whole || !has_exited)
        return Error{ErrorCode::timeout,
                     fmt::format("{} {} does not end", command.program.native(), fmt::join(command.words, " "))};
    out.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return out;
}

}  // namespace persistproc::cli
