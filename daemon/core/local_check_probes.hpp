#pragma once
/// The real CheckProbes: sockets, files, logs and commands of this machine.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <limits>

#include "common/async/turns.hpp"
#include "common/logstore/search.hpp"
#include "daemon/core/check_probes.hpp"
#include "daemon/core/pattern_watches.hpp"
#include "daemon/core/shim_host.hpp"

namespace persistproc::core {

class LocalCheckProbes final : public CheckProbes {
public:
    // At once; of one process, and of all that one agent, by its name, has started, so that others find a place however
    // long its commands take. What the person has started has as many beside.
    static constexpr std::size_t most_commands = 8, most_commands_of_one = 4, most_commands_of_starter = 6;

    /// References outlive it; `threads` look at files and sockets, `commands` runs commands.
    LocalCheckProbes(boost::asio::any_io_executor executor, async::Clock& clock, PatternWatches& patterns,
                     ShimHost& commands, boost::asio::thread_pool& threads)
        : executor_(executor), clock_(clock), patterns_(patterns), commands_(commands), threads_(threads) {}

    Task<CheckAnswer> ask(CheckQuestion question) override;
    Task<bool> is_free(int port) override;
    Task<std::string> printed_url(std::filesystem::path log, domain::RunId run, std::vector<int> ports) override;

private:
    Task<CheckAnswer> ask_port(CheckQuestion question);
    Task<CheckAnswer> ask_http(CheckQuestion question);
    Task<CheckAnswer> ask_log(CheckQuestion question);
    Task<CheckAnswer> look_at_file(CheckQuestion question);
    Task<CheckAnswer> run_command(CheckQuestion question);
    boost::asio::any_io_executor executor_;
    async::Clock& clock_;
    PatternWatches& patterns_;
    ShimHost& commands_;
    boost::asio::thread_pool& threads_;
    static constexpr async::Turns::Bounds bounds_{.places = most_commands,
                                                  .per_party = most_commands_of_one,
                                                  .per_group = most_commands_of_starter,
                                                  .waiting_per_party = std::numeric_limits<std::size_t>::max()};
    async::Turns turns_{bounds_}, turns_of_person_{bounds_};  // of commands
};

/// What an HTTP server has sent so far of its answer to a GET. Pure.
struct HttpAnswer {
    int status = 0;  // 0: not yet, or this is no HTTP
    std::string body;
    bool is_whole = false;
};
HttpAnswer read_http_answer(std::string_view bytes);
/// Whether what has come of a body matches, as far as one look at it may go. `is_all`: no more of it comes. Pure.
CheckAnswer judge_body(std::string_view body, bool is_all, const logstore::LinePattern& pattern);

/// The port of the first "http://localhost:5173/" in a line, or of another address of this machine, with where it
/// begins and how long it is. Nothing: there is none. Pure.
struct PrintedUrl {
    std::string text;
    int port = 0;
};
std::vector<PrintedUrl> find_urls(std::string_view line);

}  // namespace persistproc::core
