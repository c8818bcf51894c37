#include "common/base/size.hpp"

#include "tests/support/catch.hpp"

namespace size_test {

using persistproc::base::parse_size;

TEST_CASE("sizes have one grammar") {
    CHECK(parse_size("0").value() == 0);
    CHECK(parse_size("4096").value() == 4096);
    for (const char* text : {"64MiB", "64MB", "64mb", "64M", "64 MiB", "65536KiB", "67108864B"}) {
        INFO(text);
        CHECK(parse_size(text).value() == 64u << 20);
    }
    CHECK(parse_size("1.5GiB").value() == 3ull << 29);
    CHECK(parse_size("2TiB").value() == 2ull << 40);
    for (const char* text : {"", "-1", "-1MB", "+1", "x", "64XB", "64MBs", "1e9", "nan", "inf", "99999999999999999999",
                             "9999999TiB", ".5G", "64 M iB", "0x10"}) {
        INFO(text);
        CHECK(!parse_size(text));
    }
}

}  // namespace size_test
