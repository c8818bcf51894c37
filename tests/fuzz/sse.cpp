/// Event streams, as the client reads them. Input: a line of piece sizes, then the bytes. An odd first size narrows the
/// bound of an event.
#include "common/mcp/http/sse.hpp"

#include <vector>

#include "tests/fuzz/input.hpp"

namespace {

using namespace persistproc;
using fuzz::require;
using mcp::http::SseEvent;
using mcp::http::SseReader;

bool is_same(const SseEvent& a, const SseEvent& b) {
    return a.id == b.id && a.data == b.data && a.retry_ms == b.retry_ms;
}

bool read(std::string_view text, std::string_view sizes, std::size_t bound, std::vector<SseEvent>& events) {
    SseReader reader(bound);
    fuzz::Pieces pieces(text, sizes);
    for (std::string_view piece; pieces.next(piece);)
        if (!reader.feed(piece, events)) return false;
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const std::string_view sizes = input.line();
    const std::string_view text = input.rest();
    const std::size_t bound = !sizes.empty() && sizes.front() % 2 != 0 ? 32 : 64u << 20;

    std::vector<SseEvent> in_pieces, whole;
    const bool is_whole = read(text, sizes, bound, in_pieces);
    require(is_whole == read(text, {}, bound, whole), "how the bytes are cut does not change whether they are read");
    require(std::equal(in_pieces.begin(), in_pieces.end(), whole.begin(), whole.end(), is_same),
            "how the bytes are cut changes no event");
    for (const SseEvent& event : whole) {
        require(event.data.size() <= bound && event.id.size() <= bound, "an event is bounded");
        require(event.id.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos, "an id is one line");
        require(event.data.find('\r') == std::string::npos, "data has newlines alone");
        if (event.data.find('\n') != std::string::npos) continue;
        std::vector<SseEvent> again;
        require(read(mcp::http::sse_text(event), sizes, 64u << 20, again), "what is written is read");
        require(again.size() == 1 && is_same(again.front(), event), "what is written is read as it was");
    }
    return 0;
}
