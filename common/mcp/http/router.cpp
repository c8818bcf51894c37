#include "common/mcp/http/router.hpp"

#include <utility>

namespace persistproc::mcp::http {

void Router::add(std::string_view method, std::string_view path, Handler handler) {
    auto& methods = paths_[std::string(path)];
    if (method == "GET") methods["HEAD"] = handler;
    methods[std::string(method)] = std::move(handler);
}

void Router::add_open(std::string_view path, Handler handler) {
    add("GET", path, std::move(handler));
    open_.emplace(path);
}

bool Router::is_open(std::string_view method, std::string_view path) const {
    return (method == "GET" || method == "HEAD") && open_.contains(path);
}

Router::Found Router::find(std::string_view method, std::string_view path) const {
    Found out;
    const auto place = paths_.find(path);
    if (place == paths_.end()) return out;
    const auto found = place->second.find(method);
    if (found != place->second.end()) {
        out.handler = &found->second;
        return out;
    }
    for (const auto& [name, handler] : place->second) out.allow += (out.allow.empty() ? "" : ", ") + name;
    return out;
}

}  // namespace persistproc::mcp::http
