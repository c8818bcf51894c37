#pragma once
/// What the beginning of a program's file says of whether execve(2) takes it here. Pure.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace persistproc::base {

/// How much of a file is looked at; what stands behind it is left to execve.
inline constexpr std::size_t elf_beginning_bytes = 4096;

struct ElfFacts {
    enum class Kind {
        other,    // no ELF file
        program,  // as far as was seen
        foreign,  // for another machine: `machine`. The kernel may have been given an interpreter for it (binfmt_misc)
        object,   // no program: a part of one, or a memory dump
        damaged   // cut off or overwritten: execve refuses it
    };
    Kind kind = Kind::other;
    std::string machine;  // "aarch64"; "number 4711" of one without a name here
    std::string loader;   // of a program: what the kernel starts in its place, ld.so; empty: none, or not seen
};

/// Why it is no program here: "built for another machine (aarch64)"; empty: nothing is wrong.
std::string elf_fault_text(const ElfFacts& facts);

/// `beginning`: the first `elf_beginning_bytes` of a file of `file_bytes`, or all of it.
ElfFacts read_elf(std::string_view beginning, std::uint64_t file_bytes);

}  // namespace persistproc::base
