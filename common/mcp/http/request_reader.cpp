#include "common/mcp/http/request_reader.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <utility>
#include <vector>

#include "common/mcp/http/access.hpp"
#include "common/mcp/http/header_value.hpp"
#include "common/mcp/http/room.hpp"

namespace persistproc::mcp::http {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;

namespace {

// Some clients send one behind a request. More are the beginning of the next one.
constexpr std::size_t few_empty_lines = 4;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

struct Field {
    bhttp::field id;
    std::string_view name, value;
};

/// What Beast's parser finds, kept so that a connection's next request finds its memory ready: Beast's own message
/// allocates each field. Views point into the text of the head.
struct Found {
    std::string_view method, target;
    int version = 0;
    std::vector<Field> fields;
    std::string body;
};

class Parser final : public bhttp::basic_parser<true> {
public:
    /// `most_beside_bytes`: of a chunk's extensions, and of all fields behind the last chunk.
    Parser(Found& found, std::size_t most_beside_bytes) : found_(found), most_beside_bytes_(most_beside_bytes) {}

private:
    using Error = boost::system::error_code;

    void on_request_impl(bhttp::verb, beast::string_view method, beast::string_view target, int version,
                         Error&) override {
        found_.method = view(method);
        found_.target = view(target);
        found_.version = version;
    }
    void on_response_impl(int, beast::string_view, int, Error&) override {}
    void on_field_impl(bhttp::field id, beast::string_view name, beast::string_view value, Error& error) override {
        if (!is_header_done()) {
            found_.fields.push_back(Field{id, view(name), view(value)});
            return;
        }
        // Fields behind the last chunk are read past: nobody asks for them, and their bytes do not stay.
        constexpr std::size_t around = 4;  // colon, blank, end of line
        trailer_bytes_ += name.size() + value.size() + around;
        if (trailer_bytes_ > most_beside_bytes_) error = bhttp::error::header_limit;
    }
    void on_header_impl(Error&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>& length, Error&) override {
        // What is announced need not come: no more is set aside than is usual.
        if (length) found_.body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(*length, kept_room_bytes)));
    }
    std::size_t on_body_impl(beast::string_view part, Error&) override {
        found_.body.append(part.data(), part.size());
        return part.size();
    }
    void on_chunk_header_impl(std::uint64_t, beast::string_view extensions, Error& error) override {
        if (extensions.size() > most_beside_bytes_) error = bhttp::error::bad_chunk_extension;
    }
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view part, Error& error) override {
        return on_body_impl(part, error);
    }
    void on_finish_impl(Error&) override {}

    Found& found_;
    std::size_t most_beside_bytes_;
    std::size_t trailer_bytes_ = 0;
};

/// A field of the protocol's own, which Beast does not know.
struct OwnField {
    std::string_view name;
    std::string_view RequestHead::*value;
    bool RequestHead::*is_there;  // null: nobody asks
    bool is_single;
};
constexpr OwnField own_fields[] = {
    {"Mcp-Session-Id", &RequestHead::session_id, &RequestHead::has_session_id, true},
    {"MCP-Protocol-Version", &RequestHead::protocol_version, &RequestHead::has_protocol_version, true},
    {"Last-Event-ID", &RequestHead::last_event_id, &RequestHead::has_last_event_id, false},
    {"Mcp-Method", &RequestHead::mcp_method, &RequestHead::has_mcp_method, true},
    {"Mcp-Name", &RequestHead::mcp_name, &RequestHead::has_mcp_name, true},
    {"Persistproc-Audience", &RequestHead::audience, nullptr, false},
};

const OwnField* find_own_field(std::string_view name) noexcept {
    for (const auto& each : own_fields)
        if (each.name.size() == name.size() && equals_ignoring_case(each.name, name)) return &each;
    return nullptr;
}

}  // namespace

struct RequestReader::State {
    explicit State(const Limits& l) : limits(l) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    Limits limits;
    std::string buffer;
    std::size_t used = 0;         // of `buffer`, consumed
    std::size_t empty_bytes = 0;  // of lines before the head
    std::size_t scanned = 0;      // of the head, looked at for its end
    std::size_t line_end = 0;     // of the request line, 0: not seen
    std::string head_text;        // stays where it is while the body arrives
    Found found;
    std::optional<Parser> parser;
    RequestHead head;
    Unreadable failure;
    bool has_head = false;
    bool has_failed = false;

    Progress fail(unsigned status, std::string_view reason) {
        failure = Unreadable{status, reason};
        has_failed = true;
        return Progress::failed;
    }

    std::string_view rest() const { return std::string_view(buffer).substr(used); }

    /// Position after the empty line, or npos. Refuses on the way what Beast would let pass or find too late.
    std::optional<std::size_t> find_head_end(Progress& refused);
    /// Fields of that name in the head.
    std::size_t count(std::string_view name) const {
        return static_cast<std::size_t>(
            std::count_if(found.fields.begin(), found.fields.end(),
                          [name](const Field& each) { return equals_ignoring_case(each.name, name); }));
    }
    Progress read_head();
    Progress check_head();
    Progress read_body();
};

std::optional<std::size_t> RequestReader::State::find_head_end(Progress& refused) {
    // Empty lines before a request are allowed (RFC 9112, 2.2), and count as a part of its head.
    if (scanned == 0) {
        const auto before = used;
        while (rest().starts_with("\r\n")) used += 2;
        empty_bytes += used - before;
        if (empty_bytes > limits.header_bytes) {
            refused = fail(431, "too many empty lines before a request");
            return std::nullopt;
        }
    }
    const std::string_view text = rest();
    for (;;) {
        const auto end = text.find('\n', scanned);
        if (end == std::string_view::npos) {
            if (line_end == 0 && text.size() > limits.request_line_bytes) {
                refused = fail(414, "request line too long");
            } else if (line_end != 0 && empty_bytes + text.size() - line_end > limits.header_bytes) {
                refused = fail(431, "header too large");
            }
            return std::nullopt;
        }
        if (end == 0 || text[end - 1] != '\r') {
            refused = fail(400, "line ends without CR");
            return std::nullopt;
        }
        const auto line = text.substr(scanned, end - 1 - scanned);
        scanned = end + 1;
        if (line_end == 0) {
            line_end = end + 1;
            if (line_end > limits.request_line_bytes) {
                refused = fail(414, "request line too long");
                return std::nullopt;
            }
            continue;
        }
        if (empty_bytes + scanned - line_end > limits.header_bytes) {
            refused = fail(431, "header too large");
            return std::nullopt;
        }
        if (line.empty()) return scanned;
        if (line.front() == ' ' || line.front() == '\t') {
            refused = fail(400, "folded header");
            return std::nullopt;
        }
        if (line.find('\r') != std::string_view::npos || line.find('\0') != std::string_view::npos) {
            refused = fail(400, "control character in header");
            return std::nullopt;
        }
    }
}

RequestReader::Progress RequestReader::State::read_head() {
    Progress refused = Progress::need_more;
    const auto end = find_head_end(refused);
    if (!end) return refused;
    head_text.assign(rest(), 0, *end);
    used += *end;
    found.fields.clear();
    found.body.clear();
    parser.emplace(found, limits.header_bytes);
    parser->eager(false);
    parser->body_limit(limits.body_bytes);
    parser->header_limit(static_cast<std::uint32_t>(limits.request_line_bytes + limits.header_bytes + 4));
    boost::system::error_code error;
    parser->put(boost::asio::buffer(head_text.data(), head_text.size()), error);
    // The limit on the body may already show here; it has a status of its own.
    const bool too_large = error == bhttp::error::body_limit;
    if (error && error != bhttp::error::need_more && !too_large) return fail(400, "malformed request");
    if (!too_large && !parser->is_header_done()) return fail(400, "malformed request");
    has_head = true;
    const auto refusal = check_head();
    head.body_too_large |= too_large;
    return refusal;
}

RequestReader::Progress RequestReader::State::check_head() {
    head = RequestHead{};
    head.method = found.method;
    head.target = found.target;
    head.is_http_1_0 = found.version == 10;
    if (found.version != 11 && found.version != 10) return fail(400, "HTTP/1.1 only");
    if (found.fields.size() > limits.header_fields) return fail(431, "too many header fields");
    // Which fields came that may come once, one bit each.
    std::uint32_t seen = 0;
    const auto is_second = [&seen](std::uint32_t bit) { return (std::exchange(seen, seen | bit) & bit) != 0; };
    constexpr const char* twice = "header given twice";
    bool chunked = false;
    bool length = false;
    // The parser stops in the head of a body that is too large; that connection ends with the refusal.
    head.keep_alive = parser->is_header_done() && parser->keep_alive();
    for (const auto& [id, name, untrimmed] : found.fields) {
        const auto value = trim_blanks(untrimmed);
        switch (id) {
            case bhttp::field::host:
                if (is_second(1)) return fail(400, twice);
                head.host = value, head.has_host = true;
                break;
            case bhttp::field::origin:
                if (is_second(2)) return fail(400, twice);
                head.origin = value, head.has_origin = true;
                break;
            case bhttp::field::content_type:
                if (is_second(4)) return fail(400, twice);
                head.content_type = value;
                break;
            case bhttp::field::authorization:
                if (is_second(8)) return fail(400, twice);
                head.authorization = value;
                break;
            case bhttp::field::sec_fetch_site:
                if (is_second(16)) return fail(400, twice);
                head.sec_fetch_site = value;
                break;
            case bhttp::field::accept: head.accept = value; break;
            case bhttp::field::expect: head.expect = value; break;
            case bhttp::field::content_encoding:
                head.is_encoded = !value.empty() && !equals_ignoring_case(value, "identity");
                break;
            case bhttp::field::transfer_encoding:
                if (!equals_ignoring_case(value, "chunked")) return fail(400, "unknown Transfer-Encoding");
                chunked = true;
                break;
            case bhttp::field::content_length: {
                if (std::exchange(length, true)) return fail(400, twice);
                if (value.find_first_not_of("0123456789") != std::string_view::npos)
                    return fail(400, "Content-Length is no number");
                std::uint64_t bytes = 0;
                for (const char c : value)
                    bytes = bytes > limits.body_bytes ? bytes : bytes * 10 + static_cast<std::uint64_t>(c - '0');
                head.has_body |= bytes > 0;
                head.body_too_large = bytes > limits.body_bytes;
                break;
            }
            case bhttp::field::unknown:
                if (const OwnField* own = find_own_field(name)) {
                    const auto bit = 32u << (own - own_fields);
                    if (is_second(bit) && own->is_single) return fail(400, twice);
                    head.*own->value = value;
                    if (own->is_there != nullptr) head.*own->is_there = true;
                } else if (equals_ignoring_case(name.substr(0, param_header_prefix.size()), param_header_prefix) &&
                           count(name) > 1) {
                    return fail(400, twice);
                }
                break;
            default: break;
        }
    }
    if (chunked && length) return fail(400, "Transfer-Encoding with Content-Length");
    if (chunked && head.is_http_1_0) return fail(400, "Transfer-Encoding in HTTP/1.0");
    if (!head.has_host && !head.is_http_1_0) return fail(400, "no Host header");
    head.has_body |= chunked;
    // RFC 9112, 3.2.2: what a target names counts instead of Host.
    constexpr std::string_view scheme = "http://";
    if (equals_ignoring_case(head.target.substr(0, scheme.size()), scheme)) {
        const auto rest = head.target.substr(scheme.size());
        const auto path = std::min(rest.find_first_of("/?"), rest.size());
        head.host = rest.substr(0, path);
        head.target = path == rest.size() ? std::string_view("/") : rest.substr(path);
    }
    return Progress::head;
}

RequestReader::Progress RequestReader::State::read_body() {
    while (!parser->is_done()) {
        const auto text = rest();
        // Beast has to see the last chunk's line with a byte of what follows. No chunked body is shorter than five.
        if (parser->chunked() && text.size() < 5 && text.starts_with('0')) return Progress::need_more;
        boost::system::error_code error;
        const auto taken = parser->put(boost::asio::buffer(text.data(), text.size()), error);
        used += taken;
        if (error == bhttp::error::body_limit) return fail(413, "body too large");
        if (error && error != bhttp::error::need_more) return fail(400, "malformed body");
        if (parser->is_done()) break;
        if (used == buffer.size()) {
            clear_text(buffer);
            used = 0;
        }
        if (taken == 0 || error == bhttp::error::need_more) {
            // Beast wants a whole chunk header or trailer at once; nobody needs a long one.
            if (rest().size() > limits.header_bytes && taken == 0) return fail(400, "malformed chunk");
            return Progress::need_more;
        }
    }
    return Progress::body;
}

RequestReader::RequestReader(const Limits& limits) : state_(std::make_unique<State>(limits)) {}
RequestReader::~RequestReader() = default;
RequestReader::RequestReader(RequestReader&&) noexcept = default;

void RequestReader::feed(std::string_view bytes) {
    State& s = *state_;
    if (s.used == s.buffer.size()) {
        clear_text(s.buffer);
        s.used = 0;
    } else if (s.used > (64u << 10)) {
        s.buffer.erase(0, s.used);
        s.used = 0;
    }
    s.buffer.append(bytes);
}

RequestReader::Progress RequestReader::advance() {
    State& s = *state_;
    if (s.has_failed) return Progress::failed;
    return s.has_head ? s.read_body() : s.read_head();
}

const RequestHead& RequestReader::head() const noexcept { return state_->head; }

std::optional<std::string_view> RequestReader::find_header(std::string_view name) const {
    for (const auto& field : state_->found.fields)
        if (equals_ignoring_case(field.name, name)) return trim_blanks(field.value);
    return std::nullopt;
}

const std::string& RequestReader::body() const noexcept { return state_->found.body; }

void RequestReader::drop_body() noexcept {
    State& s = *state_;
    clear_text(s.found.body);
    if (s.used < s.buffer.size()) return;
    clear_text(s.buffer);
    s.used = 0;
}

void RequestReader::drop_all() noexcept {
    state_->used = state_->buffer.size();
    drop_body();
}

const Unreadable& RequestReader::failure() const noexcept { return state_->failure; }

void RequestReader::next() {
    State& s = *state_;
    s.parser.reset();
    drop_body();
    s.head = RequestHead{};
    s.has_head = false;
    s.empty_bytes = s.scanned = s.line_end = 0;
}

std::size_t RequestReader::buffered() const noexcept { return state_->buffer.size() - state_->used; }
std::size_t RequestReader::held_bytes() const noexcept {
    return held_room(state_->buffer) + held_room(state_->found.body);
}
bool RequestReader::is_started() const noexcept {
    return state_->has_head || buffered() > 0 || state_->empty_bytes > 2 * few_empty_lines;
}
bool RequestReader::is_in_body() const noexcept { return state_->has_head; }

}  // namespace persistproc::mcp::http
