/// Output in which errors are looked for. The first byte says how many lines are of each stream.
#include "common/logstore/error_block.hpp"

#include <string>
#include <vector>

#include "common/base/text.hpp"
#include "common/logstore/error_line.hpp"
#include "common/logstore/search.hpp"
#include "tests/fuzz/input.hpp"

using namespace persistproc;
using namespace persistproc::logstore;
using fuzz::require;

namespace {

void check(const ErrorBlock& block, const std::vector<Line>& lines) {
    require(!block.lines.empty() && block.lines.size() <= ErrorBlock::max_lines, "a block has lines, and few");
    for (const auto& line : block.lines) {
        require(line.size() <= ErrorBlock::max_line_bytes, "its lines are short");
        std::string shown = line;
        std::erase(shown, '\x01');  // where a mark of ours begins
        require(base::clean_output(shown) == shown && shown.find('\n') == shown.npos, "its lines are clean");
    }
    require(base::is_utf8(block.message) && block.message.find('\n') == std::string::npos, "its message is one line");
    require(block.position < block.end && block.end <= lines.back().position + lines.back().text.size() + 1,
            "it lies within what was printed");
    require(block.left_out == 0 || block.lines.size() == ErrorBlock::max_lines, "nothing is left out without need");
    if (block.place) require(!block.place->file.empty() && block.place->line >= 0, "a place has a file");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    static const LinePattern hint = LinePattern::compile(error_hint).value();
    fuzz::Input input(bytes, size);
    const std::size_t turn = input.byte() % 8 + std::size_t{1};
    std::vector<Line> lines;
    std::uint64_t position = 0;
    bool has_head = false, may_have = false;
    for (std::string_view text = input.line(); !text.empty() || lines.empty(); text = input.line()) {
        Line line{.text = std::string(text), .run = 1, .wall_ns = 1, .position = position};
        line.stream = lines.size() / turn % 2 == 0 ? Stream::out : Stream::err;
        position += text.size() + 1;
        const bool is_head = is_error_head(text);
        const bool may_be_head = may_be_error_head(text);
        require(!(is_head || may_be_head) || hint.matches(text), "the hint finds each head");
        has_head = has_head || is_head;
        may_have = may_have || is_head || may_be_head;
        lines.push_back(std::move(line));
    }
    const auto first = find_error(lines, "/home/me/shop", WhichError::first);
    const auto last = find_error(lines, "/home/me/shop", WhichError::last);
    require(first.has_value() == last.has_value() && first.has_value() >= has_head && first.has_value() <= may_have,
            "an error is found where one begins");
    if (!first) return 0;
    check(*first, lines);
    check(*last, lines);
    require(first->position <= last->position || first->is_wrapper || last->is_wrapper,
            "the last one is not before the first");
    const auto next = find_error(lines, "/home/me/shop", WhichError::first, first->end);
    require(!next || next->end > first->end, "after a position there is another one");
    return 0;
}
