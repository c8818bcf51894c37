/// Cursors, which come back from agents.
#include <string>

#include "common/base/text.hpp"
#include "common/logstore/reader.hpp"
#include "tests/fuzz/input.hpp"

using namespace persistproc;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view text = fuzz::Input(bytes, size).rest();
    const auto position = logstore::parse_cursor("p3", text);
    if (position) {
        const std::string written = logstore::format_cursor("p3", *position);
        require(text.starts_with("p3:") && written.size() <= text.size(), "a cursor has one short form");
        const auto again = logstore::parse_cursor("p3", written);
        require(again && *again == *position, "a cursor stays the same");
    } else {
        require(position.error().code == ErrorCode::invalid, "what is no cursor is invalid");
        require(!base::has_control_or_bidi(position.error().message), "an error is one line");
    }
    std::uint64_t number = 0;
    for (const char byte : text.substr(0, 8)) number = number << 8 | static_cast<std::uint8_t>(byte);
    const std::string written = logstore::format_cursor("p3", number);
    const auto read = logstore::parse_cursor("p3", written);
    require(read && *read == number, "every position has a cursor");
    require(!logstore::parse_cursor("p33", written), "a cursor is of one process");
    for (std::size_t cut = 0; cut <= 3; ++cut)
        require(!logstore::parse_cursor("p3", std::string_view(written).substr(0, cut)),
                "a cursor without a number is none");
    return 0;
}
