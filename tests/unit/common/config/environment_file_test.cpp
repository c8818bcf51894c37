#include "common/config/environment_file.hpp"

#include <fmt/format.h>

#include <vector>

#include "tests/support/catch.hpp"

using namespace persistproc;
using config::parse_environment_file;

TEST_CASE("environment files are read in one dialect") {
    const auto variables = parse_environment_file("# c\n\nA=1\nexport B = \"x y\"\r\nC='q'\nD=a=b", "f").value();
    CHECK(variables == domain::Environment{{"A", "1"}, {"B", "x y"}, {"C", "q"}, {"D", "a=b"}});
    const auto refused = parse_environment_file("A=1\nsecret", "f");
    REQUIRE(refused.has_error());
    CHECK(refused.error().message == "f:2:7: \"=\" is expected behind the name of a variable");
    struct Row {
        std::string_view text;
        domain::Environment variables;
    };
    const std::vector<Row> rows = {
        {"\xEF\xBB\xBF"
         "A=1\r\nB=2\r\n",
         {{"A", "1"}, {"B", "2"}}},
        {"export\tA=1\nexport  B=2", {{"A", "1"}, {"B", "2"}}},
        {"A=x # c\nB=x#y\nC=# c\nD=#x\nE= # c", {{"A", "x"}, {"B", "x#y"}, {"C", "# c"}, {"D", "#x"}, {"E", ""}}},
        {"A='x # y' # c\nB=\"x\"#c", {{"A", "x # y"}, {"B", "x"}}},
        {R"(A="a\tb\n\"\\\$x\q")", {{"A", "a\tb\n\"\\$x\\q"}}},
        {R"(A='a\n"')", {{"A", "a\\n\""}}},
        {"A='one\ntwo'\nB=\"three\r\nfour\" # c\nC=$A `x` ${B}",
         {{"A", "one\ntwo"}, {"B", "three\r\nfour"}, {"C", "$A `x` ${B}"}}},
        {"A=1\nA=2\na.b-c=3", {{"A", "2"}, {"a.b-c", "3"}}},
        {"export=1\nA=it's\n", {{"export", "1"}, {"A", "it's"}}},
        {"A=\xFF", {{"A", "\xFF"}}},
        {"", {}},
    };
    for (const auto& row : rows) {
        CAPTURE(row.text);
        const auto read = parse_environment_file(row.text, "f");
        REQUIRE(read.has_value());
        CHECK(*read == row.variables);
    }
    const std::pair<std::string_view, std::string_view> wrong[] = {
        {"A=1\n 1B=2", "f:2:2: not a variable's name"},
        {"=1", "f:1:1: not a variable's name, which is letters, digits, "},
        {"A=1\nexport A%=1", "f:2:8: not a variable's name"},
        {"A B=1", "f:1:3: \"=\" is expected"},
        {"export A", "f:1:9: \"=\" is expected"},
        {"A=1\nB=\"x\ny", "f:2:3: a quote"},
        {"A='x' y", "f:1:7: behind a quoted value"},
        {std::string_view("A=x\0y", 5), "f:1:6: the value of A holds a NUL byte"}};
    for (const auto& [text, message] : wrong) {
        CAPTURE(text);
        const auto read = parse_environment_file(text, "f");
        REQUIRE(read.has_error());
        CHECK(read.error().message.starts_with(message));
    }
}

TEST_CASE("an environment file is expanded where that is asked for") {
    const config::VariableLookup outer = [](const std::string& name) -> std::optional<std::string> {
        if (name == "HOME") return "/home/me";
        if (name == "EMPTY") return "";
        return std::nullopt;
    };
    const auto read = [&](std::string_view text) { return parse_environment_file(text, "f", outer).value(); };
    CHECK(read("A=1\nB=${A}${HOME}x # c") == domain::Environment{{"A", "1"}, {"B", "1/home/mex"}});
    CHECK(read("HOME=/else\nB=${HOME}") == domain::Environment{{"HOME", "/else"}, {"B", "/else"}});
    CHECK(read("B=${NONE}${NONE:-a b}${EMPTY:-c}") == domain::Environment{{"B", "a bc"}});
    CHECK(read("B=\"${HOME}\\${HOME}\"") == domain::Environment{{"B", "/home/me${HOME}"}});
    CHECK(read("B='${HOME}'\nC=$HOME\nD=${A%x}\nE=${HOME") ==
          domain::Environment{{"B", "${HOME}"}, {"C", "$HOME"}, {"D", "${A%x}"}, {"E", "${HOME"}});
    CHECK(read("B=${A$HOME}${A:HOME:-x}${${NONE:-y}}\nC=${\nD=}${HOME}") ==
          domain::Environment{{"B", "${A$HOME}${A:HOME:-x}${y}"}, {"C", "${"}, {"D", "}/home/me"}});
    CHECK(parse_environment_file("B=${HOME}", "f").value() == domain::Environment{{"B", "${HOME}"}});
}

TEST_CASE("an environment file that doubles itself is refused") {
    const config::VariableLookup outer = [](const std::string&) { return std::nullopt; };
    std::string text = "A0=0123456789\n";
    for (int i = 1; i < 60; ++i) text += fmt::format("A{0}=${{A{1}}}${{A{1}}}\n", i, i - 1);
    const auto read = parse_environment_file(text, "f", outer);
    REQUIRE(read.has_error());
    CHECK(read.error().message.find("what stands there comes to more than 1 MiB") != std::string::npos);
    CHECK(parse_environment_file(text, "f").has_value());
}

TEST_CASE("an environment file takes the time of its size, and no look-up for what is refused") {
    int lookups = 0;
    const config::VariableLookup outer = [&lookups](const std::string&) {
        ++lookups;
        return std::string(400'000, 'x');
    };
    const auto repeated = [](std::string_view text) {
        std::string out = "A=";
        while (out.size() + text.size() < config::max_environment_file_bytes) out += text;
        return out;
    };
    // Where each looked as far as the end of the line, and copied what is there, these would take minutes.
    for (const std::string& text : {repeated("${"), repeated("${") + "}", repeated("${B:-"), repeated("${B:") + "}"})
        CHECK(parse_environment_file(text, "f", outer).value().at("A") == text.substr(2));
    CHECK(lookups == 0);
    CHECK(parse_environment_file(repeated("${B}"), "f", outer).has_error());
    CHECK(lookups == 3);
    const std::string own = "B=" + std::string(400'000, 'x') + "\n";
    CHECK(parse_environment_file(own + repeated("${B}").substr(own.size()), "f", outer).has_error());
}

TEST_CASE("an environment file is asked before each look-up whether it is still wanted") {
    int lookups = 0, asked = 0;
    const config::VariableLookup outer = [&lookups](const std::string&) {
        ++lookups;
        return "x";
    };
    const auto is_over = [&asked] { return ++asked > 2; };
    for (const std::string_view text : {"A=${B}${B}${B}${B}", "B=1\nA=\"${B} ${B}\"\nC=\"${B}\"\nD=${B}"}) {
        asked = 0;
        const auto read = parse_environment_file(text, "f", outer, is_over);
        REQUIRE(read.has_error());
        CHECK(read.error().code == ErrorCode::unavailable);
        CHECK(asked == 3);
    }
    CHECK(lookups == 2);
}
