#include "common/rundir/spec.hpp"

#include <cerrno>
#include <string>
#include <vector>

#include "common/schema/document.hpp"
#include "tests/support/catch.hpp"

namespace spec_test {

using namespace persistproc;
using namespace persistproc::rundir;

namespace {

RunSpec sample() {
    RunSpec spec;
    spec.id = RunId{{7}, 12};
    for (std::size_t i = 0; i < spec.nonce.size(); ++i) spec.nonce[i] = static_cast<std::uint8_t>(i * 17);
    spec.argv = {"prog", "", "two words", "new\nline", "--port", "ümläut", "end 00000000\n"};
    spec.working_directory = "/srv/a b";
    spec.environment = {"PATH=/bin", "EMPTY=", "X=1\nenv 3\nY=2\n"};
    spec.umask = 027;
    spec.limits = {{7, 1024, 4096}, {4, 0, ~0ull}};
    spec.stop_signal = 2;
    spec.grace_ms = 1234;
    spec.segment_bytes = 4096;
    spec.log_bound_bytes = 65536;
    spec.has_input = true;
    spec.terminal = domain::TerminalSize{100, 30};
    spec.program_file = ProgramFile{1, ~0ull, 3, -4, 9};
    spec.argument_files = {{2, ProgramFile{5, 6, 7, 8, -9}}};
    spec.definition.label_given = true;
    spec.definition.label = "a label";
    spec.definition.restart = domain::RestartPolicy::always;
    spec.definition.description = "what it is for";
    spec.definition.started_by = "cli";
    return spec;
}

int decode_in_place(std::string bytes, std::size_t table_size = 64) {
    std::vector<char*> table(table_size);
    SpecView view;
    return SpecView::decode(bytes.data(), bytes.size(), table.data(), table.size(), view);
}

}  // namespace

TEST_CASE("a spec comes back as it was written") {
    const RunSpec spec = sample();
    const auto decoded = decode_spec(encode_spec(spec));
    REQUIRE(decoded.has_value());
    CHECK(decoded->id == spec.id);
    CHECK(decoded->nonce == spec.nonce);
    CHECK(decoded->argv == spec.argv);
    CHECK(decoded->working_directory == spec.working_directory);
    CHECK(decoded->environment == spec.environment);
    CHECK(decoded->umask == spec.umask);
    REQUIRE(decoded->limits.size() == 2);
    CHECK(decoded->limits[1].resource == 4);
    CHECK(decoded->limits[1].hard == ~0ull);
    CHECK(decoded->stop_signal == 2);
    CHECK(decoded->grace_ms == 1234);
    REQUIRE(decoded->program_file);
    CHECK(decoded->program_file->is_same(*spec.program_file));
    CHECK(decoded->program_file->changed_ns == 9);
    REQUIRE(decoded->argument_files.size() == 1);
    CHECK(decoded->argument_files[0].argument == 2);
    CHECK(decoded->argument_files[0].file.is_same(spec.argument_files[0].file));
    CHECK(decoded->argument_files[0].file.changed_ns == -9);
    CHECK(decoded->segment_bytes == 4096);
    CHECK(decoded->log_bound_bytes == 65536);
    CHECK(decoded->has_input);
    CHECK(decoded->terminal == spec.terminal);
    const Definition& definition = decoded->definition;
    CHECK(definition.command == spec.argv);
    CHECK(definition.working_directory == "/srv/a b");
    CHECK(definition.label == "a label");
    CHECK(definition.restart == domain::RestartPolicy::always);
    CHECK(definition.description == "what it is for");
    CHECK(definition.started_by == "cli");
    CHECK(definition.stop_signal == 2);
    CHECK(definition.grace_seconds == 1.234);
}

TEST_CASE("what a later version has defined stays in a spec") {
    RunSpec spec = sample();
    spec.definition = *schema::read_document<Definition>(R"({"later":1})");
    const auto decoded = decode_spec(encode_spec(spec));
    REQUIRE(decoded.has_value());
    CHECK(encode_spec(*decoded).find(R"("later":1)") != std::string::npos);
}

TEST_CASE("a spec cut off anywhere is refused") {
    const std::string whole = encode_spec(sample());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto cut = decode_spec(std::string_view(whole).substr(0, size));
        REQUIRE(cut.has_error());
        REQUIRE(cut.error().code == ErrorCode::corrupt);
        REQUIRE(decode_in_place(whole.substr(0, size)) == EBADMSG);
    }
    CHECK(decode_spec(whole + "\n").has_error());
}

TEST_CASE("a spec with any bit flipped is refused") {
    const std::string whole = encode_spec(sample());
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string flipped = whole;
            flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
            REQUIRE(decode_spec(flipped).has_error());
        }
    }
}

TEST_CASE("a spec of a newer major version is unsupported, one with unknown keys is read") {
    std::string newer = encode_spec(sample());
    newer.replace(newer.find("2."), 1, "3");
    const auto refused = decode_spec(newer);
    REQUIRE(refused.has_error());
    CHECK(refused.error().code == ErrorCode::unsupported);
    CHECK(decode_in_place(newer) == EPROTONOSUPPORT);

    RunSpec with_extra = sample();
    // An argument that looks like an entry must stay an argument.
    with_extra.argv.emplace_back("x\nfuture 1\ny");
    const auto read = decode_spec(encode_spec(with_extra));
    REQUIRE(read.has_value());
    CHECK(read->argv.back() == "x\nfuture 1\ny");
}

TEST_CASE("a table that is too small is said, not overrun") {
    const std::string whole = encode_spec(sample());
    CHECK(decode_in_place(whole, 7 + 3 + 2) == 0);
    CHECK(decode_in_place(whole, 7 + 3 + 1) == E2BIG);
    CHECK(decode_in_place(whole, 0) == E2BIG);
}

TEST_CASE("a spec without a command, or with NUL inside a word, is refused") {
    RunSpec empty = sample();
    empty.argv.clear();
    CHECK(decode_spec(encode_spec(empty)).has_error());
    RunSpec nul = sample();
    nul.argv[1] = std::string("a\0b", 3);
    CHECK(decode_spec(encode_spec(nul)).has_error());
}

}  // namespace spec_test
