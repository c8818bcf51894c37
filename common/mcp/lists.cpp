// What the server offers: definitions as JSON text, made once.
#include <fmt/format.h>

#include <stdexcept>

#include "common/mcp/server_state.hpp"

namespace persistproc::mcp {

namespace {

std::string definition_json(const ToolDefinition& tool) {
    Json out{{"name", tool.name}};
    if (!tool.title.empty()) out["title"] = tool.title;
    out["description"] = tool.description;
    out["inputSchema"] = tool.input_schema;
    if (tool.output_schema) out["outputSchema"] = *tool.output_schema;
    out["annotations"] = Json{{"readOnlyHint", tool.annotations.read_only},
                              {"destructiveHint", tool.annotations.destructive},
                              {"idempotentHint", tool.annotations.idempotent},
                              {"openWorldHint", tool.annotations.open_world}};
    return json_text(out);
}

std::string definition_json(const PromptDefinition& prompt) {
    Json out{{"name", prompt.name}};
    if (!prompt.title.empty()) out["title"] = prompt.title;
    out["description"] = prompt.description;
    Json arguments = Json::array();
    for (const auto& argument : prompt.arguments)
        arguments.push_back(
            Json{{"name", argument.name}, {"description", argument.description}, {"required", argument.required}});
    if (!arguments.empty()) out["arguments"] = std::move(arguments);
    return json_text(out);
}

void append_item(std::string& list, std::string_view item) {
    if (!list.empty()) list += ',';
    list += item;
}

}  // namespace

void Server::add_tool(ToolDefinition definition, ToolHandler handler) {
    const std::string name = definition.name;
    const std::string listed = definition_json(definition);
    const bool for_agents = !definition.client_only;
    State::Tool tool{std::move(definition), std::move(handler)};
    if (!state_->tools.emplace(name, std::move(tool)).second) throw std::logic_error("two tools named " + name);
    for (const Audience audience : {Audience::agent, Audience::client}) {
        if (audience == Audience::agent && !for_agents) continue;
        append_item(state_->lane(audience).tools, listed);
    }
}

void Server::add_prompt(PromptDefinition definition, PromptHandler handler) {
    const std::string name = definition.name;
    append_item(state_->prompt_list, definition_json(definition));
    State::Prompt prompt{std::move(definition), std::move(handler)};
    if (!state_->prompts.emplace(name, std::move(prompt)).second) throw std::logic_error("two prompts named " + name);
}

void Server::State::list(const CallPtr& call, const Json& params, const char* name, std::string_view items) {
    // All there is stands on one page, so that a cursor is none of ours.
    const Json* cursor = find_member(params, "cursor");
    if (cursor != nullptr && !cursor->is_null())
        return refuse(call, rpc::invalid_params, "Invalid params: unknown cursor");
    const std::string members = fmt::format(R"("{}":[{}])", name, items);
    answer(call, {result(*call->caller, members, nullptr, Cache::list), {}});
}

void Server::State::list_templates(const CallPtr& call, const Json& params) {
    std::string items;
    for (const auto& each : resources->templates()) {
        Json item{{"uriTemplate", each.uri_template}, {"name", each.name}};
        if (!each.title.empty()) item["title"] = each.title;
        if (!each.description.empty()) item["description"] = each.description;
        if (!each.mime_type.empty()) item["mimeType"] = each.mime_type;
        append_item(items, json_text(item));
    }
    list(call, params, "resourceTemplates", items);
}

std::string Server::State::result(const Caller& caller, std::string_view members, const Json& meta, Cache cache,
                                  std::string_view type) const {
    const bool is_modern = !has_sessions(caller.revision);
    std::string out = "{";
    if (is_modern) {
        out += R"("resultType":")";
        out += type;
        out += '"';
        if (!members.empty()) out += ',';
    }
    out += members;
    if (is_modern && cache != Cache::none)
        out +=
            cache == Cache::list ? R"(,"ttlMs":60000,"cacheScope":"private")" : R"(,"ttlMs":0,"cacheScope":"private")";
    if (is_modern) {
        out += R"(,"_meta":{)";
        if (meta.is_object() && !meta.empty()) {
            const std::string own = json_text(meta);
            out.append(own, 1, own.size() - 2);
            out += ',';
        }
        out += server_info + '}';
    } else if (meta.is_object()) {
        out += (members.empty() ? R"("_meta":)" : R"(,"_meta":)") + json_text(meta);
    }
    out += '}';
    return out;
}

}  // namespace persistproc::mcp
