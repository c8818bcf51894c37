/// Requests, as a connection reads them. Input: a line of piece sizes, then the bytes. An odd first size narrows the
/// limits, so that short inputs come to them.
#include <string>
#include <vector>

#include "common/mcp/http/request_reader.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace persistproc;
using fuzz::require;
using mcp::http::Limits;
using mcp::http::RequestReader;
using Progress = RequestReader::Progress;

struct Heard {
    std::vector<std::string> parts;  // of each request the head, then the body
    bool has_failed = false;
};

void check_head(const RequestReader& reader, const Limits& limits) {
    const auto& head = reader.head();
    require(head.method.size() + head.target.size() < limits.request_line_bytes, "the request line is bounded");
    require(head.has_host || head.is_http_1_0, "a request without Host is refused");
    std::size_t bytes = 0;
    for (const std::string_view value :
         {head.method, head.target, head.host, head.origin, head.sec_fetch_site, head.content_type, head.accept,
          head.session_id, head.protocol_version, head.last_event_id, head.mcp_method, head.mcp_name, head.audience,
          head.expect}) {
        bytes += value.size();
        require(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos,
                "a value of the head is one line without NUL");
    }
    require(bytes <= limits.request_line_bytes + limits.header_bytes, "the head is bounded");
    // A target that names a host counts instead of the field.
    if (head.has_host) require(reader.find_header("HOST").has_value(), "a field is found by its name");
}

Heard read(std::string_view text, std::string_view sizes, const Limits& limits) {
    Heard out;
    RequestReader reader(limits);
    fuzz::Pieces pieces(text, sizes);
    for (std::string_view piece; pieces.next(piece);) {
        reader.feed(piece);
        for (Progress progress{}; (progress = reader.advance()) != Progress::need_more;) {
            if (progress == Progress::failed) {
                const auto& failure = reader.failure();
                require(failure.status >= 400 && failure.status < 500 && !failure.reason.empty(),
                        "a failure says what the peer did wrong");
                require(reader.advance() == Progress::failed, "a failure is final");
                out.has_failed = true;
                return out;
            }
            if (progress == Progress::head) {
                check_head(reader, limits);
                const auto& head = reader.head();
                out.parts.push_back(std::string(head.method) + ' ' + std::string(head.target) + ' ' +
                                    std::string(head.host) + (head.keep_alive ? " stays" : " goes"));
                // The connection answers and ends here.
                if (head.body_too_large) return out;
                continue;
            }
            require(reader.body().size() <= limits.body_bytes, "the body is bounded");
            require(reader.head().has_body || reader.body().empty(), "a body was announced");
            out.parts.push_back(reader.body());
            reader.next();
        }
        require(reader.body().size() <= limits.body_bytes, "a body on its way is bounded");
        require(reader.buffered() <= (reader.is_in_body() ? limits.header_bytes + piece.size()
                                                          : limits.request_line_bytes + limits.header_bytes),
                "what waits for more is bounded");
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const std::string_view sizes = input.line();
    const std::string_view text = input.rest();
    Limits limits;
    const bool is_narrow = !sizes.empty() && sizes.front() % 2 != 0;
    if (is_narrow) {
        limits.request_line_bytes = 48;
        limits.header_bytes = 128;
        limits.header_fields = 4;
        limits.body_bytes = 32;
    }
    const Heard in_pieces = read(text, sizes, limits);
    // A chunk's head that comes whole may be longer than one that is waited for.
    if (is_narrow) return 0;
    const Heard whole = read(text, {}, limits);
    require(in_pieces.parts == whole.parts && in_pieces.has_failed == whole.has_failed,
            "how the bytes are cut changes nothing");
    return 0;
}
