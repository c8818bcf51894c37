/// Beginnings of programs' files, which may be anybody's.
#include "common/base/elf.hpp"

#include "tests/fuzz/input.hpp"

using namespace persistproc;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const std::uint64_t more = input.byte();
    const std::string_view beginning = input.rest();
    const auto facts = base::read_elf(beginning, beginning.size() + more);
    const bool is_fault = facts.kind != base::ElfFacts::Kind::other && facts.kind != base::ElfFacts::Kind::program;
    require(base::elf_fault_text(facts).empty() != is_fault, "a fault is said");
    require(facts.loader.find('\0') == facts.loader.npos, "a path holds no NUL");
    require(facts.loader.empty() || beginning.find(facts.loader) != beginning.npos, "the loader stands in the file");
    require(facts.machine.empty() == (facts.kind != base::ElfFacts::Kind::foreign), "another machine is named");
    return 0;
}
