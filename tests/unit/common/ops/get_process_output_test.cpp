#include "common/ops/get_process_output.hpp"

#include "common/schema/json.hpp"
#include "tests/support/catch.hpp"

namespace get_process_output_test {

using namespace persistproc;

TEST_CASE("a size is a number of bytes or a text") {
    const auto parse = [](schema::Json max_bytes) {
        return schema::parse<ops::OutputRequest>(schema::Json{{"process", "p1"}, {"max_bytes", std::move(max_bytes)}});
    };
    CHECK(parse(4096)->max_bytes == 4096);
    CHECK(parse("64KiB")->max_bytes == 65536);
    CHECK(parse("4096")->max_bytes == 4096);
    CHECK(parse("2MiB").error().message == "max_bytes: must be 256 to 1048576, got 2097152");
    CHECK(parse("64 kibble").error().message ==
          "max_bytes: \"64 kibble\" is no size; give it as 64MiB, 1.5GiB or a number of bytes");
    CHECK(parse(4.5).error().message == "max_bytes: expected integer, got number 4.5");
    const auto shown = schema::object_schema<ops::OutputRequest>()["properties"]["max_bytes"];
    CHECK(shown.dump() == R"({"type":"integer","default":16384})");
}

TEST_CASE("Unix seconds may be a number") {
    const auto since = [](schema::Json value) {
        return schema::parse<ops::OutputRequest>(schema::Json{{"process", "p1"}, {"since", std::move(value)}});
    };
    CHECK(since(1764500000)->since == "1764500000");
    CHECK(since(1764500000.25)->since == "1764500000.25");
    CHECK(since("5m")->since == "5m");
    CHECK(since(true).error().message == "since: expected string, got true");
    // It says what a text is.
    CHECK(schema::parse<ops::OutputRequest>(schema::Json{{"process", "p1"}, {"run", 3}}).has_error());
    CHECK(schema::parse<ops::OutputRequest>(schema::Json{{"process", "p1"}, {"grep", 3}}).has_error());
}

}  // namespace get_process_output_test
