#pragma once
/// Which function answers which path beside the endpoint of MCP. Pure.
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace persistproc::mcp::http {

/// A request that has come whole. Views hold during the call.
struct PlainRequest {
    std::string_view method;
    std::string_view path;
    std::string_view query;  // without the question mark
    std::string_view body;
};

struct PlainAnswer {
    unsigned status = 200;
    std::string body;
    std::string_view content_type = "text/plain; charset=utf-8";
};

class Router {
public:
    /// Called on the server's executor; must not block.
    using Handler = std::function<PlainAnswer(const PlainRequest&)>;

    /// `path` is the whole path. Who answers GET answers HEAD too, whose body is not sent.
    void add(std::string_view method, std::string_view path, Handler handler);
    /// As GET, and shown to whoever may connect, also where a token is asked for: says nothing that is a secret.
    void add_open(std::string_view path, Handler handler);
    bool is_open(std::string_view method, std::string_view path) const;

    struct Found {
        const Handler* handler = nullptr;  // as long as the router is there
        std::string allow;                 // no handler: the methods that this path has; empty: there is no such path
    };
    Found find(std::string_view method, std::string_view path) const;

private:
    std::set<std::string, std::less<>> open_;
    std::map<std::string, std::map<std::string, Handler, std::less<>>, std::less<>> paths_;
};

}  // namespace persistproc::mcp::http
