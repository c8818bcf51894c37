#include "cli/agents/json_edit.hpp"

#include "common/config/json_document.hpp"
#include "common/config/position.hpp"
#include "tests/support/catch.hpp"

namespace json_edit_test {

using namespace persistproc;
using namespace persistproc::cli::agents;
using namespace persistproc::config;

namespace {

const std::string url = "http://127.0.0.1:8947/mcp";

ops::AgentEntry http_entry() {
    ops::AgentEntry entry;
    entry.name = "persistproc";
    entry.url = url;
    return entry;
}

ops::AgentEntry stdio_entry() {
    ops::AgentEntry entry;
    entry.name = "persistproc";
    entry.command = {"persistproc", "mcp"};
    return entry;
}

EditedText edited(std::string_view text, const char* agent = "cursor", const ops::AgentEntry& entry = http_entry()) {
    auto result = set_entry(text, *ops::find_agent(agent), entry);
    if (!result) throw std::runtime_error(result.error().message);
    return *result;
}

std::string refusal(std::string_view text, const char* agent = "cursor", const ops::AgentEntry& entry = http_entry()) {
    auto result = set_entry(text, *ops::find_agent(agent), entry);
    return result ? "understood" : result.error().message;
}

/// Whether `longer` is `shorter` with bytes put in, at however many places.
bool is_insertion(std::string_view longer, std::string_view shorter) {
    std::size_t at = 0;
    for (const char c : longer)
        if (at < shorter.size() && shorter[at] == c) ++at;
    return at == shorter.size();
}

struct Row {
    std::string before, after;
};

}  // namespace

TEST_CASE("an entry comes into a JSON file in the file's own style") {
    const std::vector<Row> rows = {
        // Nothing there yet.
        {"", "{\n  \"mcpServers\": {\n    \"persistproc\": {\n      \"url\": \"" + url + "\"\n    }\n  }\n}\n"},
        {"\n", "\n{\n  \"mcpServers\": {\n    \"persistproc\": {\n      \"url\": \"" + url + "\"\n    }\n  }\n}\n"},
        {"// mine",
         "// mine\n{\n  \"mcpServers\": {\n    \"persistproc\": {\n      \"url\": \"" + url + "\"\n    }\n  }\n}\n"},
        {"{}", "{\n  \"mcpServers\": {\n    \"persistproc\": {\n      \"url\": \"" + url + "\"\n    }\n  }\n}"},
        {"{}\n", "{\n  \"mcpServers\": {\n    \"persistproc\": {\n      \"url\": \"" + url + "\"\n    }\n  }\n}\n"},
        {"{\n}\n", "{\n  \"mcpServers\": {\n    \"persistproc\": {\n      \"url\": \"" + url + "\"\n    }\n  }\n}\n"},
        // Beside others, four spaces.
        {"{\n    \"mcpServers\": {\n        \"a\": {\n            \"url\": \"x\"\n        }\n    }\n}\n",
         "{\n    \"mcpServers\": {\n        \"a\": {\n            \"url\": \"x\"\n        },\n        \"persistproc\": "
         "{\n"
         "            \"url\": \"" +
             url + "\"\n        }\n    }\n}\n"},
        // Tabs, and other members after the table.
        {"{\n\t\"mcpServers\": {},\n\t\"theme\": \"dark\"\n}\n",
         "{\n\t\"mcpServers\": {\n\t\t\"persistproc\": {\n\t\t\t\"url\": \"" + url +
             "\"\n\t\t}\n\t},\n\t\"theme\": \"dark\"\n}\n"},
        // The table is missing.
        {"{\n  \"theme\": \"dark\"\n}\n",
         "{\n  \"theme\": \"dark\",\n  \"mcpServers\": {\n    \"persistproc\": {\n"
         "      \"url\": \"" +
             url + "\"\n    }\n  }\n}\n"},
        // A comma at the end stays the style.
        {"{\n  \"theme\": \"dark\", // note, \"}\"\n}\n",
         "{\n  \"theme\": \"dark\", // note, \"}\"\n  \"mcpServers\": {\n    \"persistproc\": {\n      \"url\": \"" +
             url + "\"\n    }\n  },\n}\n"},
        // Comments after the last member keep their place.
        {"{\n  \"theme\": \"dark\" // note\n  /* end */\n}\n",
         "{\n  \"theme\": \"dark\", // note\n  /* end */\n  \"mcpServers\": {\n    \"persistproc\": {\n      \"url\": "
         "\"" +
             url + "\"\n    }\n  }\n}\n"},
        // One line stays one.
        {"{\"mcpServers\":{\"a\":{\"url\":\"x\"}}}",
         "{\"mcpServers\":{\"a\":{\"url\":\"x\"},\"persistproc\":{\"url\":\"" + url + "\"}}}"},
        {"{\"mcpServers\": {}}", "{\"mcpServers\": {\"persistproc\": {\"url\": \"" + url + "\"}}}"},
        {"{ \"a\": 1 }", "{ \"a\": 1, \"mcpServers\": {\"persistproc\": {\"url\": \"" + url + "\"}} }"},
        {"{ \"a\": 1 // one\n}", "{ \"a\": 1, // one\n  \"mcpServers\": {\n    \"persistproc\": {\n      \"url\": \"" +
                                     url + "\"\n    }\n  }\n}"},
        {"{ /* empty */ }", "{ /* empty */ \"mcpServers\": {\"persistproc\": {\"url\": \"" + url + "\"}} }"},
        // CRLF, and a byte order mark.
        {"\xef\xbb\xbf{\r\n  \"mcpServers\": {\r\n  }\r\n}\r\n",
         "\xef\xbb\xbf{\r\n  \"mcpServers\": {\r\n    \"persistproc\": {\r\n      \"url\": \"" + url +
             "\"\r\n    }\r\n  }\r\n}\r\n"},
        {"\xef\xbb\xbf",
         "\xef\xbb\xbf{\n  \"mcpServers\": {\n    \"persistproc\": {\n      \"url\": \"" + url + "\"\n    }\n  }\n}\n"},
        // Names like ours in strings, comments and other objects are none.
        {"{\n  // \"mcpServers\": {\"persistproc\": {}}\n  \"a\": \"\\\"mcpServers\\\": {\",\n  \"b\": "
         "{\"mcpServers\": "
         "{\"persistproc\": 1}}\n}\n",
         "{\n  // \"mcpServers\": {\"persistproc\": {}}\n  \"a\": \"\\\"mcpServers\\\": {\",\n  \"b\": "
         "{\"mcpServers\": "
         "{\"persistproc\": 1}},\n  \"mcpServers\": {\n    \"persistproc\": {\n      \"url\": \"" +
             url + "\"\n    }\n  }\n}\n"},
        // A name may be written with escapes.
        {"{\n  \"mcp\\u0053ervers\": {}\n}\n",
         "{\n  \"mcp\\u0053ervers\": {\n    \"persistproc\": {\n      \"url\": \"" + url + "\"\n    }\n  }\n}\n"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.before);
        const EditedText result = edited(row.before);
        CHECK(result.text == row.after);
        CHECK(result.change == Change::added);
        CHECK(is_insertion(result.text, row.before));
        const EditedText again = edited(result.text);
        CHECK(again.text == result.text);
        CHECK(again.change == Change::none);
    }
}

TEST_CASE("an entry that is there is corrected, and what is not ours in it stays") {
    const std::string wrong = "http://127.0.0.1:1/mcp";
    const std::vector<Row> rows = {
        {"{\"mcpServers\": {\"persistproc\": {\"url\": \"" + wrong + "\"}}}",
         "{\"mcpServers\": {\"persistproc\": {\"url\": \"" + url + "\"}}}"},
        // Members of the user's, and comments.
        {"{\n  \"mcpServers\": {\n    \"persistproc\": { // ours\n      \"headers\": {\"X\": \"1\"}, // keep\n      "
         "\"url\": \"" +
             wrong + "\" // old\n    }\n  }\n}\n",
         "{\n  \"mcpServers\": {\n    \"persistproc\": { // ours\n      \"headers\": {\"X\": \"1\"}, // keep\n      "
         "\"url\": \"" +
             url + "\" // old\n    }\n  }\n}\n"},
        // From a command to a URL: what belongs to the command goes, with its lines.
        {"{\n  \"mcpServers\": {\n    \"persistproc\": {\n      \"command\": \"persistproc\",\n      \"args\": [\n     "
         "   "
         "\"mcp\"\n      ],\n      \"env\": {}\n    }\n  }\n}\n",
         "{\n  \"mcpServers\": {\n    \"persistproc\": {\n      \"url\": \"" + url + "\"\n    }\n  }\n}\n"},
        {"{\"mcpServers\": {\"persistproc\": {\"command\": \"persistproc\", \"args\": [\"mcp\"]}}}",
         "{\"mcpServers\": {\"persistproc\": {\"url\": \"" + url + "\"}}}"},
        {"{\"mcpServers\": {\"persistproc\": {}}}", "{\"mcpServers\": {\"persistproc\": {\"url\": \"" + url + "\"}}}"},
        // Another kind of value under our name.
        {"{\"mcpServers\": {\"persistproc\": {\"url\": null}}}",
         "{\"mcpServers\": {\"persistproc\": {\"url\": \"" + url + "\"}}}"},
        {"{\"mcpServers\": {\"persistproc\": {\"type\": \"sse\", \"url\": \"" + url + "\"}}}",
         "{\"mcpServers\": {\"persistproc\": {\"type\": \"http\", \"url\": \"" + url + "\"}}}"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.before);
        const EditedText result = edited(row.before);
        CHECK(result.text == row.after);
        CHECK(result.change == Change::updated);
        CHECK(edited(result.text).change == Change::none);
    }
    CHECK(edited("{\"mcpServers\": {\"persistproc\": {\"url\": \"x\", \"type\": \"http\",}}}", "gemini").text ==
          "{\"mcpServers\": {\"persistproc\": {\"type\": \"http\", \"httpUrl\": \"" + url + "\",}}}");
    CHECK(edited("{\"servers\": {\"persistproc\": {\"type\": \"http\", \"url\": \"x\"}}}", "vscode", stdio_entry())
              .text ==
          "{\"servers\": {\"persistproc\": {\"type\": \"stdio\", \"command\": \"persistproc\", \"args\": [\"mcp\"]}}}");
}

TEST_CASE("an entry is taken out again, and nothing else") {
    const std::vector<Row> rows = {
        {"", ""},
        {"{}", "{}"},
        {"// mine\n{\"a\": 1}\n", "// mine\n{\"a\": 1}\n"},
        {R"({"mcpServers": {"other": {"url": "x"}}})", R"({"mcpServers": {"other": {"url": "x"}}})"},
        {R"({"mcpServers": {"persistproc": {"url": "x"}}})", R"({"mcpServers": {}})"},
        {R"({"mcpServers":{"a":{},"persistproc":{},"b":{}}})", R"({"mcpServers":{"a":{},"b":{}}})"},
        {R"({"mcpServers":{"a":{},"persistproc":{}}})", R"({"mcpServers":{"a":{}}})"},
        {"{\n\t\"mcpServers\": {\n\t\t\"persistproc\": {\n\t\t\t\"url\": \"x\", // old\n\t\t},\n\t\t/* b's "
         "*/\n\t\t\"b\": {},\n"
         "\t},\n}\n",
         "{\n\t\"mcpServers\": {\n\t\t/* b's */\n\t\t\"b\": {},\n\t},\n}\n"},
        {"{\r\n  \"mcpServers\": {\r\n    \"a\": {}, // a's\r\n    \"persistproc\": {}\r\n  },\r\n  \"x\": 1\r\n}",
         "{\r\n  \"mcpServers\": {\r\n    \"a\": {} // a's\r\n  },\r\n  \"x\": 1\r\n}"},
        // Elsewhere it is somebody else's.
        {R"({"persistproc": {}, "mcpServers": {}})", R"({"persistproc": {}, "mcpServers": {}})"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.before);
        const auto removed = remove_entry(row.before, *ops::find_agent("cursor"), "persistproc");
        REQUIRE(removed);
        CHECK(removed->text == row.after);
        CHECK(removed->change == (row.before == row.after ? Change::none : Change::removed));
    }
    // What set_entry put into a table goes without a trace.
    for (const std::string before :
         {"{\"mcpServers\": {}}", "{\n  \"mcpServers\": {},\n  \"a\": 1\n}\n",
          "{\n  \"mcpServers\": {\n    \"a\": {\n      \"url\": \"x\"\n    }\n  }\n}\n",
          "{\n  \"mcpServers\": {\n    \"a\": {}, // last\n  },\n}\n", "{\"mcpServers\":{\"a\":{}}}"})
        for (const auto& entry : {http_entry(), stdio_entry()}) {
            CAPTURE(before);
            CHECK(remove_entry(edited(before, "cursor", entry).text, *ops::find_agent("cursor"), entry.name)->text ==
                  before);
        }
    for (const std::string bad : {"{", "[]", R"({"mcpServers": []})", R"({"mcpServers": {"persistproc": "x"}})",
                                  R"({"mcpServers": {"persistproc": {}, "persistproc": {}}})"}) {
        CAPTURE(bad);
        const auto refused = remove_entry(bad, *ops::find_agent("cursor"), "persistproc");
        REQUIRE(!refused);
        CHECK(refused.error().message.starts_with("line 1, column "));
    }
}

TEST_CASE("what is right is not written again, however it is written") {
    for (const std::string& text : std::vector<std::string>{
             "{\"mcpServers\":{\"persistproc\":{\"url\":\"" + url + "\"}}}",
             "{ \"mcpServers\" : { \"persistproc\" : { \"url\" : \"http:\\/\\/127.0.0.1:8947\\/mcp\", \"x\" : 1, } , } "
             "}",
         }) {
        const EditedText result = edited(text);
        CHECK(result.change == Change::none);
        CHECK(result.text == text);
    }
}

TEST_CASE("a file that is not understood is refused with the position") {
    const std::vector<Row> rows = {
        {"{\n  \"mcpServers\": {\n", "line 3, column 1: expected a name in double quotes, got the end of the file"},
        {"{\"a\": 1 \"b\": 2}", "line 1, column 9: expected \",\" or \"}\", got \"\"\""},
        {"{\"a\" 1}", "line 1, column 6: expected \":\", got \"1\""},
        {"{a: 1}", "line 1, column 2: expected a name in double quotes, got \"a\""},
        {"{\"a\": tru}", "line 1, column 7: expected a value, got \"t\""},
        {"{\"a\": 01}", "line 1, column 7: expected a value, got \"0\""},
        {"{\"a\": 1} x", "line 1, column 10: something follows the end of the document"},
        {"{\"a\": \"x\n\"}", "line 1, column 7: a string that is never closed"},
        {"{\"a\": \"\\q\"}", "line 1, column 9: an unknown escape in a string"},
        {"{} /* x", "line 1, column 4: a comment that is never closed"},
        {"[]", "line 1, column 1: the document is no object"},
        {"{\"mcpServers\": []}", "line 1, column 16: \"mcpServers\" is no object"},
        {"{\"mcpServers\": null}", "line 1, column 16: \"mcpServers\" is no object"},
        {"{\"mcpServers\": {}, \"mcpServers\": {}}", "line 1, column 2: \"mcpServers\" is there more than once"},
        {"{\"mcpServers\": {\"persistproc\": 1}}", "line 1, column 32: \"persistproc\" is no object"},
        {"{\"mcpServers\": {\"persistproc\": {}, \"persistproc\": {}}}",
         "line 1, column 17: \"persistproc\" is there more than once"},
        {"{\"mcpServers\": {\"persistproc\": {\"url\": 1, \"url\": 2}}}",
         "line 1, column 33: \"url\" is there more than once"},
        {"\xff\xfe{\0", "line 1, column 1: expected a value, got \"\\xff\""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.before);
        CHECK(refusal(row.before) == row.after);
    }
    CHECK(refusal(std::string(100'000, '[')).find("nested too deeply") != std::string::npos);
    CHECK(refusal("{\"mcpServers\": {\"persistproc\": {\"command\": \"x\", \"env\": {\"TOKEN\": \"s3cret\"}}}}") ==
          "line 1, column 49: \"env\" of the entry \"persistproc\" is for a command alone; remove it, or leave out "
          "--http");
    CHECK(refusal("{\"mcpServers\": {\"persistproc\": {\"url\": \"x\", \"headers\": {\"A\": \"s3cret\"}}}}", "cursor",
                  stdio_entry())
              .find("\"headers\" of the entry") != std::string::npos);
}

TEST_CASE("no cut of a file leads to a loss: it is refused, or all of it is kept") {
    const std::string whole =
        "\xef\xbb\xbf// settings\n{\n  \"theme\": \"d\\u00e4rk\", /* c */\n  \"n\": [1, -2.5e3, true, null, {\"x\": "
        "[]},],\n"
        "  \"mcpServers\": {\n    \"a\": {\"command\": \"b\", \"args\": [\"c\"]}, // d\n    \"persistproc\": {\n"
        "      \"url\": \"http://127.0.0.1:1/mcp\",\n      \"headers\": {\"A\": \"b\"}\n    },\n  },\n}\n";
    int understood = 0;
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        const std::string cut = whole.substr(0, size);
        CAPTURE(size);
        auto result = set_entry(cut, *ops::find_agent("cursor"), http_entry());
        if (!result) continue;
        ++understood;
        if (result->change == Change::added) CHECK(is_insertion(result->text, cut));
        if (result->change == Change::updated) {
            std::string expected = cut;
            expected.replace(expected.find(":1/mcp"), 6, ":8947/mcp");
            CHECK(result->text == expected);
        }
    }
    CHECK(understood > 3);
}

TEST_CASE("every agent's shape") {
    const auto one_line = [](const char* agent, const ops::AgentEntry& entry) {
        return edited("{\"x\":1}", agent, entry).text;
    };
    CHECK(one_line("claude", http_entry()) ==
          "{\"x\":1,\"mcpServers\":{\"persistproc\":{\"type\":\"http\",\"url\":\"" + url + "\"}}}");
    CHECK(one_line("cursor", http_entry()) == "{\"x\":1,\"mcpServers\":{\"persistproc\":{\"url\":\"" + url + "\"}}}");
    CHECK(one_line("code", http_entry()) ==
          "{\"x\":1,\"servers\":{\"persistproc\":{\"type\":\"http\",\"url\":\"" + url + "\"}}}");
    CHECK(one_line("gemini-cli", http_entry()) ==
          "{\"x\":1,\"mcpServers\":{\"persistproc\":{\"httpUrl\":\"" + url + "\"}}}");
    CHECK(one_line("zed", http_entry()) == "{\"x\":1,\"context_servers\":{\"persistproc\":{\"url\":\"" + url + "\"}}}");
    CHECK(one_line("windsurf", http_entry()) ==
          "{\"x\":1,\"mcpServers\":{\"persistproc\":{\"serverUrl\":\"" + url + "\"}}}");
    CHECK(
        one_line("vscode", stdio_entry()) ==
        "{\"x\":1,\"servers\":{\"persistproc\":{\"type\":\"stdio\",\"command\":\"persistproc\",\"args\":[\"mcp\"]}}}");
    CHECK(one_line("zed", stdio_entry()) ==
          "{\"x\":1,\"context_servers\":{\"persistproc\":{\"command\":\"persistproc\",\"args\":[\"mcp\"]}}}");
}

TEST_CASE("the token stands among the fields that are sent") {
    ops::AgentEntry entry = http_entry();
    entry.token = "abc";
    const std::string added = edited("{}\n", "cursor", entry).text;
    CHECK(added.find(R"("headers": {"Authorization": "Bearer abc"})") != std::string::npos);
    CHECK(edited(added, "cursor", entry).change == Change::none);
    const std::string theirs =
        R"({"mcpServers":{"persistproc":{"url":"X","headers":{"A":"b","authorization":"old"}}}})";
    CHECK(edited(theirs, "cursor", entry).text.find(R"({"A": "b", "Authorization": "Bearer abc"})") !=
          std::string::npos);
    // The command's form has no use for it; what is the user's stays in the way.
    CHECK(edited(added, "cursor", stdio_entry()).text.find("headers") == std::string::npos);
    CHECK(refusal(theirs, "cursor", stdio_entry()).find("\"headers\"") != std::string::npos);
    CHECK(
        refusal(R"({"mcpServers":{"persistproc":{"headers":{"A":1}}}})", "cursor", entry).find("no object of texts") !=
        std::string::npos);
}

TEST_CASE("positions are what editors show") {
    const std::string_view text = "\xef\xbb\xbf{\r\n  \"\xc3\xa4\": 1}";
    CHECK(position_text(text, 3) == "line 1, column 1");
    CHECK(position_text(text, 12) == "line 2, column 6");
    CHECK(position_text("", 0) == "line 1, column 1");
}

}  // namespace json_edit_test
