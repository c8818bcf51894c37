#include "common/base/elf.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <array>
#include <bit>
#include <climits>
#include <cstring>
#include <optional>
#include <utility>

namespace persistproc::base {

namespace {

constexpr std::pair<unsigned, std::string_view> machine_names[] = {
    {EM_386, "i386"},  {EM_X86_64, "x86_64"}, {EM_ARM, "arm"},     {EM_AARCH64, "aarch64"}, {EM_RISCV, "riscv"},
    {EM_MIPS, "mips"}, {EM_PPC, "powerpc"},   {EM_PPC64, "ppc64"}, {EM_S390, "s390x"},      {258, "loongarch"}};

/// Zeros: nothing is known of what this machine takes.
constexpr std::array<unsigned, 2> own_machines() {
#if defined(__x86_64__)
    return {EM_X86_64, EM_386};
#elif defined(__aarch64__)
    return {EM_AARCH64, EM_ARM};
#else
    return {};
#endif
}

constexpr unsigned char own_order = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;

unsigned machine_of(std::string_view header) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned>(static_cast<unsigned char>(header[at])); };
    constexpr std::size_t at = offsetof(Elf64_Ehdr, e_machine);
    return header[EI_DATA] == ELFDATA2MSB ? byte(at) << 8 | byte(at + 1) : byte(at + 1) << 8 | byte(at);
}

std::string name_of(unsigned machine) {
    for (const auto& [number, name] : machine_names)
        if (number == machine) return std::string(name);
    return fmt::format("number {}", machine);
}

/// Nothing: it ends before.
template <class T>
std::optional<T> read(std::string_view bytes, std::uint64_t at) {
    if (at > bytes.size() || bytes.size() - at < sizeof(T)) return std::nullopt;
    T out;
    std::memcpy(&out, bytes.data() + at, sizeof out);
    return out;
}

bool reaches_beyond(std::uint64_t begin, std::uint64_t size, std::uint64_t end) {
    return begin > end || size > end - begin;
}

template <class Header, class Segment>
ElfFacts read_program(std::string_view beginning, std::uint64_t file_bytes) {
    ElfFacts out{.kind = ElfFacts::Kind::damaged};
    const auto header = read<Header>(beginning, 0);
    if (!header) return out;
    const std::uint64_t table_bytes = std::uint64_t{header->e_phnum} * sizeof(Segment);
    if (header->e_type != ET_EXEC && header->e_type != ET_DYN) {
        const bool is_known = header->e_type == ET_REL || header->e_type == ET_CORE;
        out.kind = is_known ? ElfFacts::Kind::object : ElfFacts::Kind::damaged;
        return out;
    }
    if (header->e_phentsize != sizeof(Segment) || table_bytes == 0 || table_bytes > 65536 ||
        reaches_beyond(header->e_phoff, table_bytes, file_bytes))
        return out;
    for (unsigned i = 0; i < header->e_phnum; ++i) {
        const auto segment = read<Segment>(beginning, header->e_phoff + i * sizeof(Segment));
        if (!segment) break;  // behind what is looked at
        if (segment->p_type != PT_INTERP) continue;
        const std::uint64_t size = segment->p_filesz;
        if (size < 2 || size > PATH_MAX || reaches_beyond(segment->p_offset, size, file_bytes)) return out;
        if (reaches_beyond(segment->p_offset, size, beginning.size())) break;
        const auto path = beginning.substr(segment->p_offset, size);
        if (path.back() != '\0') return out;
        out.loader = path.substr(0, path.find('\0'));
        break;
    }
    out.kind = ElfFacts::Kind::program;
    return out;
}

}  // namespace

std::string elf_fault_text(const ElfFacts& facts) {
    switch (facts.kind) {
        case ElfFacts::Kind::foreign: return fmt::format("built for another machine ({})", facts.machine);
        case ElfFacts::Kind::object: return "an object file or a memory dump, no program";
        case ElfFacts::Kind::damaged: return "damaged, or not all of it is there";
        case ElfFacts::Kind::other:
        case ElfFacts::Kind::program: break;
    }
    return {};
}

ElfFacts read_elf(std::string_view beginning, std::uint64_t file_bytes) {
    ElfFacts out;
    if (!beginning.starts_with(std::string_view(ELFMAG, SELFMAG))) return out;
    out.kind = ElfFacts::Kind::damaged;
    if (beginning.size() < sizeof(Elf32_Ehdr)) return out;
    const auto order = static_cast<unsigned char>(beginning[EI_DATA]);
    const auto width = static_cast<unsigned char>(beginning[EI_CLASS]);
    const bool is_known =
        (order == ELFDATA2LSB || order == ELFDATA2MSB) && (width == ELFCLASS32 || width == ELFCLASS64);
    if (!is_known) return out;
    const unsigned machine = machine_of(beginning);
    constexpr auto own = own_machines();
    const bool is_own = order == own_order && (own[0] == 0 || machine == own[0] || machine == own[1]);
    if (!is_own) {
        out.kind = ElfFacts::Kind::foreign;
        out.machine = name_of(machine);
        return out;
    }
    return width == ELFCLASS64 ? read_program<Elf64_Ehdr, Elf64_Phdr>(beginning, file_bytes)
                               : read_program<Elf32_Ehdr, Elf32_Phdr>(beginning, file_bytes);
}

}  // namespace persistproc::base
