#include "cli/bridge/agent_output.hpp"

#include "cli/reader_gone.hpp"
#include "common/base/diagnostics.hpp"

namespace persistproc::cli::bridge {

namespace {

constexpr std::size_t max_unread_bytes = 64u << 20;
constexpr int failure_status = 125;

}  // namespace

AgentOutput::AgentOutput(boost::asio::any_io_executor executor, int descriptor)
    : descriptor_(descriptor), writer_(executor, descriptor), changed_(executor) {}

void AgentOutput::put(std::string message) {
    message += '\n';
    unread_bytes_ += message.size();
    lines_.push_back(std::move(message));
    if (unread_bytes_ > max_unread_bytes) {
        base::report(base::Severity::error, "the agent does not read its answers");
        on_overflow();
    }
    changed_.notify_all();
}

Task<int> AgentOutput::write() {
    while (true) {
        while (lines_.empty()) co_await changed_.wait();
        std::string bytes = std::move(lines_.front());
        lines_.pop_front();
        const std::size_t size = bytes.size();
        const int error = co_await writer_.write(std::move(bytes));
        if (error != 0) {
            if (is_reader_gone(descriptor_, error)) co_return 0;
            base::report(base::Severity::error, "{}", base::os_failure("cannot write to stdout", error).message);
            co_return failure_status;
        }
        unread_bytes_ -= size;
        on_taken();
    }
}

}  // namespace persistproc::cli::bridge
