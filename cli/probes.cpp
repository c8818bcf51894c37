#include "cli/probes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/readable_pipe.hpp>
// Boost 1.81 forgets to include these two in the header below.
#include <boost/optional.hpp>
#include <boost/type_traits.hpp>
#define BOOST_PROCESS_USE_STD_FS
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/stdio.hpp>
#include <chrono>
#include <sstream>
#include <vector>

#include "common/base/proc.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli {

namespace fs = std::filesystem;
namespace asio = boost::asio;
namespace process = boost::process::v2;

namespace {

constexpr auto patience = std::chrono::seconds(5);
constexpr std::size_t max_answer_bytes = 64u << 10;

}  // namespace

Result<std::string> ask_version(const fs::path& program) {
    asio::io_context loop(1);
    asio::readable_pipe output(loop);
    std::string text;
    boost::system::error_code ended;
    try {
        // The destructor kills it: by then it has said what it was asked for, or never will.
        const process::process child(loop, program, std::vector<std::string>{"--version"},
                                     process::process_stdio{nullptr, output, nullptr});
        asio::async_read(output, asio::dynamic_buffer(text, max_answer_bytes),
                         [&](const boost::system::error_code& error, std::size_t) { ended = error; });
        loop.run_for(patience);
    } catch (const boost::system::system_error& failed) {
        return Error{ErrorCode::exec_failed, fmt::format("{}: {}", program.native(), failed.code().message()),
                     failed.code().value()};
    }
    if (ended != asio::error::eof)
        return Error{ErrorCode::timeout, fmt::format("{} --version does not end", program.native())};
    std::istringstream words(text);
    std::string word, last;
    while (words >> word) last = word;
    if (last.empty()) return Error{ErrorCode::exec_failed, fmt::format("{} --version says nothing", program.native())};
    return base::escape_line(last);
}

std::optional<PortHolder> find_port_holder(std::uint16_t port) {
    auto listeners = base::listening_ports();
    std::erase_if(listeners, [port](const auto& each) { return each.second != port; });
    if (listeners.empty()) return std::nullopt;
    PortHolder out;
    for (const pid_t pid : base::list_processes()) {
        const auto sockets = base::socket_inodes(pid);
        if (std::none_of(sockets.begin(), sockets.end(), [&](auto each) { return listeners.contains(each); })) continue;
        out.pid = pid;
        out.command = base::escape_line(base::command_name(pid));
        break;
    }
    return out;
}

}  // namespace persistproc::cli
