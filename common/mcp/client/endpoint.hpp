#pragma once
/// Where an MCP server is reached: a unix socket of this user, or a port of this machine.
#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/async/clock.hpp"
#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace persistproc::mcp::client {

struct Endpoint {
    std::filesystem::path socket;    // a unix socket; empty: `host` and `port`
    bool is_abstract = false;        // `socket` is a name without a file: its owner must be seen by this process
    std::string host = "localhost";  // "127.0.0.1", "localhost" or "[::1]", as it stands in URL and Host header
    std::uint16_t port = 0;
    std::string peer = "server";  // what errors call it
    std::string target = "/mcp";  // path of the URL
    /// Sent with every request. Names are HTTP tokens, values hold no control characters.
    std::vector<std::pair<std::string, std::string>> headers;
};

Endpoint socket_endpoint(std::filesystem::path socket);

/// "http://HOST[:PORT][/PATH]" of this machine. Pure. Errors: invalid, for every other host and scheme: what is said to
/// a server, and its token, stay on the machine.
Result<Endpoint> parse_endpoint(std::string_view url);

/// Adds "Authorization: Bearer <token>". Errors: invalid, without the token, when a header cannot hold it.
Result<void> add_bearer_token(Endpoint& endpoint, std::string_view token);

/// The endpoint as people know it: the socket's path, or host and port.
std::string name_of(const Endpoint& endpoint);

/// Opens a connection, non-blocking and close-on-exec. The owner of a unix socket must be this user or root. A full
/// queue of the listener is waited for (at most 5 s). Errors: unavailable (nobody listens there, or a process that is
/// just dying; `os_error` says why), denied (foreign peer), invalid (unusable path). Cancelling abandons the attempt.
Task<Result<base::UniqueFd>> open_connection(boost::asio::any_io_executor executor, Endpoint endpoint);

/// One HTTP/1.1 request. `headers` are lines that end with CRLF.
std::string http_request(const Endpoint& endpoint, std::string_view verb, std::string_view headers,
                         std::string_view body);

}  // namespace persistproc::mcp::client
