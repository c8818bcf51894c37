#pragma once
/// What resources are to the server: somebody who lists and reads them.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/mcp/call.hpp"
#include "common/mcp/content.hpp"

namespace persistproc::mcp {

struct Resource {
    std::string uri;
    std::string name;
    std::string title;
    std::string description;
    std::string mime_type;
    std::optional<std::int64_t> size;  // bytes
};

struct ResourceTemplate {
    std::string uri_template;  // RFC 6570
    std::string name;
    std::string title;
    std::string description;
    std::string mime_type;
};

struct ResourcePage {
    std::vector<Resource> resources;
    std::optional<std::string> next_cursor;
};

struct ReadResource {
    std::vector<ResourceContents> contents;
    Instead instead;
};

class ResourceProvider {
public:
    virtual ~ResourceProvider() = default;
    /// One page; without `cursor` the first. Errors: invalid (no cursor of ours), unavailable.
    virtual Task<Result<ResourcePage>> list(std::optional<std::string> cursor, CallContext context) = 0;
    virtual std::vector<ResourceTemplate> templates() const = 0;
    /// Errors: not_found (no such resource), others become an internal error with their message.
    virtual Task<Result<ReadResource>> read(std::string uri, CallContext context) = 0;
    /// Somebody subscribed to `uri` (the first one), or nobody listens any more. Unknown resources are subscribed to,
    /// too: they may come into being.
    virtual void interest(const std::string& uri, bool wanted) = 0;
};

}  // namespace persistproc::mcp
