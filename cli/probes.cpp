#include "cli/probes.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "cli/helper_command.hpp"
#include "common/base/text.hpp"
#include "common/base/unique_fd.hpp"

namespace persistproc::cli {

namespace fs = std::filesystem;

Result<std::string> ask_version(const fs::path& program) {
    const HelperCommand command{.program = program, .words = {"--version"}};
    const auto answer = run_helper(command);
    if (!answer) return answer.error();
    if (answer->status != 0)
        return Error{ErrorCode::exec_failed,
                     fmt::format("{} cannot be run: --version ended with status {}", program.native(), answer->status)};
    const std::string line = answer->text.substr(0, answer->text.find('\n'));
    const std::size_t space = line.find(' ');
    const std::string version = space == std::string::npos ? line : line.substr(space + 1);
    if (version.empty())
        return Error{ErrorCode::exec_failed, fmt::format("{} --version says nothing", program.native())};
    return base::escape_line(version);
}

static Result<void> check_daemon(const fs::path& program, std::vector<std::string> flags) {
    constexpr int usage_status = 2;
    const std::string check = flags.back();
    const HelperCommand command{.program = program, .words = std::move(flags), .stream = HelperCommand::Stream::errors};
    const auto answer = run_helper(command);
    if (!answer) return answer.error();
    if (answer->status == 0) return {};
    constexpr std::string_view mark = "error: ";
    const std::size_t at = answer->text.find(mark);
    if (at == std::string::npos)
        return Error{ErrorCode::exec_failed, fmt::format("{} {}: status {}", program.native(), check, answer->status)};
    const std::string why = answer->text.substr(at + mark.size());
    return Error{answer->status == usage_status ? ErrorCode::invalid : ErrorCode::io, why.substr(0, why.find('\n'))};
}

Result<void> check_daemon_settings(const fs::path& program) { return check_daemon(program, {"--check"}); }

Result<void> check_daemon_start(const fs::path& program, std::vector<std::string> flags) {
    flags.emplace_back("--check-start");
    return check_daemon(program, std::move(flags));
}

bool is_port_taken(std::uint16_t port) {
    const base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno == EADDRINUSE;
}

}  // namespace persistproc::cli
