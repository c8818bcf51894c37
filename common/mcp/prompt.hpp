#pragma once
/// What a prompt is to the server: a definition, and a function from arguments to messages.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/mcp/call.hpp"

namespace persistproc::mcp {

struct PromptArgument {
    std::string name;
    std::string description;
    bool required = false;
};

struct PromptDefinition {
    std::string name;
    std::string title;
    std::string description;
    std::vector<PromptArgument> arguments;
};

struct PromptMessage {
    std::string role = "user";  // or "assistant"
    Json content;               // one block, see content.hpp
};

struct PromptResult {
    std::string description;
    std::vector<PromptMessage> messages;
    Instead instead;
};

/// Required arguments are there when it is called. Errors become -32602 with their message.
using PromptHandler =
    std::function<Task<Result<PromptResult>>(std::map<std::string, std::string> arguments, CallContext context)>;

/// What is to be completed: an argument of a prompt or a variable of a resource template.
struct CompletionRequest {
    bool is_prompt = true;
    std::string ref;  // name of the prompt, or URI template
    std::string argument;
    std::string value;                           // what was typed
    std::map<std::string, std::string> context;  // arguments already chosen
};
struct Completion {
    std::vector<std::string> values;  // the server sends the first 100
    std::size_t total = 0;            // also those that are not among the values
};
/// Errors: invalid (no such prompt, template or argument).
using CompletionHandler = std::function<Task<Result<Completion>>(CompletionRequest request, CallContext context)>;

}  // namespace persistproc::mcp
