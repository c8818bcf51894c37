#include "common/mcp/message.hpp"

#include "common/base/text.hpp"
#include "tests/support/catch.hpp"

namespace message_test {

using namespace persistproc;
using namespace persistproc::mcp;

namespace {

std::variant<Message, RpcError> read(std::string_view text) { return read_message(*read_json(text)); }
int refused(std::string_view text) {
    const auto got = read(text);
    const auto* error = std::get_if<RpcError>(&got);
    return error == nullptr ? 0 : error->code;
}

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

TEST_CASE("messages are told apart") {
    const auto request = std::get<Message>(read(R"({"jsonrpc":"2.0","id":7,"method":"m","params":{"a":1}})"));
    CHECK(request.kind == MessageKind::request);
    CHECK(request.id == "7");
    CHECK(request.method == "m");
    CHECK(request.params.dump() == R"({"a":1})");
    CHECK(std::get<Message>(read(R"({"jsonrpc":"2.0","id":"a\"b","method":"m"})")).id == R"("a\"b")");
    CHECK(std::get<Message>(read(R"({"jsonrpc":"2.0","id":-1,"method":"m","params":null})")).params.is_null());
    CHECK(std::get<Message>(read(R"({"jsonrpc":"2.0","method":"m"})")).kind == MessageKind::notification);
    CHECK(std::get<Message>(read(R"({"jsonrpc":"2.0","id":1,"result":{}})")).kind == MessageKind::response);
}

TEST_CASE("ill-formed messages are refused with their id where it can be read") {
    CHECK(refused("1") == rpc::invalid_request);
    CHECK(refused("{}") == rpc::invalid_request);
    CHECK(refused(R"({"id":1,"method":"m"})") == rpc::invalid_request);
    CHECK(refused(R"({"jsonrpc":"1.0","id":1,"method":"m"})") == rpc::invalid_request);
    CHECK(refused(R"({"jsonrpc":"2.0","id":null,"method":"m"})") == rpc::invalid_request);
    CHECK(refused(R"({"jsonrpc":"2.0","id":1.5,"method":"m"})") == rpc::invalid_request);
    CHECK(refused(R"({"jsonrpc":"2.0","id":1,"method":3})") == rpc::invalid_request);
    CHECK(refused(R"({"jsonrpc":"2.0","id":1})") == rpc::invalid_request);
    CHECK(refused(R"({"jsonrpc":"2.0","id":1,"result":{},"error":{}})") == rpc::invalid_request);
    CHECK(refused(R"({"jsonrpc":"2.0","id":1,"result":5})") == rpc::invalid_request);
    CHECK(refused(R"({"jsonrpc":"2.0","id":1,"result":null})") == rpc::invalid_request);
    CHECK(std::get<RpcError>(read(R"({"jsonrpc":"2.0","id":"q","method":3})")).id == R"("q")");
}

TEST_CASE("an id that is kept is not long") {
    const auto refused = [](std::size_t bytes) {
        const auto read_one = read(R"({"jsonrpc":"2.0","method":"ping","id":")" + std::string(bytes, 'x') + "\"}");
        const auto* error = std::get_if<RpcError>(&read_one);
        return error == nullptr ? std::string() : error->id + " " + error->message;
    };
    CHECK(refused(most_id_bytes - 2).empty());
    CHECK(refused(most_id_bytes - 1) == "null Invalid request: `id` is longer than 16384 bytes");
}

TEST_CASE("text is quoted as JSON") {
    for (int c = 0; c < 256; ++c) {
        const std::string text = std::string("a") + static_cast<char>(c) + "z";
        std::string own;
        append_quoted(own, text);
        INFO(c);
        CHECK(own == base::escape_json(dumped(Json(text))));
    }
    std::string out;
    append_quoted(out, std::string_view("a\"\\\n\r\t\x01\x1f\x7f é\0z", 14));
    CHECK(read_json(out)->get<std::string>() == std::string("a\"\\\n\r\t\x01\x1f\x7f é\0z", 14));
    out.clear();
    append_quoted(out, "a\xffz");
    CHECK(out == "\"a\xEF\xBF\xBDz\"");
}

TEST_CASE("what a terminal or a model would be misled by never stands in an answer as it is") {
    // DEL, C1, bidirectional and line-separating characters, tags.
    const std::string printed =
        "\x7f \u009b31m \u202ecba\u202c \u2066\u2069\u200e\u061c \u2028\u2029 \U000E0041 é\u2588";
    std::string out;
    append_quoted(out, printed);
    CHECK(out == R"("\u007f \u009b31m \u202ecba\u202c \u2066\u2069\u200e\u061c \u2028\u2029 \udb40\udc41 é█")");
    CHECK(read_json(out)->get<std::string>() == printed);
    const Json value{{printed, {printed}}};
    CHECK(json_text(value) == "{" + out + ":[" + out + "]}");
}

TEST_CASE("values are written as the library writes them") {
    Json json = *read_json(R"({"none":null,"yes":true,"no":false,"": "empty name","q\"\n":[],"o":{},
        "numbers":[0,-1,18446744073709551615,-9223372036854775808,0.5,1e300,-0.0,3.0],
        "texts":["","a","\u0001\u007f\\\"","é\u20ac"],"nested":[[[{"a":[{}]}]]]})");
    CHECK(json_text(json) == base::escape_json(dumped(json)));
    json["texts"].push_back("broken \xff text");
    json["broken \xff name"] = 1;
    CHECK(json_text(json) == base::escape_json(dumped(json)));
    for (const Json& each : json) CHECK(json_text(each) == base::escape_json(dumped(each)));
    CHECK(json_text(Json()) == "null");
}

TEST_CASE("answers carry the id they were given") {
    CHECK(result_response("\"x\"", "{}") == R"({"jsonrpc":"2.0","id":"x","result":{}})");
    CHECK(error_response(RpcError{-32602, "no \"x\"", "3"}) ==
          R"({"jsonrpc":"2.0","id":3,"error":{"code":-32602,"message":"no \"x\""}})");
}

}  // namespace message_test
