#include "common/base/elf.hpp"

#include <elf.h>

#include <cstring>

#include "common/base/file.hpp"
#include "common/base/proc.hpp"
#include "tests/support/catch.hpp"

using namespace persistproc;
using base::ElfFacts;

namespace {

/// Of this machine, with a loader.
std::string sample_program() {
    auto own = base::read_file(base::own_program());
    REQUIRE(own);
    constexpr char loader[] = "/lib/loader.so";
    Elf64_Ehdr header{};
    REQUIRE(own->size() >= sizeof header);
    std::memcpy(&header, own->data(), sizeof header);
    header.e_phoff = sizeof header;
    header.e_phnum = 2;
    header.e_type = ET_DYN;
    Elf64_Phdr segments[2] = {};
    segments[1].p_type = PT_INTERP;
    segments[1].p_offset = sizeof header + sizeof segments;
    segments[1].p_filesz = sizeof loader;
    std::string out(reinterpret_cast<const char*>(&header), sizeof header);
    out.append(reinterpret_cast<const char*>(segments), sizeof segments);
    return out.append(loader, sizeof loader);
}

ElfFacts read(std::string_view bytes) { return base::read_elf(bytes, bytes.size()); }

}  // namespace

TEST_CASE("a program of this machine is known by its header, with its loader") {
    const std::string program = sample_program();
    const auto facts = read(program);
    CHECK(facts.kind == ElfFacts::Kind::program);
    CHECK(facts.loader == "/lib/loader.so");
    CHECK(base::elf_fault_text(facts).empty());
    CHECK(read("#!/bin/sh\n").kind == ElfFacts::Kind::other);
    CHECK(read("").kind == ElfFacts::Kind::other);
    auto own = base::read_file(base::own_program());
    REQUIRE(own);
    CHECK(base::read_elf(std::string_view(*own).substr(0, base::elf_beginning_bytes), own->size()).kind ==
          ElfFacts::Kind::program);
}

TEST_CASE("one that was cut off anywhere is damaged") {
    const std::string program = sample_program();
    for (std::size_t size = SELFMAG; size < program.size(); ++size) {
        INFO(size);
        CHECK(read(program.substr(0, size)).kind == ElfFacts::Kind::damaged);
    }
}

TEST_CASE("what execve refuses is named") {
    const auto with = [](std::size_t at, char value) {
        std::string out = sample_program();
        out[at] = value;
        return read(out);
    };
    CHECK(base::elf_fault_text(with(offsetof(Elf64_Ehdr, e_machine), static_cast<char>(EM_S390))) ==
          "built for another machine (s390x)");
    CHECK(with(EI_DATA, ELFDATA2MSB).kind == ElfFacts::Kind::foreign);
    CHECK(with(EI_CLASS, 7).kind == ElfFacts::Kind::damaged);
    CHECK(with(offsetof(Elf64_Ehdr, e_type), ET_REL).kind == ElfFacts::Kind::object);
    CHECK(with(offsetof(Elf64_Ehdr, e_phnum), 0).kind == ElfFacts::Kind::damaged);
    CHECK(with(offsetof(Elf64_Ehdr, e_phentsize), 3).kind == ElfFacts::Kind::damaged);
    CHECK(with(offsetof(Elf64_Ehdr, e_phoff) + 7, '\x7f').kind == ElfFacts::Kind::damaged);
}
