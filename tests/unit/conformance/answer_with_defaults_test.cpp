#include "tests/conformance/extra/answer_with_defaults.hpp"

#include "tests/support/catch.hpp"

namespace answer_with_defaults_test {

using namespace persistproc::conformance;
using persistproc::mcp::Json;

TEST_CASE("a form is accepted with its defaults, or declined") {
    const auto answer = [](const char* params) { return answer_with_defaults(Json::parse(params)).dump(); };
    CHECK(answer(R"({"requestedSchema":{"properties":{"n":{"default":"x"},"m":{"type":"string"},"b":{"default":false}},
                     "required":["n"]}})") == R"({"action":"accept","content":{"n":"x","b":false}})");
    CHECK(answer(R"({"mode":"form","requestedSchema":{}})") == R"({"action":"accept","content":{}})");
    for (const char* declined : {R"({"requestedSchema":{"properties":{"n":{}},"required":["n"]}})",
                                 R"({"mode":"url","url":"x"})", "{}", "7"}) {
        INFO(declined);
        CHECK(answer(declined) == R"({"action":"decline"})");
    }
}

}  // namespace answer_with_defaults_test
