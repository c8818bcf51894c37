/// Bodies of both eras: JSON, messages, batches, and who sends them.
#include <string>
#include <variant>

#include "common/base/text.hpp"
#include "common/mcp/batch.hpp"
#include "common/mcp/caller.hpp"
#include "common/mcp/json_reader.hpp"
#include "common/mcp/message.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace persistproc;
using fuzz::require;
using mcp::Json;

struct Extent {
    std::size_t depth = 0, nodes = 0;
};

void measure(const Json& json, std::size_t depth, Extent& out) {
    ++out.nodes;
    if (!json.is_structured()) return;
    out.depth = std::max(out.depth, depth);
    for (const auto& each : json.items()) {
        if (json.is_object()) ++out.nodes;
        measure(each.value(), depth + 1, out);
    }
}

void check_bounds(const Json& json, const mcp::JsonLimits& limits) {
    Extent extent;
    measure(json, 1, extent);
    require(extent.depth <= limits.depth && extent.nodes <= limits.nodes, "the bounds hold");
}

void check_error(const mcp::RpcError& error) {
    require(error.code < 0 && !error.message.empty(), "a refusal says why");
    const auto response = mcp::read_json(mcp::error_response(error));
    require(response && mcp::find_member(*response, "error") != nullptr, "a refusal is a response");
}

void check_caller(const mcp::Caller& caller) {
    require(caller.capabilities.is_object(), "capabilities are an object");
    require(!base::has_control_or_bidi(caller.name), "a client's name can be shown");
}

void check_message(const mcp::Message& message) {
    require(message.kind != mcp::MessageKind::request || !message.id.empty(), "a request has an id");
    require((message.kind == mcp::MessageKind::response) == message.method.empty() || message.id.empty() ||
                message.kind == mcp::MessageKind::request,
            "a response has no method");
    if (!message.id.empty()) {
        const auto id = mcp::read_json(message.id);
        require(id && (id->is_string() || id->is_number_integer()), "an id can be echoed");
        require(mcp::id_text(*id) == message.id, "an id stays the same");
    }
    const mcp::Caller of_session = mcp::read_initialize(message.params);
    check_caller(of_session);
    require(mcp::has_sessions(of_session.revision), "a session has a revision with sessions");
    if (!mcp::has_envelope(message.params)) return;
    const auto envelope = mcp::read_envelope(message.params);
    if (const auto* refused = std::get_if<mcp::RpcError>(&envelope)) return check_error(*refused);
    check_caller(std::get<mcp::Caller>(envelope));
    require(std::get<mcp::Caller>(envelope).revision == mcp::modern_revision,
            "an envelope is of the revision it names");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view text = fuzz::Input(bytes, size).rest();
    const mcp::JsonLimits wide, narrow{.depth = 3, .nodes = 12};
    auto json = mcp::read_json(text, wide);
    const auto in_narrow = mcp::read_json(text, narrow);
    require(json || !in_narrow, "what narrow bounds allow, wider ones do");
    if (!json) {
        require(json.error().code == ErrorCode::invalid && !base::has_control_or_bidi(json.error().message),
                "an error is one line");
        return 0;
    }
    check_bounds(*json, wide);
    if (in_narrow) {
        check_bounds(*in_narrow, narrow);
        require(*in_narrow == *json, "bounds change no value");
    }
    // Another parser, which takes more (names twice, any depth) and understands it alike.
    const Json other = Json::parse(text, nullptr, false);
    require(!other.is_discarded(), "what is read is JSON");
    // By value: of a number too small to hold one keeps the sign.
    require(*json == other, "two parsers read the same");
    const std::string written = mcp::json_text(*json);
    const auto again = mcp::read_json(written, wide);
    require(again && *again == *json, "what is written is read as it was");

    if (!json->is_array()) {
        const auto read = mcp::read_message(std::move(*json));
        if (const auto* refused = std::get_if<mcp::RpcError>(&read))
            check_error(*refused);
        else
            check_message(std::get<mcp::Message>(read));
        return 0;
    }
    const std::size_t elements = json->size();
    const auto read = mcp::read_batch(std::move(*json));
    if (const auto* refused = std::get_if<mcp::RpcError>(&read)) {
        check_error(*refused);
        return 0;
    }
    const auto& batch = std::get<mcp::Batch>(read);
    require(batch.messages.size() + batch.refusals.size() == elements, "each element is a message or refused");
    bool has_requests = !batch.refusals.empty();
    for (const auto& message : batch.messages) {
        check_message(message);
        has_requests |= message.kind == mcp::MessageKind::request;
        require(message.kind == mcp::MessageKind::response || !mcp::has_envelope(message.params),
                "2026-07-28 has no batches");
    }
    require(batch.has_requests == has_requests, "whether something must be answered");
    for (const auto& refusal : batch.refusals) require(mcp::read_json(refusal).has_value(), "a refusal is JSON");
    return 0;
}
