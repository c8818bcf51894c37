/// What an agent writes to the stdio bridge: its lines, and what the bridge reads of each message. Input: a line of
/// piece sizes, then the bytes. An odd first size narrows the bound of a line.
#include <string>
#include <vector>

#include "cli/bridge/agent_environment.hpp"
#include "cli/bridge/line_reader.hpp"
#include "cli/bridge/message_scan.hpp"
#include "common/mcp/json_reader.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace persistproc;
using namespace persistproc::cli::bridge;
using fuzz::require;

bool is_same(const Line& a, const Line& b) { return a.text == b.text && a.is_too_long == b.is_too_long; }
bool is_same(const ScannedMessage& a, const ScannedMessage& b) {
    return a.kind == b.kind && a.id == b.id && a.method == b.method && a.is_modern == b.is_modern &&
           a.version == b.version && a.name == b.name && a.cancelled_id == b.cancelled_id && a.batch_ids == b.batch_ids;
}

std::vector<Line> read(std::string_view text, std::string_view sizes, std::size_t bound) {
    std::vector<Line> out;
    LineReader reader(bound);
    fuzz::Pieces pieces(text, sizes);
    for (std::string_view piece; pieces.next(piece);) reader.feed(piece, out);
    if (auto last = reader.finish()) out.push_back(std::move(*last));
    return out;
}

void check_id(const std::string& id) {
    const auto json = mcp::read_json(id);
    require(json && !json->is_structured(), "an id is JSON that can be echoed");
    require(one_line(id) == id, "an id is one line");
}

void check_message(const std::string& text) {
    const ScannedMessage message = scan_message(text);
    if (message.kind != MessageKind::not_json && message.kind != MessageKind::batch) check_id(message.id);
    for (const auto& id : message.batch_ids) check_id(id);
    if (!message.cancelled_id.empty()) check_id(message.cancelled_id);
    const bool is_call = message.kind == MessageKind::request || message.kind == MessageKind::notification;
    require(is_call || message.method.empty(), "what asks for nothing has no method");
    require(message.is_modern || !message.version, "a version stands in the envelope alone");
    require(message.kind == MessageKind::batch || message.batch_ids.empty(), "a batch alone has ids of its own");

    const std::vector<std::string> environment = {"A=b", "QUOTED=\"\\\n", "BYTES=\xff"};
    const std::string sent = with_environment(message, text, environment);
    if (sent == text) return;
    require(message.kind == MessageKind::request && message.method == "tools/call", "only calls are changed");
    require(one_line(sent) == sent, "what is sent is one line");
    require(is_same(scan_message(sent), message), "the environment changes nothing else that is read");
    require(with_environment(message, sent, environment) == sent, "the environment stands there once");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const std::string_view sizes = input.line();
    const std::string_view text = input.rest();
    const std::size_t bound = !sizes.empty() && sizes.front() % 2 != 0 ? 64 : 4u << 20;

    const std::vector<Line> lines = read(text, sizes, bound), whole = read(text, {}, bound);
    require(std::equal(lines.begin(), lines.end(), whole.begin(), whole.end(),
                       [](const Line& a, const Line& b) { return is_same(a, b); }),
            "how the bytes are cut changes no line");
    for (const Line& line : lines) {
        require(line.text.size() <= bound, "a line is bounded");
        require(line.is_too_long == line.text.empty(), "nothing is kept of a line that is too long, and none is blank");
        require(line.text.find('\n') == std::string::npos, "a line is one line");
        check_message(line.text);
    }
    // A daemon may answer on several.
    const std::string answer(text);
    if (const ScannedMessage message = scan_message(answer); message.kind != MessageKind::not_json)
        require(is_same(scan_message(one_line(answer)), message), "to write it on one line changes nothing of it");
    return 0;
}
