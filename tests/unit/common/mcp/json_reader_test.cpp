#include "common/mcp/json_reader.hpp"

#include <limits>

#include "tests/support/catch.hpp"

namespace json_reader_test {

using namespace persistproc;
using mcp::Json;
using mcp::JsonLimits;
using mcp::read_json;

namespace {

bool is_read(std::string_view text, const JsonLimits& limits = {}) { return read_json(text, limits).has_value(); }
std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

}  // namespace

TEST_CASE("JSON keeps order, types and text") {
    const auto json = read_json(R"( {"b":1,"a":[true,null,-2,1.5,"\u00e9\n"],"c":{}} )");
    REQUIRE(json.has_value());
    CHECK(json->dump() == "{\"b\":1,\"a\":[true,null,-2,1.5,\"é\\n\"],\"c\":{}}");
}

TEST_CASE("JSON numbers are the nearest there are") {
    const std::pair<const char*, double> rows[] = {{"0.1", 0.1},
                                                   {"95.5", 95.5},
                                                   {"1.7976931348623157e308", 1.7976931348623157e308},
                                                   {"2.2250738585072011e-308", 2.2250738585072011e-308},
                                                   {"9007199254740993.0", 9007199254740993.0},
                                                   {"123456789.123456789e-5", 123456789.123456789e-5},
                                                   {"1e-999", 0.0}};
    for (const auto& [text, value] : rows) {
        const auto json = read_json(text);
        REQUIRE(json.has_value());
        CHECK(json->get<double>() == value);
    }
    CHECK(read_json("18446744073709551615")->get<std::uint64_t>() == 18446744073709551615u);
    CHECK(read_json("-9223372036854775808")->get<std::int64_t>() == std::numeric_limits<std::int64_t>::min());
    CHECK(read_json("7")->is_number_unsigned());
}

TEST_CASE("JSON depth is bounded") {
    CHECK(is_read(nested(64)));
    const auto deep = read_json(nested(65));
    REQUIRE(!deep.has_value());
    CHECK(deep.error().message == "nested too deeply");
    // Far beyond what a recursive reader survives.
    CHECK(!is_read(std::string(2000000, '[')));
    CHECK(!is_read(R"({"a":)" + nested(64) + "}"));
}

TEST_CASE("JSON nodes are bounded") {
    std::string many = "[";
    for (int i = 0; i < 99998; ++i) many += "0,";
    CHECK(is_read(many + "0]"));
    CHECK(!is_read(many + "0,0]"));
    CHECK(is_read(R"({"a":1})", JsonLimits{.depth = 1, .nodes = 3}));
    CHECK(!is_read(R"({"a":1})", JsonLimits{.depth = 1, .nodes = 2}));
}

TEST_CASE("JSON member names occur once per object") {
    CHECK(!is_read(R"({"a":1,"a":2})"));
    CHECK(!is_read(R"({"x":{"a":1,"b":0,"\u0061":2}})"));
    CHECK(is_read(R"([{"a":1},{"a":1,"b":{"a":1}}])"));
}

TEST_CASE("JSON refuses what is not JSON") {
    const char* const bad[] = {"",
                               " ",
                               "{",
                               "[1,]",
                               "{\"a\"}",
                               "{\"a\":1,}",
                               "01",
                               "1 2",
                               "nul",
                               "'a'",
                               "\"\x01\"",
                               "\"\\x\"",
                               "\"\xff\"",
                               "\"\xc0\xaf\"",
                               "\"\xed\xa0\x80\"",
                               "\"\\ud800\"",
                               "1e999",
                               "NaN",
                               "\xEF\xBB\xBF{}",
                               "[1]x",
                               "/**/1"};
    for (const std::string text : bad) {
        INFO(text);
        CHECK(!is_read(text));
    }
}

TEST_CASE("JSON cut anywhere is refused") {
    const std::string whole =
        R"({"jsonrpc":"2.0","id":"ü","method":"tools/call","params":{"a":[1,{"b":null}],"c":1.5e3}})";
    REQUIRE(is_read(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        INFO(size);
        CHECK(!is_read(std::string_view(whole).substr(0, size)));
    }
}

}  // namespace json_reader_test
