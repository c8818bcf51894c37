#pragma once
/// Arrays of messages, which only sessions of 2025-03-26 may send.
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "common/mcp/server.hpp"

namespace persistproc::mcp {

struct Batch {
    std::vector<Message> messages;
    std::vector<std::string> refusals;  // error responses for elements that are no messages
    bool has_requests = false;          // or refusals: something must be answered
};

/// Reads an array. The refusal is of the whole: an empty array, one of more than 1,000, or one that holds `initialize`
/// or a request of 2026-07-28.
std::variant<Batch, RpcError> read_batch(Json array);

/// Handles every message; `reply` gets the notifications of all and, last, one array of all responses (on a stream all
/// responses, one by one). Without requests it is not called.
void handle_batch(Server& server, const std::shared_ptr<Session>& session, Principal principal, Batch batch,
                  std::shared_ptr<Reply> reply);

}  // namespace persistproc::mcp
