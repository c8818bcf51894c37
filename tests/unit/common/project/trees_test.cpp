#include "common/project/trees.hpp"

#include <chrono>

#include "common/schema/json.hpp"
#include "tests/support/catch.hpp"

namespace persistproc::project {

namespace {

std::string told(const Problems& problems) {
    if (problems.empty()) return "nothing";
    const auto& first = problems.front();
    return std::to_string(first.at.line) + ":" + std::to_string(first.at.column) + ": " + first.what;
}

std::string yaml(const std::string& text) {
    Problems problems;
    const auto tree = parse_yaml(text, 0, problems);
    return tree ? to_json(*tree).dump() : told(problems);
}
std::string json(const std::string& text) {
    Problems problems;
    const auto tree = parse_json_tree(text, 0, problems);
    return tree && problems.empty() ? to_json(*tree).dump() : told(problems);
}

std::string repeated(std::string_view text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
}

}  // namespace

TEST_CASE("a TOML file that is too deep is told at its line") {
    Problems problems;
    CHECK(!parse_toml("a = 1\n" + std::string(100, '[') + "\n", 0, problems));
    CHECK(told(problems) == "2:1: more than 64 tables or lists within each other");
}

TEST_CASE("given YAML, when it is read, then scalars are texts, and merge keys and aliases are what they stand for") {
    CHECK(yaml("a: 1\nb: no\nc: ~\nd:\ne: 'null'\n") == R"({"a":"1","b":"no","c":null,"d":null,"e":"null"})");
    CHECK(yaml("base: &b {x: '1', y: '1'}\na:\n  <<: *b\n  y: '2'\nc: [*b]\n") ==
          R"({"base":{"x":"1","y":"1"},"a":{"y":"2","x":"1"},"c":[{"x":"1","y":"1"}]})");
    CHECK(yaml("p: &p {x: '1'}\nq: &q {x: '2', z: '3'}\na:\n  <<: [*p, *q]\n") ==
          R"({"p":{"x":"1"},"q":{"x":"2","z":"3"},"a":{"x":"1","z":"3"}})");
    CHECK(yaml("a: |\n  x\n  y\nb: >\n  x\n  y\n") == "{\"a\":\"x\\ny\\n\",\"b\":\"x y\\n\"}");
}

TEST_CASE("given YAML that is none, or too much, when it is read, then one line says where and why") {
    CHECK(yaml("a: 1\na: 2\n") == "2:1: \"a\" is there twice");
    CHECK(yaml("- a\n") == "1:1: a map is expected");
    CHECK(yaml("") == "1:1: there is nothing in it");
    CHECK(yaml("a: [\n").find(":") != std::string::npos);
    CHECK(yaml("? [a]\n: b\n") == "1:3: a text is expected for a key");
    CHECK(yaml("a: &x [*x]\n") == "1:8: an alias within what it stands for");
    CHECK(yaml("a:\n  <<: 1\n") == "2:7: \"<<\" takes a map or a list of maps");
    CHECK(yaml("a: " + repeated("[", 40) + repeated("]", 40)).find("more than 32 lists or maps") != std::string::npos);
    CHECK(yaml("a: *none\n").starts_with("1:"));
}

TEST_CASE("given what grows as it is read, when it is read, then that ends within its bounds") {
    std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 10; ++i) {
        const std::string before = "*a" + std::to_string(i - 1);
        bomb +=
            "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + repeated(before + ", ", 9) + before + "]\n";
    }
    CHECK(yaml(bomb).find("more than 100000 values, aliases written out") != std::string::npos);
    const std::string long_bomb = "a: &a " + std::string(100'000, 'x') + "\nb: [" + repeated("*a, ", 50) + "]\n";
    CHECK(yaml(long_bomb).find("more than 4 MiB, aliases written out") != std::string::npos);
    for (const char* deep : {"[", "{", "- ", "? ", "a: {", "&a [", "!!x ["}) {
        CAPTURE(deep);
        CHECK(yaml("a: " + repeated(deep, 200'000)).size() < 300);
    }
    CHECK(yaml(std::string((1 << 20) + 1, ' ')) == "1:1: more than 1 MiB");
    CHECK(json("{\"a\": " + repeated("[", 100'000)).find("nested too deeply") != std::string::npos);
}

TEST_CASE("given JSON with comments, when it is read, then each value has its place") {
    Problems problems;
    const std::string text = "{ // c\n  \"é\": 1, /* c */ \"b\": [true,\n null, 1.5,],\n}";
    const auto tree = parse_json_tree(text, 3, problems);
    REQUIRE(tree);
    CHECK(to_json(*tree).dump() == R"({"é":1,"b":[true,null,1.5]})");
    CHECK(tree->find_member("b")->at == Place{3, 2, 19});
    CHECK(tree->find("b")->items[1].at == Place{3, 3, 2});
    CHECK(json("{\"a\": 1, \"a\": 2}") == "1:10: \"a\" is there twice");
    CHECK(json("[1]") == "1:1: an object is expected");
    CHECK(json("{\"a\" 1}") == "1:6: expected \":\", got \"1\"");
    CHECK(json("") == "1:1: an object is expected");
}

TEST_CASE("given TOML, when it is read, then members stand in the order of the file") {
    Problems problems;
    const auto tree = parse_toml("b = 1\n[z]\nx = [1.5, 'y']\n[a.c]\n", 0, problems);
    REQUIRE(tree);
    CHECK(to_json(*tree).dump() == R"({"b":1,"z":{"x":[1.5,"y"]},"a":{"c":{}}})");
    CHECK(tree->find_member("z")->at == Place{0, 2, 2});
}

TEST_CASE("given a tree laid over another, when they are joined, then lists are replaced and tables are not") {
    Problems problems;
    auto base = *parse_toml("a = [1, 2]\n[t]\nx = 1\ny = 1\n", 0, problems);
    lay_over(base, *parse_toml("a = [3]\nb = 1\n[t]\ny = {z = 1}\n", 1, problems));
    CHECK(to_json(base).dump() == R"({"a":[3],"t":{"x":1,"y":{"z":1}},"b":1})");
}

TEST_CASE("given the path of a value, when it is wrong, then the nearest place is told") {
    Problems problems;
    const auto tree = *parse_toml("ready = [1, {http = 2, body = 3}]\n", 0, problems);
    const Node& ready = *tree.find("ready");
    CHECK(place_of(ready, "ready", "ready: x") == Place{0, 1, 9});
    CHECK(place_of(ready, "ready", "ready[0]: x") == Place{0, 1, 10});
    CHECK(place_of(ready, "ready", "ready[1].body: x") == Place{0, 1, 31});
    CHECK(place_of(ready, "ready", "ready[1].bodies: x") == Place{0, 1, 13});
    CHECK(place_of(ready, "ready", "other") == Place{0, 1, 9});
}

}  // namespace persistproc::project
