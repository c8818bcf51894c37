#include "tests/conformance/extra/param_headers.hpp"

#include "tests/support/catch.hpp"

namespace param_headers_test {

using namespace persistproc;
using namespace persistproc::conformance;
using Catch::Matchers::Contains;

TEST_CASE("marked arguments are found in order, also inside objects") {
    const auto found = find_param_headers(Json::parse(R"({"type":"object","properties":{
        "region":{"type":"string","x-mcp-header":"Region"},
        "where":{"type":"object","properties":{"zone":{"type":"integer","x-mcp-header":"Zone-2"}}},
        "x-mcp-header":{"type":"string"},
        "free":{"type":"string","default":{"x-mcp-header":""},"enum":[{"x-mcp-header":7}]},
        "on":{"type":"boolean","x-mcp-header":"ON"}}})"));
    REQUIRE(found);
    REQUIRE(found->size() == 3);
    CHECK((*found)[0].name == "Region");
    CHECK((*found)[0].path == std::vector<std::string>{"region"});
    CHECK((*found)[1].name == "Zone-2");
    CHECK((*found)[1].path == std::vector<std::string>{"where", "zone"});
    CHECK((*found)[2].name == "ON");
    CHECK(find_param_headers(Json::parse("true"))->empty());
    CHECK(find_param_headers(Json::parse("{}"))->empty());
}

TEST_CASE("marks that no client may use are refused") {
    const struct {
        const char* schema;
        const char* says;
    } rows[] = {
        {R"({"x-mcp-header":"A","type":"string"})", "the schema itself"},
        {R"({"properties":{"a":{"type":"string","x-mcp-header":""}}})", "on a: must name an HTTP header"},
        {R"({"properties":{"a":{"type":"string","x-mcp-header":7}}})", "must name an HTTP header"},
        {R"({"properties":{"a":{"type":"string","x-mcp-header":"My Region"}}})", "must name an HTTP header"},
        {R"({"properties":{"a":{"type":"string","x-mcp-header":"A:B"}}})", "must name an HTTP header"},
        {R"({"properties":{"a":{"type":"string","x-mcp-header":"Région"}}})", "must name an HTTP header"},
        {R"({"properties":{"a":{"type":"string","x-mcp-header":"A\t1"}}})", "must name an HTTP header"},
        {R"({"properties":{"a":{"type":"string","x-mcp-header":"A\u0000"}}})", "must name an HTTP header"},
        {R"({"properties":{"a":{"type":"number","x-mcp-header":"A"}}})", "only for type"},
        {R"({"properties":{"a":{"type":"object","x-mcp-header":"A"}}})", "only for type"},
        {R"({"properties":{"a":{"type":"array","x-mcp-header":"A"}}})", "only for type"},
        {R"({"properties":{"a":{"type":"null","x-mcp-header":"A"}}})", "only for type"},
        {R"({"properties":{"a":{"type":["string","null"],"x-mcp-header":"A"}}})", "only for type"},
        {R"({"properties":{"a":{"x-mcp-header":"A"}}})", "only for type"},
        {R"({"properties":{"a":{"type":"string","x-mcp-header":"My"},"b":{"type":"string","x-mcp-header":"mY"}}})",
         "on b: \"mY\" is taken"},
        {R"({"properties":{"a":{"items":{"type":"string","x-mcp-header":"A"}}}})", "on a.items: only arguments"},
        {R"({"properties":{"a":{"oneOf":[{"type":"string","x-mcp-header":"A"}]}}})", "only arguments"},
        {R"({"$defs":{"a":{"type":"string","x-mcp-header":"A"}}})", "only arguments"},
        {R"({"$defs":{"a":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}})",
         "on $defs.a.b: only arguments"},
        {R"({"allOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]})", "only arguments"},
        {R"({"additionalProperties":{"type":"string","x-mcp-header":"A"}})", "only arguments"},
        {R"({"patternProperties":{"^a":{"type":"string","x-mcp-header":"A"}}})", "only arguments"},
    };
    for (const auto& row : rows) {
        INFO(row.schema);
        const auto found = find_param_headers(Json::parse(row.schema));
        REQUIRE(!found);
        CHECK(found.error().code == ErrorCode::invalid);
        CHECK_THAT(found.error().message, Contains(row.says));
    }
}

TEST_CASE("an argument is text, a number or a truth in its header, or not there") {
    const Json arguments = Json::parse(
        R"({"s":"a b","i":-42,"u":18446744073709551615,"f":42.0,"x":3.5,"big":1e300,"t":true,"n":false,"null":null,)"
        R"("o":{"in":1,"null":null},"l":[1]})");
    const auto text = [&](std::vector<std::string> path) -> std::optional<std::string> {
        const Json* found = find_argument(arguments, path);
        return found == nullptr ? std::nullopt : header_text(*found);
    };
    CHECK(text({"s"}) == "a b");
    CHECK(text({"i"}) == "-42");
    CHECK(text({"u"}) == "18446744073709551615");
    CHECK(text({"f"}) == "42");
    CHECK(text({"t"}) == "true");
    CHECK(text({"n"}) == "false");
    CHECK(text({"o", "in"}) == "1");
    for (const char* none : {"x", "big", "o", "l", "null", "absent"}) {
        INFO(none);
        CHECK(!text({none}));
    }
    CHECK(find_argument(arguments, {"null"}) == nullptr);
    CHECK(find_argument(arguments, {"o", "null"}) == nullptr);
    CHECK(find_argument(arguments, {"s", "in"}) == nullptr);
    CHECK(find_argument(Json(nullptr), {"s"}) == nullptr);
}

}  // namespace param_headers_test
