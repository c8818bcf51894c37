#include "common/ops/start_process.hpp"

#include "common/schema/json.hpp"
#include "tests/support/catch.hpp"

namespace start_process_test {

using namespace persistproc;

TEST_CASE("bytes that are no text travel through JSON unchanged") {
    ops::StartRequest request;
    request.definition.command = {"a", "\xff\xfe", "é"};
    request.definition.working_directory = "/d\x80";
    request.environment = {{"K", "\xc0"}};
    request.base_environment = {"A=\xf5"};
    const auto expected = request;
    ops::carry_bytes(request);
    CHECK(request.bytes_as_text);
    const auto json = schema::Json::parse(schema::to_arguments(request).dump());
    auto received = schema::parse<ops::StartRequest>(json, schema::Audience::client);
    REQUIRE(received);
    CHECK(received->definition.command == expected.definition.command);
    CHECK(received->definition.working_directory == expected.definition.working_directory);
    CHECK(received->environment == expected.environment);
    CHECK(received->base_environment == expected.base_environment);
}

TEST_CASE("a restart policy is said in the words of the command line") {
    const auto parse = [](const char* restart) {
        return schema::parse<ops::StartRequest>(
            schema::Json{{"command", "a"}, {"working_directory", "/"}, {"restart", restart}});
    };
    using domain::RestartPolicy;
    struct Policy {
        const char* given;
        RestartPolicy policy;
        std::optional<std::int64_t> limit;
    };
    for (const auto& [given, policy, limit] :
         {Policy{"never", RestartPolicy::never, {}}, Policy{"no", RestartPolicy::never, {}},
          Policy{"on_failure", RestartPolicy::on_failure, {}}, Policy{"on-failure:3", RestartPolicy::on_failure, 3},
          Policy{"unless-stopped", RestartPolicy::always, {}}, Policy{"always:1", RestartPolicy::always, 1}}) {
        CAPTURE(given);
        const auto request = parse(given);
        REQUIRE(request);
        CHECK(request->definition.restart == policy);
        CHECK(request->definition.restart_limit == limit);
    }
    CHECK(parse("sometimes").error().message == "restart: \"sometimes\" is not one of never, on-failure[:N], always");
    for (const char* wrong : {"", "on-failure:0", "no:3"}) CHECK(!parse(wrong));
}

TEST_CASE("an agent asks for a terminal by one word, and its size goes with it alone") {
    const auto parse = [](schema::Json more) {
        more["command"] = "a";
        more["working_directory"] = "/";
        return schema::parse<ops::StartRequest>(more);
    };
    using domain::Input;
    CHECK(parse(schema::Json::object())->definition.input == Input::none);
    CHECK(parse({{"tty", true}})->definition.input == Input::tty);
    const auto sized = parse({{"tty", true}, {"size", "100x30"}});
    REQUIRE(sized);
    CHECK(sized->definition.size == domain::TerminalSize{100, 30});
    CHECK(parse({{"size", "100x30"}}).error().code == ErrorCode::invalid);
    for (const char* const wrong : {"", "x", "100", "100x", "9x30", "501x30", "100x1", "100x301", "100x30x", " 100x30"})
        CHECK(parse({{"tty", true}, {"size", wrong}}).error().message.starts_with("size: "));
    // What only the client says.
    CHECK(!parse({{"input", "tty"}}));

    ops::StartRequest typed;
    typed.definition.command = {"a"};
    typed.definition.working_directory = "/";
    typed.definition.input = Input::pipe;
    const auto received = schema::parse<ops::StartRequest>(schema::to_arguments(typed), schema::Audience::client);
    REQUIRE(received);
    CHECK(received->definition.input == Input::pipe);
}

TEST_CASE("text travels as it is") {
    ops::StartRequest request;
    request.definition.command = {"a", "日本"};
    request.definition.working_directory = "/";
    ops::carry_bytes(request);
    CHECK(!request.bytes_as_text);
    CHECK(request.definition.command[1] == "日本");
    request.bytes_as_text = true;
    CHECK(!ops::restore_bytes(request));
}

TEST_CASE("a command is a string or words") {
    const auto parse = [](const char* text) { return schema::parse<ops::StartRequest>(schema::Json::parse(text)); };
    using Words = std::vector<std::string>;
    CHECK(parse(R"({"command":"npm run 'de v'","working_directory":"/"})")->definition.command ==
          Words{"npm", "run", "de v"});
    CHECK(parse(R"({"command":["a","b c"],"working_directory":"/"})")->definition.command == Words{"a", "b c"});
    CHECK(parse(R"({"command":"a | b","shell":true,"working_directory":"/"})")->definition.command == Words{"a | b"});
    CHECK(parse(R"({"command":["a | b"],"shell":true,"working_directory":"/"})")->definition.command == Words{"a | b"});
    CHECK(parse(R"({"command":["a","b"],"shell":true,"working_directory":"/"})").error().message ==
          "shell: needs command as one string");
    CHECK_FALSE(parse(R"({"command":["a"],"working_directory":"/"})")->definition.label_given);
    CHECK(parse(R"({"command":["a"],"label":"x","working_directory":"/"})")->definition.label_given);
    CHECK(parse(R"({"command":["a"],"stop_signal":"int","working_directory":"/"})")->definition.stop_signal == 2);
    CHECK(parse(R"({"command":["a"],"grace_seconds":"1m30s","working_directory":"/"})")->definition.grace_seconds ==
          90);
    CHECK(parse(R"({"command":7,"working_directory":"/"})").error().message ==
          "command: expected string or array of strings, got number 7");
    CHECK(parse(R"({"command":["a",7],"working_directory":"/"})").error().message ==
          "command[1]: expected string, got number 7");
}

}  // namespace start_process_test
