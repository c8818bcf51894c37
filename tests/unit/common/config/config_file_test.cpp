#include "common/config/config_file.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace persistproc;
using config::parse_config;

TEST_CASE("a table's keys are what would be typed, in the order of the file") {
    const auto file = parse_config(
        "[daemon]\nprocess-log-limit = \"1GiB\"\nport = 9000\ncompat = true\nother = false\n"
        "allow-origin = [\"http://a\", \"http://b\"]\n[run]\ngrace = 2.5\n",
        "c.toml");
    REQUIRE(file);
    const auto& settings = file->table("daemon");
    REQUIRE(settings.size() == 5);
    CHECK(settings[0].key == "process-log-limit");
    CHECK(settings[0].values == std::vector<std::string>{"1GiB"});
    CHECK(settings[1].values == std::vector<std::string>{"9000"});
    CHECK(settings[2].values == std::vector<std::string>{"true"});
    CHECK(settings[3].values.empty());
    CHECK(settings[4].values == std::vector<std::string>{"http://a", "http://b"});
    CHECK(settings[4].place == "c.toml: line 6, column 1");
    CHECK(file->table("run").front().values == std::vector<std::string>{"2.5"});
    CHECK(file->table("client").empty());
}

TEST_CASE("what is no setting is refused with its place") {
    const auto why = [](const char* text) { return parse_config(text, "c.toml").error().message; };
    CHECK(why("[daemon\n").starts_with("c.toml: line 1, column 8: "));
    CHECK(why("port = 1\n") == "c.toml: line 1, column 1: \"port\" is none of the tables daemon, client, run");
    CHECK(why("\n[deamon]\nport = 1\n").starts_with("c.toml: line 2, column 2: \"deamon\" is none of the tables"));
    CHECK(why("[run]\n  a = {b = 1}\n").starts_with("c.toml: line 2, column 3: a: a text, a number, true"));
    CHECK(why("[run]\na = [[1]]\n").starts_with("c.toml: line 2, column 1: a: "));
    for (const char* no_key : {"[=a]\n", "[!]\n", "[ #\n", "[[.a]]\n"})
        CHECK(why(no_key).find("expected bare key starting character") != std::string::npos);
    CHECK(
        parse_config(std::string_view("[\0[a]\n", 6), "c.toml").error().message.starts_with("c.toml: line 1, column "));
    CHECK(why("[run]\na = 2026-11-29\n").starts_with("c.toml: line 2, column 1: a: "));
}

TEST_CASE("no file is no setting") {
    CHECK(config::read_config("/nonexistent/config.toml")->tables.empty());
    CHECK(config::read_config("")->tables.empty());
    CHECK(!config::read_config("/proc").has_value());
    tests::TemporaryDirectory directory;
    std::filesystem::create_symlink("nowhere", directory.path() / "config.toml");
    CHECK(config::read_config(directory.path() / "config.toml").error().message.find("leads to no file") !=
          std::string::npos);
}

TEST_CASE("what would be too deep for the parser is refused before it, and nothing else is") {
    const auto many = [](std::string_view what, int times) {
        std::string out;
        for (int i = 0; i < times; ++i) out += what;
        return out;
    };
    const auto why = [](const std::string& text) { return parse_config(text, "c.toml").error().message; };
    const std::string refused = "c.toml: line 2: more than 64 tables or lists within each other";
    CHECK(why("\n" + many("a.", 40'000) + "b = 1\n") == refused);
    CHECK(why("\n[" + many("a.", 40'000) + "b]\n") == refused);
    CHECK(why("\n[[" + many("a . ", 40'000) + "b]]\n") == refused);
    CHECK(why("\na = " + many("{" + many("b.", 20) + "c = ", 200)) == refused);
    CHECK(why("\n" + many("\"a\".", 40'000) + "b = 1\n") == refused);
    CHECK(why("\na = " + many("[", 40'000)) == refused);
    CHECK(why("a = \"\"\"\"\"\" \n" + many("'#'.", 40'000) + "b = 1") == refused);
    const auto fine = [&](const std::string& value) {
        CAPTURE(value);
        CHECK(parse_config("[daemon]\nallow-origin = " + value + "\n", "c.toml").has_value());
    };
    fine("[" + many("0.5, ", 500) + "1.5]  # " + many("[a.", 500));
    fine("\"" + many("[a.\\\"", 500) + "\"");
    fine("'" + many("[a.\\", 500) + "'");
    fine("\"\"\"" + many("[a.\n\"\"\\\"", 500) + "\"\"\"\"\"");
    fine("'''" + many("[a.\n''", 500) + "'''");
    fine("[\n" + many("  '[', # [ \n", 500) + "]");
}
