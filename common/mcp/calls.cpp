// What runs for a client: tools, prompts, resources, completions; how it is answered, cancelled and made a task.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "common/async/task_group.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/text.hpp"
#include "common/mcp/server_state.hpp"

namespace persistproc::mcp {

namespace asio = boost::asio;

namespace {

constexpr std::size_t max_shown_name = 128;
constexpr std::size_t max_completions = 100;

std::string shown(std::string_view name) { return base::escape_line(name.substr(0, max_shown_name)); }

/// Whole numbers without a fraction: "3", not "3.0".
std::string number_text(double number) {
    constexpr double exact = 9007199254740992.0;
    if (std::trunc(number) == number && std::abs(number) <= exact)
        return std::to_string(static_cast<std::int64_t>(number));
    return json_text(Json(number));
}

/// Of a result of tools/call.
std::string tool_members(const ToolResult& value) {
    std::string out;
    out.reserve(value.text.size() + 256);
    out += R"("content":[)";
    const bool has_text = !value.text.empty() || (!value.structured && value.content.empty());
    if (has_text) {
        out += R"({"type":"text","text":)";
        append_quoted(out, value.text);
        out += '}';
    }
    for (const auto& block : value.content) {
        if (out.back() != '[') out += ',';
        append_json(out, block);
    }
    out += ']';
    if (value.structured) {
        out += R"(,"structuredContent":)";
        append_json(out, *value.structured);
    }
    if (value.is_error) out += R"(,"isError":true)";
    return out;
}

/// The capability that a question needs; empty: no such question.
std::string_view capability_of(std::string_view method) {
    if (method == "sampling/createMessage") return "sampling";
    if (method == "elicitation/create") return "elicitation";
    if (method == "roots/list") return "roots";
    return {};
}

}  // namespace

ToolResult render(ToolResult result) {
    result.on_wire = tool_members(result);
    result.text.clear();
    result.content.clear();
    if (result.structured) dismantle(*result.structured);
    result.structured.reset();
    return result;
}

// ---- one call ----

Server::State::CallPtr Server::State::make_call(std::shared_ptr<Session> session, Principal principal,
                                                std::shared_ptr<const Caller> caller, const Message& message,
                                                std::shared_ptr<Reply> reply) {
    auto call = std::make_shared<Call>();
    call->server = weak_from_this();
    call->session = std::move(session);
    call->caller = std::move(caller);
    call->id = message.id;
    call->principal = principal;
    call->reply = std::move(reply);
    call->place = calls.end();
    return call;
}

CallContext Server::Call::context(const Json& params) {
    CallContext out;
    out.caller = caller;
    out.principal = principal;
    out.channel = shared_from_this();
    if (const auto live = server.lock()) out.arrived = live->clock.now();
    if (const Json* meta = find_member(params, "_meta"); meta != nullptr && meta->is_object()) {
        if (const Json* token = find_member(*meta, "progressToken")) progress_token = id_text(*token);
        if (progress_token.size() > most_id_bytes) progress_token.clear();
        // Not by operator[], which looks through all that are there already: a request may hold 50,000.
        Json::object_t own;
        for (const auto& [name, value] : meta->items())
            if (name.starts_with("persistproc/")) own.push_back({name, value});
        if (!own.empty()) out.own_meta = std::move(own);
    }
    if (has_sessions(caller->revision)) return out;
    const Json* responses = find_member(params, "inputResponses");
    if (responses != nullptr && responses->is_object()) out.input_responses = *responses;
    if (const std::string* text = find_text(params, "requestState")) out.request_state = *text;
    return out;
}

void Server::Call::give_place_back() {
    const auto live = server.lock();
    async::Turns* const from = live ? std::exchange(turns, nullptr) : nullptr;
    if (from == nullptr) return;
    // Who is next begins on a stack of its own: it may do the same.
    asio::post(live->executor, [live, from, party = principal.party] { from->leave(party); });
}

void Server::Call::note_done(std::string_view text) {
    if (!reply || principal.role != Principal::Role::bridge) return;
    std::string params = R"({"text":)";
    append_quoted(params, text);
    reply->notify(notification(done_method, params + '}'));
}

void Server::Call::progress(double value, std::optional<double> total, const std::string& text) {
    // Nothing may follow the response, and progress must rise.
    if (!wants_progress() || !(value > last_progress)) return;
    last_progress = value;
    std::string params = R"({"progressToken":)" + progress_token + R"(,"progress":)" + number_text(value);
    if (total) params += R"(,"total":)" + number_text(*total);
    if (!text.empty() && caller->revision >= Revision::r2025_03_26) {
        params += R"(,"message":)";
        append_quoted(params, text);
    }
    reply->notify(notification("notifications/progress", params + '}'));
}

void Server::Call::log(LogLevel level, std::string_view logger, const Json& data) {
    // A session's level may have changed since the call began.
    const auto wanted =
        has_sessions(caller->revision) ? State::state_of(*session).caller->log_level : caller->log_level;
    if (!reply || !wanted || level < *wanted) return;
    const Json params{{"level", log_level_name(level)}, {"logger", logger}, {"data", data}};
    reply->notify(notification("notifications/message", json_text(params)));
}

Task<Result<Json>> Server::Call::ask(Json requests) {
    const auto self = shared_from_this();
    const auto state = server.lock();
    if (!state) co_return Error{ErrorCode::unavailable, "the server has ended"};
    for (const auto& [key, request] : requests.items()) {
        const std::string* method = find_text(request, "method");
        const auto capability = method == nullptr ? std::string_view() : capability_of(*method);
        if (capability.empty() || !caller->declares(capability))
            co_return Error{ErrorCode::unavailable, "the client did not declare " + std::string(capability)};
    }
    if (task) {
        auto answered = co_await task->ask(std::move(requests), state->clock);
        co_return answered;
    }
    if (!has_sessions(caller->revision) || !reply)
        co_return Error{ErrorCode::unavailable, "this client takes no questions during a call"};

    struct Asked {
        std::string key, id;
        std::shared_ptr<Question> question;
    };
    /// Withdraws what is still open, however the wait ends.
    struct Withdraw {
        std::shared_ptr<Session> session;
        std::vector<Asked> asked;
        ~Withdraw() {
            for (const auto& each : asked) State::state_of(*session).questions.erase(each.id);
        }
    };
    Withdraw open{session, {}};
    const auto answered = std::make_shared<async::Notifier>(state->executor);
    for (const auto& [key, request] : requests.items()) {
        Asked one;
        one.key = key;
        one.id = "\"ask-" + std::to_string(++state->next_question) + '"';
        one.question = std::make_shared<Question>();
        one.question->answered = answered;
        State::state_of(*session).questions[one.id] = one.question;
        open.asked.push_back(one);
        std::string message = R"({"jsonrpc":"2.0","id":)" + one.id + R"(,"method":)" + json_text(request["method"]);
        if (request.contains("params")) message += R"(,"params":)" + json_text(request["params"]);
        message += '}';
        if (!reply->notify(std::move(message)))
            co_return Error{ErrorCode::unavailable, "this client takes no questions during a call"};
    }
    const MonoTime until = state->clock.now() + state->limits.answer_time;
    Json out = Json::object();
    for (const auto& each : open.asked) {
        while (!each.question->result && !each.question->refused) {
            const bool in_time = co_await answered->wait_until(until, state->clock);
            if (!in_time) co_return Error{ErrorCode::timeout, "the client did not answer in time"};
        }
        if (each.question->refused) co_return Error{ErrorCode::unavailable, *each.question->refused};
        out[each.key] = std::move(*each.question->result);
    }
    co_return Result<Json>(boost::system::in_place_value, std::move(out));
}

bool Server::Call::can_become_task() const {
    return reply && !task && !has_sessions(caller->revision) && caller->declares_extension(tasks_extension);
}

bool Server::Call::become_task(TaskTerms terms) {
    const auto state = server.lock();
    if (!state || !can_become_task()) return false;
    auto record = state->tasks.make(terms);
    if (!record) return false;
    record->on_cancel = [weak = weak_from_this()] {
        if (const auto call = weak.lock()) call->signal.emit(asio::cancellation_type::terminal);
    };
    std::string text = state->result(*caller, record->members(false), nullptr, State::Cache::none, "task");
    state->answer(shared_from_this(), {std::move(text), {}});
    task = std::move(record);
    return true;
}

// ---- answers ----

void Server::State::answer(const CallPtr& call, Answer with) {
    if (!call->reply) return;
    auto& by_id = state_of(*call->session).by_id;
    const auto mine = by_id.find(call->id);
    if (mine != by_id.end() && mine->second.lock() == call) by_id.erase(mine);
    const auto reply = std::exchange(call->reply, nullptr);
    if (with.error) {
        with.error->id = call->id;
        return reply->finish(error_response(*with.error), with.error->code);
    }
    reply->finish(with.result.empty() ? std::string() : result_response(call->id, with.result), 0);
}

void Server::State::finish(const CallPtr& call, std::string_view members, const Json& meta) {
    answer(call, {result(*call->caller, members, meta), {}});
}

Answer Server::State::instead(const Call& call, const Instead& given) const {
    if (const auto* refused = std::get_if<RpcError>(&given)) return {{}, *refused};
    const auto& asks = std::get<InputRequired>(given);
    std::string members;
    if (!asks.requests.empty()) members = R"("inputRequests":)" + json_text(asks.requests);
    if (asks.state) {
        if (!members.empty()) members += ',';
        members += R"("requestState":)";
        append_quoted(members, *asks.state);
    }
    return {result(*call.caller, members, nullptr, Cache::none, "input_required"), {}};
}

Answer Server::State::tool_answer(const State& server, const Call& call, ToolResult value) {
    if (value.instead.index() != 0) return server.instead(call, value.instead);
    if (value.on_wire.empty()) value = render(std::move(value));
    return {server.result(*call.caller, value.on_wire, value.meta), {}};
}

Answer Server::State::failure(const Error& error) {
    switch (error.code) {
        case ErrorCode::invalid: return failure(rpc::invalid_params, "Invalid params: " + error.message);
        case ErrorCode::limit: return failure(rpc::limit_reached, "limit: " + error.message);
        default: return failure(rpc::internal_error, error.message);
    }
}

Answer Server::State::prompt_answer(const State& server, const Call& call, Result<PromptResult> value) {
    if (!value) return failure(rpc::invalid_params, "Invalid params: " + value.error().message);
    if (value->instead.index() != 0) return server.instead(call, value->instead);
    Json messages = Json::array();
    for (auto& message : value->messages)
        messages.push_back(Json{{"role", message.role}, {"content", std::move(message.content)}});
    std::string members;
    if (!value->description.empty()) {
        members = R"("description":)";
        append_quoted(members, value->description);
        members += ',';
    }
    members += R"("messages":)" + json_text(messages);
    return {server.result(*call.caller, members), {}};
}

Answer Server::State::read_answer(const State& server, const Call& call, Result<ReadResource> value) {
    if (!value && value.error().code == ErrorCode::not_found) {
        const bool is_modern = !has_sessions(call.caller->revision);
        Answer out = failure(is_modern ? rpc::invalid_params : rpc::resource_not_found, "Resource not found");
        out.error->data = Json{{"uri", base::excerpt(call.what)}};
        return out;
    }
    if (!value) return failure(value.error());
    if (value->instead.index() != 0) return server.instead(call, value->instead);
    Json contents = Json::array();
    for (const auto& each : value->contents) contents.push_back(to_json(each));
    const std::string members = R"("contents":)" + json_text(contents);
    return {server.result(*call.caller, members, nullptr, Cache::read), {}};
}

Answer Server::State::resources_answer(const State& server, const Call& call, Result<ResourcePage> value) {
    if (!value) return failure(value.error());
    Json list = Json::array();
    for (const auto& each : value->resources) {
        Json item{{"uri", each.uri}, {"name", each.name}};
        if (!each.title.empty()) item["title"] = each.title;
        if (!each.description.empty()) item["description"] = each.description;
        if (!each.mime_type.empty()) item["mimeType"] = each.mime_type;
        if (each.size) item["size"] = *each.size;
        list.push_back(std::move(item));
    }
    std::string members = R"("resources":)" + json_text(list);
    if (value->next_cursor) {
        members += R"(,"nextCursor":)";
        append_quoted(members, *value->next_cursor);
    }
    return {server.result(*call.caller, members, nullptr, Cache::list), {}};
}

Answer Server::State::completion_answer(const State& server, const Call& call, Result<Completion> value) {
    if (!value) return failure(rpc::invalid_params, "Invalid params: " + value.error().message);
    const bool has_more = value->values.size() > max_completions || value->total > value->values.size();
    Json completion{
        {"values", Json::array()}, {"total", std::max(value->total, value->values.size())}, {"hasMore", has_more}};
    for (std::size_t each = 0; each < std::min(value->values.size(), max_completions); ++each)
        completion["values"].push_back(base::to_valid_utf8(value->values[each]));
    return {server.result(*call.caller, R"("completion":)" + json_text(completion)), {}};
}

// ---- running ----

template <class T, class Make>
void Server::State::run(const CallPtr& call, async::Turns& turns, Make make,
                        Answer (*render)(const State&, const Call&, T)) {
    auto begin = [this, make = std::move(make), render](const CallPtr& live) mutable {
        const auto self = shared_from_this();
        live->started = true;
        live->no_longer_waits.emit(asio::cancellation_type::terminal);
        const auto done = [self, live, render](std::exception_ptr failed, T value) {
            self->ended(live, failed, [&] { return render(*self, *live, std::move(value)); });
        };
        try {
            auto work = make(live);
            asio::co_spawn(executor, std::move(work), asio::bind_cancellation_slot(live->signal.slot(), done));
        } catch (...) {
            done(std::current_exception(), T());
        }
    };
    constexpr bool is_tool = std::is_same_v<T, ToolResult>;
    call->place = calls.insert(calls.end(), call);
    state_of(*call->session).by_id[call->id] = call;
    const Principal& from = call->principal;
    const bool is_asked_for = find_process && from.audience() == Audience::agent && from.process == 0;
    if (!is_asked_for || !turns.is_crowded()) return enter(call, turns, from.process, is_tool, std::move(begin));
    asio::co_spawn(executor, find_process(from),
                   [self = shared_from_this(), call, &turns, begin = std::move(begin)](std::exception_ptr failed,
                                                                                       pid_t process) mutable {
                       const bool is_over = call->place == self->calls.end();
                       if (!is_over) self->enter(call, turns, failed ? 0 : process, is_tool, std::move(begin));
                   });
}

template <class Begin>
void Server::State::enter(const CallPtr& call, async::Turns& turns, pid_t process, bool is_tool, Begin begin) {
    const auto group = static_cast<async::Turns::Group>(process);
    if (turns.try_begin(call->principal.party, group)) {
        call->turns = &turns;
        return begin(call);
    }
    const auto refuse_busy = [this, is_tool](const CallPtr& refused) {
        const Error busy{ErrorCode::limit, "too many calls wait for their turn; try again when some have ended"};
        if (is_tool)
            answer(refused, tool_answer(*this, *refused, tool_failure(busy)));
        else
            answer(refused, failure(busy));
    };
    const auto weak = std::weak_ptr<Call>(call);
    const auto give_way = [this, refuse_busy, weak] {
        const auto live = weak.lock();
        if (!live) return;
        refuse_busy(live);
        forget(live);
    };
    // Turns keep what waits: a function that they can copy.
    const auto launch = std::make_shared<Begin>(std::move(begin));
    const auto entry = turns.enter(
        call->principal.party, [launch, weak] { (*launch)(weak.lock()); }, call->ticket, give_way, group);
    if (entry == async::Turns::Entry::refused) {
        refuse_busy(call);
        return forget(call);
    }
    call->turns = &turns;
    const auto give_up = [give_way, &turns, weak] {
        const auto live = weak.lock();
        if (live && turns.withdraw(live->principal.party, live->ticket)) give_way();
    };
    watch_patience(call, give_up);
}

void Server::State::watch_patience(const CallPtr& call, std::function<void()> give_up) {
    if (!call->waits_until) return;
    const auto over = [self = shared_from_this(), call, give_up = std::move(give_up)](std::exception_ptr cancelled) {
        if (!cancelled && !call->started && call->place != self->calls.end()) give_up();
    };
    asio::co_spawn(executor, clock.sleep_until(*call->waits_until),
                   asio::bind_cancellation_slot(call->no_longer_waits.slot(), over));
}

/// What the caller is told of an exception, which is a bug and reported, or the end of the server.
std::string Server::State::failure_text(const Call& call, std::exception_ptr failed) {
    const std::string what = shown(call.what);
    if (async::is_cancellation(failed)) return what + " was ended with the server";
    try {
        std::rethrow_exception(failed);
    } catch (const std::exception& error) {
        base::report(base::Severity::error, "{} failed: {}", what, error.what());
    } catch (...) {
        base::report(base::Severity::error, "{} failed", what);
    }
    return "Internal error in " + what;
}

template <class Render>
void Server::State::ended(const CallPtr& call, std::exception_ptr failed, Render render) {
    if (call->reply || call->task) {
        Answer done = failed ? failure(rpc::internal_error, failure_text(*call, failed)) : render();
        // A task keeps what the response would have held.
        if (call->reply)
            answer(call, std::move(done));
        else if (done.error)
            call->task->fail(error_object(*done.error), clock.wall());
        else
            call->task->complete(std::move(done.result), clock.wall());
    }
    forget(call);
    if (call->turns != nullptr) call->turns->leave(call->principal.party);
}

void Server::State::forget(const CallPtr& call) {
    if (call->place != calls.end()) calls.erase(std::exchange(call->place, calls.end()));
    call->no_longer_waits.emit(asio::cancellation_type::terminal);
    if (calls.empty()) changed.notify_all();
}

void Server::State::cancel(const CallPtr& call) {
    if (call->subscription != 0) {
        subscriptions.remove(std::exchange(call->subscription, 0));
        std::erase(listening, call);
        return answer(call, {});
    }
    if (call->place == calls.end()) return;
    answer(call, {});
    if (call->started) {
        call->signal.emit(asio::cancellation_type::terminal);
        return;
    }
    // It may not have come so far as to wait.
    if (call->turns != nullptr) call->turns->withdraw(call->principal.party, call->ticket);
    forget(call);
}

// ---- what can be called ----

void Server::State::tools_call(const CallPtr& call, Json params) {
    const std::string* name = find_text(params, "name");
    if (name == nullptr) return refuse(call, rpc::invalid_params, "Invalid params: `name` must be a string");
    const auto found = tools.find(*name);
    if (found == tools.end() || (found->second.definition.client_only && call->principal.audience() == Audience::agent))
        return refuse(call, rpc::invalid_params, "Unknown tool: " + shown(*name));
    Json arguments(Json::value_t::object);
    Json* given = find_member(params, "arguments");
    if (given != nullptr && !given->is_null()) {
        if (!given->is_object())
            return refuse(call, rpc::invalid_params, "Invalid params: `arguments` must be an object");
        arguments = std::move(*given);
    }
    call->what = *name;
    call->only_reads = found->second.definition.annotations.read_only;
    const Tool* tool = &found->second;
    if (const auto& patience = tool->definition.patience)
        if (const auto longest = patience(arguments, call->principal.audience()))
            call->waits_until = clock.now() + *longest;
    auto make = [tool, arguments = std::move(arguments), context = call->context(params)](const CallPtr&) mutable {
        return tool->handler(std::move(arguments), std::move(context));
    };
    dismantle(params);
    Lane& here = lane(call->principal.audience());
    auto& sleeping = call->only_reads ? here.waiting : here.changing;
    auto& turns = found->second.definition.sleeps ? sleeping : here.working;
    run<ToolResult>(call, turns, std::move(make), &State::tool_answer);
}

void Server::State::get_prompt(const CallPtr& call, Json params) {
    const std::string* name = find_text(params, "name");
    if (name == nullptr) return refuse(call, rpc::invalid_params, "Invalid params: `name` must be a string");
    const auto found = prompts.find(*name);
    if (found == prompts.end()) return refuse(call, rpc::invalid_params, "Unknown prompt: " + shown(*name));
    std::map<std::string, std::string> arguments;
    Json* given = find_member(params, "arguments");
    if (given != nullptr && !given->is_null()) {
        if (!given->is_object())
            return refuse(call, rpc::invalid_params, "Invalid params: `arguments` must be an object");
        for (const auto& [key, value] : given->items()) {
            if (!value.is_string())
                return refuse(call, rpc::invalid_params,
                              "Invalid params: argument " + shown(key) + " must be a string");
            arguments[key] = value.get<std::string>();
        }
    }
    for (const auto& argument : found->second.definition.arguments)
        if (argument.required && arguments.count(argument.name) == 0)
            return refuse(call, rpc::invalid_params, "Invalid params: argument " + argument.name + " is required");
    call->what = *name;
    const Prompt* prompt = &found->second;
    auto make = [prompt, arguments = std::move(arguments), context = call->context(params)](const CallPtr&) mutable {
        return prompt->handler(std::move(arguments), std::move(context));
    };
    run<Result<PromptResult>>(call, lane(call->principal.audience()).working, std::move(make), &State::prompt_answer);
}

void Server::State::read_resource(const CallPtr& call, Json params) {
    const std::string* uri = find_text(params, "uri");
    if (uri == nullptr) return refuse(call, rpc::invalid_params, "Invalid params: `uri` must be a string");
    call->what = *uri;
    auto make = [this, uri = *uri, context = call->context(params)](const CallPtr&) mutable {
        return resources->read(std::move(uri), std::move(context));
    };
    run<Result<ReadResource>>(call, lane(call->principal.audience()).working, std::move(make), &State::read_answer);
}

void Server::State::list_resources(const CallPtr& call, Json params) {
    std::optional<std::string> cursor;
    if (const Json* given = find_member(params, "cursor"); given != nullptr && !given->is_null()) {
        if (!given->is_string()) return refuse(call, rpc::invalid_params, "Invalid params: `cursor` must be a string");
        cursor = given->get<std::string>();
    }
    call->what = "resources/list";
    auto make = [this, cursor = std::move(cursor), context = call->context(params)](const CallPtr&) mutable {
        return resources->list(std::move(cursor), std::move(context));
    };
    run<Result<ResourcePage>>(call, lane(call->principal.audience()).working, std::move(make),
                              &State::resources_answer);
}

void Server::State::complete(const CallPtr& call, const Json& params) {
    const auto bad = [&](const char* what) {
        refuse(call, rpc::invalid_params, std::string("Invalid params: ") + what);
    };
    const Json* ref = find_member(params, "ref");
    const Json* argument = find_member(params, "argument");
    if (ref == nullptr || argument == nullptr) return bad("`ref` and `argument` are required");
    const std::string* type = find_text(*ref, "type");
    CompletionRequest request;
    request.is_prompt = type != nullptr && *type == "ref/prompt";
    if (!request.is_prompt && (type == nullptr || *type != "ref/resource"))
        return bad("`ref.type` must be ref/prompt or ref/resource");
    const std::string* name = find_text(*ref, request.is_prompt ? "name" : "uri");
    if (name == nullptr) return bad(request.is_prompt ? "`ref.name` must be a string" : "`ref.uri` must be a string");
    const std::string* argument_name = find_text(*argument, "name");
    const std::string* value = find_text(*argument, "value");
    if (argument_name == nullptr || value == nullptr) return bad("`argument` needs the strings `name` and `value`");
    request.ref = *name;
    request.argument = *argument_name;
    request.value = *value;
    const Json* context = find_member(params, "context");
    const Json* chosen = context == nullptr ? nullptr : find_member(*context, "arguments");
    if (chosen != nullptr && chosen->is_object())
        for (const auto& [key, each] : chosen->items())
            if (each.is_string()) request.context[key] = each.get<std::string>();
    call->what = "completion/complete";
    auto make = [this, request = std::move(request), here = call->context(params)](const CallPtr&) mutable {
        return completion(std::move(request), std::move(here));
    };
    run<Result<Completion>>(call, lane(call->principal.audience()).working, std::move(make), &State::completion_answer);
}

}  // namespace persistproc::mcp
