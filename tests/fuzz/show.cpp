/// What programs print, as agents are shown it.
#include "common/logstore/show.hpp"

#include <string>

#include "common/base/text.hpp"
#include "common/logstore/fold.hpp"
#include "tests/fuzz/input.hpp"

using namespace persistproc;
using namespace persistproc::logstore;
using fuzz::require;

namespace {

std::size_t count(const std::string& text, char what) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), what));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const unsigned how = input.byte();
    LineQuery query;
    query.max_bytes = 256 + std::size_t{input.byte()} * 16;
    const std::uint64_t wanted = input.byte() % 40;
    ((how & 1) != 0 ? query.last : query.first) = wanted;
    if ((how & 2) != 0) {
        query.grep = "x";
        query.context = how >> 4;
    }
    const ShowOptions options = take_budget(query, (how & 4) == 0);

    LinePage page;
    std::string printed;
    std::vector<std::string> shapes;
    std::uint64_t asked = 0;
    for (std::string_view rest = input.rest(); !rest.empty();) {
        Line line;
        line.text = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.text.size() + 1, rest.size()));
        line.position = page.next;
        page.next += line.text.size() + 1;
        line.ordinal = page.lines.size() * (line.text.starts_with('/') ? 2 : 1);
        line.matched = (how & 2) == 0 || line.text.find('x') != std::string::npos;
        asked += line.matched ? 1 : 0;
        printed += line.text + '\n';
        const std::string clean = base::clean_output(line.text, base::BadBytes::kept);
        shapes.push_back(shape_of(clean));
        require(shape_of(clean) == shapes.back(), "a shape is of its line alone");
        page.lines.push_back(std::move(line));
    }
    const std::size_t lines = page.lines.size();
    const std::uint64_t end = page.next;

    std::size_t behind = 0;
    for (const auto& fold : find_folds(shapes)) {
        require(fold.first >= behind && fold.period > 0 && fold.folded % fold.period == 0, "folds stand in order");
        behind = fold.shown() + fold.period;
        require(behind <= lines, "what a fold stands for is shown");
        for (std::size_t i = fold.first; i < fold.shown(); ++i)
            require(shapes[i] == shapes[i + fold.period], "what is folded is equal");
    }

    const Shown shown = show(std::move(page), options);
    require(base::is_utf8(shown.text), "what is shown is UTF-8");
    require(shown.text.size() <= options.max_bytes, "the budget of bytes holds");
    if (options.clean && options.lines > 0)
        require(count(shown.text, '\n') <= options.lines, "the budget of lines holds, marks and all");
    require(options.lines == 0 || shown.lines <= options.lines, "the budget of lines holds");
    require(lines == 0 || (shown.lines > 0 || asked == 0), "something is shown");
    require(shown.next <= end, "the cursor is no further than what there is");
    require(shown.omitted_before + shown.omitted_after <= std::max<std::uint64_t>(asked, 1),
            "no more is left out than there is");
    require(options.keep_newest ? shown.next == end : shown.omitted_before == 0, "one end is kept");
    require(shown.omitted_after > 0 || shown.next == end, "nothing is skipped");
    if (options.clean)
        require(count(shown.text, '\x1b') == 0 && count(shown.text, '\r') == 0, "no escape is shown");
    else
        require(count(shown.text, '\n') >= shown.lines, "each line has its end");
    if (!shown.marker.empty()) {
        require(shown.text.find(shown.marker) != std::string::npos, "a marker that is named is there");
        // Whole texts may hold it where none of it is shown.
        std::string cut = shown.text;
        for (auto at = cut.find(shown.marker); at != std::string::npos; at = cut.find(shown.marker))
            cut.erase(at, cut.find(']', at) - at);
        require(cut.find(shown.marker) == std::string::npos, "each is closed");
    }
    return 0;
}
