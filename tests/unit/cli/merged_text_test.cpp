#include "cli/format/merged_text.hpp"

#include "tests/support/catch.hpp"

namespace merged_text_test {

using namespace persistproc;
using namespace persistproc::cli;
using namespace std::string_literals;

namespace {

ProcessView process(std::string id, std::string label) {
    ProcessView out;
    out.id = std::move(id);
    out.label = std::move(label);
    return out;
}

logstore::MergedEntry line_of(std::size_t source, std::string text) {
    logstore::MergedEntry out;
    out.source = source;
    out.entry.line.text = std::move(text);
    out.entry.line.stream = logstore::Stream::out;
    out.entry.line.run = 1;
    return out;
}

/// "O:" and "E:" before what goes to stdout and stderr.
std::string shown(format::MergedText& text, const logstore::MergedEntry& entry) {
    std::vector<format::Chunk> chunks;
    text.take(entry, chunks);
    std::string out;
    for (const auto& each : chunks) out += (each.fd == 1 ? "O:" : "E:") + each.bytes;
    return out;
}

}  // namespace

TEST_CASE("each line stands behind the label of its process") {
    format::MergedText text({});
    text.add(process("p1", "web"));
    CHECK(shown(text, line_of(0, "one")) == "O:web | one\n");
    text.add(process("p2", "api-server"));
    CHECK(shown(text, line_of(0, "two")) == "O:web        | two\n");
    CHECK(shown(text, line_of(1, "\x1b[1mraw\r")) == "O:api-server | \x1b[1mraw\r\n");
    text.add(process("p3", "a label that is much too long to stand before lines"));
    CHECK(shown(text, line_of(2, "x")) == "O:a label that…efore lines | x\n");
}

TEST_CASE("on a terminal labels have a colour each and leave room for lines") {
    format::MergedStyle style;
    style.text.colour = true;
    style.text.width = 40;
    style.lines.escape_out = true;
    format::MergedText text(style);
    text.add(process("p1", "web"));
    text.add(process("p2", "支付服务支付服务"));
    text.add(process("p3", "\x1b[31mred"));
    CHECK(shown(text, line_of(0, "\x1b[2Jgone")) == "O:\x1b[36mweb        |\x1b[0m \\x1b[2Jgone\n");
    CHECK(shown(text, line_of(1, "x")) == "O:\x1b[33m支付…服务  |\x1b[0m x\n"s);
    CHECK(shown(text, line_of(2, "x")).find("\x1b[31m") == std::string::npos);
}

TEST_CASE("labels that are cut to the same are told apart by ids") {
    format::MergedText text({});
    text.add(process("p1", "npm run a-very-long-script one in /home/me/src/shop"));
    text.add(process("p2", "npm run a-very-long-script two in /home/me/src/shop"));
    text.add(process("p3", "web"));
    CHECK(shown(text, line_of(0, "x")) == "O:p1  | x\n");
    CHECK(shown(text, line_of(1, "x")) == "O:p2  | x\n");
    CHECK(shown(text, line_of(2, "x")) == "O:web | x\n");
}

TEST_CASE("groups of lines around matches stand apart, those of each process") {
    const auto numbered = [](std::size_t source, std::uint64_t ordinal) {
        auto out = line_of(source, "x");
        out.entry.line.ordinal = ordinal;
        return out;
    };
    format::MergedStyle style;
    style.has_borders = true;
    format::MergedText text(style);
    text.add(process("p1", "web"));
    text.add(process("p2", "api"));
    CHECK(shown(text, numbered(0, 7)) == "O:web | x\n");
    CHECK(shown(text, numbered(1, 1)) == "O:api | x\n");
    CHECK(shown(text, numbered(0, 8)) == "O:web | x\n");
    CHECK(shown(text, numbered(0, 10)) == "O:web | --\nO:web | x\n");
    style.has_borders = false;
    format::MergedText plain(style);
    plain.add(process("p1", "web"));
    CHECK(shown(plain, numbered(0, 1)) + shown(plain, numbered(0, 9)) == "O:web | x\nO:web | x\n");
}

TEST_CASE("a label may become another") {
    format::MergedText text({});
    text.add(process("p1", "web"));
    CHECK(shown(text, line_of(0, "one")) == "O:web | one\n");
    text.rename(0, "shop");
    CHECK(shown(text, line_of(0, "two")) == "O:shop | two\n");

    format::MergedStyle style;
    style.json = true;
    format::MergedText json(style);
    json.add(process("p1", "web"));
    json.rename(0, "shop");
    CHECK(shown(json, line_of(0, "one")).starts_with(R"(O:{"process":"p1","label":"shop",)"));
    CHECK(json.owner(0).label == "shop");
}

TEST_CASE("of one process nothing is put in front") {
    format::MergedStyle style;
    style.has_names = false;
    format::MergedText text(style);
    text.add(process("p1", "web"));
    CHECK(shown(text, line_of(0, "one")) == "O:one\n");
}

TEST_CASE("what is missing is said on stderr, and as an object among those of the lines") {
    logstore::MergedEntry gap = line_of(0, ""), removed = line_of(0, ""), failed = line_of(0, ""),
                          event = line_of(0, "");
    gap.entry.line.is_gap = removed.entry.line.is_gap = true;
    gap.entry.line.value = 7;
    removed.entry.removed_bytes = 9;
    failed.failed = Error{ErrorCode::corrupt, "damaged"};
    event.entry.line.event = logstore::Event::started;
    format::MergedText text({});
    text.add(process("p1", "web"));
    CHECK(shown(text, gap).starts_with("E:persistproc: web: 7 bytes were lost here"));
    CHECK(shown(text, removed).starts_with("E:persistproc: web: 9 bytes before this are gone"));
    CHECK(shown(text, failed) == "E:persistproc: p1: damaged\n");
    CHECK(shown(text, event).empty());

    format::MergedStyle style;
    style.json = true;
    format::MergedText json(style);
    json.add(process("p1", "web"));
    CHECK(shown(json, line_of(0, "one")) ==
          R"(O:{"process":"p1","label":"web","time":null,"stream":"stdout","run":"p1.1","text":"one"})"
          "\n");
    CHECK(shown(json, gap).starts_with(R"(O:{"event":"gap","process":"p1","label":"web","bytes":7,"text":"7 bytes)"));
    CHECK(shown(json, removed).starts_with(R"(O:{"event":"removed","process":"p1","label":"web","bytes":9,)"));
    CHECK(shown(json, failed) == R"(O:{"error":{"code":"corrupt","message":"p1: damaged"}})"
                                 "\n");
}

}  // namespace merged_text_test
