#include "common/api/start_process.hpp"

#include "tests/support/catch.hpp"

using namespace persistproc;

TEST_CASE("bytes that are no text travel through JSON unchanged") {
    api::StartRequest request;
    request.command.words = {"a", "\xff\xfe", "é"};
    request.working_directory = "/d\x80";
    request.environment = {{"K", "\xc0"}};
    request.base_environment = {"A=\xf5"};
    const auto expected = request;
    api::carry_bytes(request);
    CHECK(request.bytes_as_text);
    const auto json = schema::Json::parse(schema::to_json(request).dump());
    auto received = schema::parse<api::StartRequest>(json, schema::Audience::client);
    REQUIRE(received);
    REQUIRE(api::restore_bytes(*received));
    CHECK(received->command.words == expected.command.words);
    CHECK(received->working_directory == expected.working_directory);
    CHECK(received->environment == expected.environment);
    CHECK(received->base_environment == expected.base_environment);
}

TEST_CASE("text travels as it is") {
    api::StartRequest request;
    request.command.words = {"a", "日本"};
    request.working_directory = "/";
    api::carry_bytes(request);
    CHECK(!request.bytes_as_text);
    CHECK(request.command.words[1] == "日本");
    request.bytes_as_text = true;
    CHECK(!api::restore_bytes(request));
}

TEST_CASE("a command is a string or words") {
    const auto parse = [](const char* text) { return schema::parse<api::StartRequest>(schema::Json::parse(text)); };
    CHECK(parse(R"({"command":"npm run dev","working_directory":"/"})")->command.line == "npm run dev");
    CHECK(parse(R"({"command":["a","b"],"working_directory":"/"})")->command.words.size() == 2);
    CHECK(parse(R"({"command":7,"working_directory":"/"})").error().message ==
          "command: expected string or array of strings, got number 7");
    CHECK(parse(R"({"command":["a",7],"working_directory":"/"})").error().message ==
          "command[1]: expected string, got number 7");
}
