#pragma once
#include <string>
#include <string_view>

namespace persistproc::api {

/// How to add the daemon at `endpoint` ("http://127.0.0.1:8947/mcp") to the common agents: a command where the agent
/// has one, else the file and what belongs into it. Several lines, ended by a newline; holds no secret. Pure.
std::string agent_setup_text(std::string_view endpoint);

}  // namespace persistproc::api
