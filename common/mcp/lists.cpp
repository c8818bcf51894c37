// What the server offers: definitions as JSON text, made once, and pages of them.
#include <charconv>
#include <stdexcept>

#include "common/mcp/base64.hpp"
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

std::string joined(const std::vector<std::string>& items, std::size_t from, std::size_t to) {
    std::string out;
    for (std::size_t each = from; each < to; ++each) {
        if (each > from) out += ',';
        out += items[each];
    }
    return out;
}

/// The place in a list that a cursor of ours names; no value: it is none.
std::optional<std::size_t> read_cursor(const Json& params, std::size_t size) {
    const Json* found = find_member(params, "cursor");
    if (found == nullptr || found->is_null()) return 0;
    if (!found->is_string()) return std::nullopt;
    const auto text = base64url_decode(found->get_ref<const std::string&>());
    std::size_t place = 0;
    if (!text) return std::nullopt;
    const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), place);
    if (failed != std::errc() || end != text->data() + text->size() || place == 0 || place >= size) return std::nullopt;
    return place;
}

/// Members of a list result that begins at the cursor; no value: the cursor is none of ours.
std::optional<std::string> page_of(const char* name, const std::vector<std::string>& items, const Json& params,
                                   std::size_t page) {
    const auto from = read_cursor(params, items.size());
    if (!from) return std::nullopt;
    const std::size_t to = page == 0 ? items.size() : std::min(items.size(), *from + page);
    std::string out = std::string("\"") + name + "\":[" + joined(items, *from, to) + ']';
    if (to < items.size()) out += R"(,"nextCursor":")" + base64url_encode(std::to_string(to)) + '"';
    return out;
}

constexpr const char* unknown_cursor = "Invalid params: unknown cursor";

}  // namespace

void Server::add_tool(ToolDefinition definition, ToolHandler handler) {
    const std::string name = definition.name;
    const std::string listed = definition_json(definition);
    const bool for_agents = !definition.client_only;
    State::Tool tool{std::move(definition), std::move(handler)};
    if (!state_->tools.emplace(name, std::move(tool)).second) throw std::logic_error("two tools named " + name);
    for (const Audience audience : {Audience::agent, Audience::client}) {
        if (audience == Audience::agent && !for_agents) continue;
        auto& lane = state_->lane(audience);
        lane.tools.push_back(listed);
        lane.page = R"("tools":[)" + joined(lane.tools, 0, lane.tools.size()) + ']';
    }
}

void Server::add_prompt(PromptDefinition definition, PromptHandler handler) {
    const std::string name = definition.name;
    state_->prompt_list.push_back(definition_json(definition));
    State::Prompt prompt{std::move(definition), std::move(handler)};
    if (!state_->prompts.emplace(name, std::move(prompt)).second) throw std::logic_error("two prompts named " + name);
}

void Server::State::list_tools(const CallPtr& call, const Json& params) {
    const Lane& here = lane(call->audience);
    const bool is_whole = limits.page == 0 && find_member(params, "cursor") == nullptr;
    auto members = is_whole ? std::optional(here.page) : page_of("tools", here.tools, params, limits.page);
    if (!members) return refuse(call, rpc::invalid_params, unknown_cursor);
    if (members->empty()) members = R"("tools":[])";
    answer(call, {result(*call->caller, *members, nullptr, Cache::list), {}});
}

void Server::State::list_prompts(const CallPtr& call, const Json& params) {
    const auto members = page_of("prompts", prompt_list, params, limits.page);
    if (!members) return refuse(call, rpc::invalid_params, unknown_cursor);
    answer(call, {result(*call->caller, *members, nullptr, Cache::list), {}});
}

void Server::State::list_templates(const CallPtr& call, const Json& params) {
    std::vector<std::string> items;
    for (const auto& each : resources->templates()) {
        Json item{{"uriTemplate", each.uri_template}, {"name", each.name}};
        if (!each.title.empty()) item["title"] = each.title;
        if (!each.description.empty()) item["description"] = each.description;
        if (!each.mime_type.empty()) item["mimeType"] = each.mime_type;
        items.push_back(json_text(item));
    }
    const auto members = page_of("resourceTemplates", items, params, 0);
    if (!members) return refuse(call, rpc::invalid_params, unknown_cursor);
    answer(call, {result(*call->caller, *members, nullptr, Cache::list), {}});
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
